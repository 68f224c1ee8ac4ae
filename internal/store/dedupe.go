package store

import (
	"fmt"
	"hash/maphash"

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
	d.cutoff = received - idempotencyWindow.Microseconds()
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
	if f, ok := d.fresh[h]; ok {
		if f.p != p {
			return carried, nil
		}
		if !sameEvent(&p.batch.Events[f.index], e) {
			return accepted, &annal.ConflictError{Index: i, Field: annal.EventID.String()}
		}
		p.receipts[i].Duplicate = true
		p.twins = append(p.twins, twin{i, f.index})
		return accepted, nil
	}
	old, found, err := d.find(s, h, e)
	switch {
	case err != nil:
		return accepted, err
	case !found:
		d.fresh[h] = freshID{p, i}
	case !old.same:
		return accepted, &annal.ConflictError{Index: i, Field: annal.EventID.String()}
	default:
		p.receipts[i] = old.receipt
	}
	return accepted, nil
}

type foundEvent struct {
	receipt annal.Receipt
	same    bool // its content is that of the new event
}

// find looks for a stored event of e's tenant with e's id. Where damage keeps it
// from knowing, the event is refused.
func (d *deduper) find(s *Store, h uint64, e *annal.Event) (got foundEvent, found bool, err error) {
	position, recent := d.recent[h]
	if recent {
		s.settle(position + 1)
	}
	err = s.reading(func(v *view) error {
		got, found, err = d.findIn(s, v, e, position, recent)
		return err
	})
	if err != nil {
		err = fmt.Errorf("%w: %s cannot be checked for duplicates: %s", annal.ErrUnavailable, annal.EventID, err)
	}
	return got, found, err
}

// findIn looks at position, if the id was seen there recently, and in the
// segments of the window.
func (d *deduper) findIn(s *Store, v *view, e *annal.Event, position uint64, recent bool) (foundEvent, bool, error) {
	if recent {
		if got, ok, err := d.compare(s, v, position, e); ok || err != nil {
			return got, ok, err
		}
	}
	for i := len(v.segs) - 1; i >= 0 && v.segs[i].lastReceived >= d.cutoff; i-- {
		seg := v.segs[i]
		tenant, ok := seg.Tenant(e.Tenant)
		if !ok {
			continue
		}
		var err error
		if d.rows, err = seg.Lookup(annal.EventID, e.EventID, d.rows[:0]); err != nil {
			return foundEvent{}, false, err
		}
		for _, row := range d.rows {
			if row >= tenant.Lo && row < tenant.Hi {
				if got, ok, err := d.compare(s, v, seg.PositionAt(row), e); ok || err != nil {
					return got, ok, err
				}
			}
		}
	}
	return foundEvent{}, false, nil
}

// settle waits until what was committed below end is visible. The apply stage
// always gets there.
func (s *Store) settle(end uint64) {
	for {
		woken := s.news.wait()
		if s.applied.Load() >= end {
			return
		}
		<-woken
	}
}

// compare reads the event at position and says whether it has e's id, within
// the window, and e's content.
func (d *deduper) compare(s *Store, v *view, position uint64, e *annal.Event) (foundEvent, bool, error) {
	var old annal.Event
	if ok, err := v.event(position, &old); !ok || err != nil {
		return foundEvent{}, false, err
	}
	received := old.Received.UnixMicro()
	if old.EventID != e.EventID || old.Tenant != e.Tenant || received < d.cutoff {
		return foundEvent{}, false, nil
	}
	r := annal.Receipt{ID: s.id(position, received), Seq: old.Seq, Position: position, Duplicate: true}
	return foundEvent{r, sameEvent(&old, e)}, true, nil
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

// recall completes the receipts of p, whose events k covers.
func (d *deduper) recall(s *Store, v *view, p *pending, k segment.Key) error {
	next := k.Position
	for i := range p.batch.Events {
		e := &p.batch.Events[i]
		if e.EventID != "" {
			old, found, err := d.find(s, d.eventKey(e), e)
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

// sameEvent reports whether a retry, e, says what old says: all but flags, and
// but the time when e has none of its own.
func sameEvent(old, e *annal.Event) bool {
	for f := range annal.NumTexts {
		if f != annal.Flags && *old.Text(f) != *e.Text(f) {
			return false
		}
	}
	return (e.Untimed || old.Time.Equal(e.Time)) && old.Outcome == e.Outcome && old.Severity == e.Severity &&
		old.Request.Status == e.Request.Status && old.Request.Duration == e.Request.Duration
}
