package store

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"

	"annal"
	"annal/internal/segment"
)

// A deduper recognises events and batches that were stored before. It belongs
// to the commit stage. Ids of sealed events are found through the segments'
// index; those of newer events through recent.
type deduper struct {
	seed   maphash.Seed             // of eventKey
	recent map[uint64]uint64        // hash of tenant and event id → position, not yet sealed
	keys   map[[16]byte]segment.Key // batch keys of the window
	order  [][16]byte               // keys, oldest first

	cutoff    int64 // µs; what was received before is forgotten
	sealed    uint64
	fresh     map[uint64]freshID // of the group being committed
	freshKeys [][16]byte
	rows      []int // scratch
}

type freshID struct {
	p     *pending
	index int
}

type verdict int

const (
	accepted verdict = iota
	carried          // it repeats what is being committed: ask again afterwards
)

func newDeduper() deduper {
	return deduper{seed: maphash.MakeSeed(), recent: map[uint64]uint64{}, keys: map[[16]byte]segment.Key{}, fresh: map[uint64]freshID{}}
}

// begin prepares for a group received at received µs.
func (d *deduper) begin(s *Store, received int64) {
	d.cutoff = remembered(received)
	for len(d.order) > 0 && (len(d.order) > maxKeys || d.keys[d.order[0]].Received < d.cutoff) {
		delete(d.keys, d.order[0])
		d.order = d.order[1:]
	}
	if end := s.sealedEnd(); end != d.sealed {
		d.sealed = end
		for h, position := range d.recent {
			if position < end {
				delete(d.recent, h)
			}
		}
	}
}

// check finds which events of p are duplicates and completes their receipts.
func (d *deduper) check(s *Store, p *pending) (verdict, error) {
	if p.batch.Key != "" {
		if k, known := d.keys[p.key]; known && k.Received >= d.cutoff {
			return d.replay(s, p, k)
		}
	}
	for i := range p.batch.Events {
		if p.batch.Events[i].EventID == "" {
			continue
		}
		v, err := d.checkEvent(s, p, i)
		if err != nil || v == carried {
			d.forget(p)
			return v, err
		}
	}
	return accepted, nil
}

// checkEvent decides on one event that has an id of its own.
func (d *deduper) checkEvent(s *Store, p *pending, i int) (verdict, error) {
	e := &p.batch.Events[i]
	h := d.eventKey(e)
	f, taken := d.fresh[h]
	if taken && f.p != p {
		return carried, nil
	}
	if taken && !sameID(&p.batch.Events[f.index], e) { // but for their hashes
		f.index = slices.IndexFunc(p.batch.Events[:i], func(x annal.Event) bool { return sameID(&x, e) })
	}
	if taken && f.index >= 0 && !p.receipts[f.index].Duplicate {
		if !sameEvent(&p.batch.Events[f.index], e) {
			return accepted, &annal.ConflictError{Index: i, Field: annal.EventID.String()}
		}
		p.receipts[i].Duplicate = true
		p.twins = append(p.twins, twin{i, f.index})
		return accepted, nil
	}
	old, found, err := d.find(s, h, e, scope{since: d.cutoff, end: math.MaxUint64})
	switch {
	case err != nil:
		return accepted, err
	case !found && !taken:
		d.fresh[h] = freshID{p, i}
	case !found: // the hash is another event's; see findRecent
	case !old.same:
		return accepted, &annal.ConflictError{Index: i, Field: annal.EventID.String()}
	default:
		p.receipts[i] = old.receipt
	}
	return accepted, nil
}

// replay answers a batch whose key was seen before.
func (d *deduper) replay(s *Store, p *pending, k segment.Key) (verdict, error) {
	for _, h := range d.freshKeys {
		if h == p.key {
			return carried, nil
		}
	}
	if [16]byte(p.batch.Digest[:16]) != k.Digest {
		return accepted, &annal.ConflictError{Index: -1, Field: "Idempotency-Key"}
	}
	p.known = true
	s.settle(k.Position + uint64(k.Count))
	if err := s.reading(func(v *view) error { return d.recall(s, v, p, k) }); err != nil {
		return accepted, fmt.Errorf("%w: the first answer to this key cannot be read: %s", annal.ErrUnavailable, err)
	}
	return accepted, nil
}

// recall completes the receipts of p, whose events k covers. An event that k's
// batch repeated is looked for as it was then: by now its id may be forgotten,
// or another event's.
func (d *deduper) recall(s *Store, v *view, p *pending, k segment.Key) error {
	then := scope{since: remembered(k.Received), end: k.Position + uint64(k.Count)}
	next := k.Position
	for i := range p.batch.Events {
		e := &p.batch.Events[i]
		if e.EventID != "" {
			old, found, err := d.find(s, d.eventKey(e), e, then)
			if err != nil {
				return err
			}
			if found {
				p.receipts[i] = old.receipt
				next = max(next, old.receipt.Position+1)
				continue
			}
		}
		var old annal.Event
		if ok, err := v.event(next, &old); err != nil {
			return err
		} else if ok {
			p.receipts[i] = annal.Receipt{ID: s.id(next, old.Received.UnixMicro()), Seq: old.Seq, Position: next}
		}
		p.receipts[i].Duplicate = true
		next++
	}
	return nil
}

// forget takes back what check noted of p.
func (d *deduper) forget(p *pending) {
	for h, f := range d.fresh {
		if f.p == p {
			delete(d.fresh, h)
		}
	}
	clear(p.receipts)
	p.twins, p.known = nil, false
}

func (d *deduper) noteKey(k segment.Key) {
	d.addKey(k)
	d.freshKeys = append(d.freshKeys, k.Hash)
}

func (d *deduper) addKey(k segment.Key) {
	if _, known := d.keys[k.Hash]; !known {
		d.order = append(d.order, k.Hash)
	}
	d.keys[k.Hash] = k
}

// commit makes what the group brought known.
func (d *deduper) commit() {
	for h, f := range d.fresh {
		d.recent[h] = f.p.batch.Events[f.index].Position
	}
	clear(d.fresh)
	d.freshKeys = d.freshKeys[:0]
}

// rollback forgets the group.
func (d *deduper) rollback() {
	for _, h := range d.freshKeys {
		delete(d.keys, h)
	}
	clear(d.fresh)
	d.freshKeys = d.freshKeys[:0]
}

// eventKey hashes the tenant and the emitter's id of e. Nobody who does not know the
// seed can make an id that hides another tenant's.
func (d *deduper) eventKey(e *annal.Event) uint64 {
	return maphash.String(d.seed, e.EventID) ^ maphash.String(d.seed, e.Tenant)*31
}
