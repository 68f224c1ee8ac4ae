// Package annaltest holds what tests measure the real parts against: above all
// [Model], a log so simple that it is right by inspection.
package annaltest

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"annal"
)

// DuplicateWindow is how long, in received time, an event_id or a batch key is
// remembered.
const DuplicateWindow = 24 * time.Hour

// A Model is a whole log in a slice. [annal.Query.Matches] is its only notion of
// a match, so it defines the answers that every faster log must give. It is safe
// for concurrent use and keeps everything forever.
type Model struct {
	now func() time.Time

	mu       sync.RWMutex
	events   []annal.Event // by Position
	lost     annal.Gaps    // of events; in no answer
	sizes    map[string]uint64
	ids      map[ownID]uint64 // the newest event with each id
	keys     map[string]usedKey
	received time.Time
	random   *rand.ChaCha8
	grown    chan struct{} // closed and replaced when events arrive
}

type ownID struct{ tenant, id string }

type usedKey struct {
	digest   [32]byte
	received time.Time
	receipts []annal.Receipt
}

// New returns an empty model that takes received times from now.
func New(now func() time.Time) *Model {
	return &Model{
		now: now, sizes: map[string]uint64{}, ids: map[ownID]uint64{}, keys: map[string]usedKey{},
		random: rand.NewChaCha8([32]byte{}), grown: make(chan struct{}),
	}
}

// Append stores all of b's events or none. An event whose id was used within
// [DuplicateWindow], or a batch whose key was, is answered with the first one's
// receipts; with other content it is an [annal.ConflictError].
func (m *Model) Append(ctx context.Context, b *annal.Batch) ([]annal.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.receive()
	if used, ok := m.keys[b.Key]; ok && b.Key != "" && recent(used.received, now) {
		if used.digest != b.Digest {
			return nil, &annal.ConflictError{Index: -1, Field: "Idempotency-Key"}
		}
		return duplicates(used.receipts), nil
	}
	first, err := m.originals(b.Events, now)
	if err != nil {
		return nil, err
	}
	receipts := make([]annal.Receipt, len(b.Events))
	for i := range b.Events {
		switch f := first[i]; {
		case f < 0: // of its own
			receipts[i] = m.add(&b.Events[i], now)
		case f < len(b.Events): // an earlier one of the batch
			receipts[i] = receipts[f]
			receipts[i].Duplicate = true
		default: // one of the log
			receipts[i] = receiptOf(&m.events[f-len(b.Events)])
			receipts[i].Duplicate = true
		}
	}
	if b.Key != "" {
		m.keys[b.Key] = usedKey{b.Digest, now, slices.Clone(receipts)}
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return receipts, nil
}

// receive returns the received time of the next batch: never decreasing, µs.
func (m *Model) receive() time.Time {
	if now := m.now().UTC().Truncate(time.Microsecond); now.After(m.received) {
		m.received = now
	}
	return m.received
}

func recent(received, now time.Time) bool { return now.Sub(received) < DuplicateWindow }

func duplicates(rs []annal.Receipt) []annal.Receipt {
	out := slices.Clone(rs)
	for i := range out {
		out[i].Duplicate = true
	}
	return out
}

func receiptOf(e *annal.Event) annal.Receipt {
	return annal.Receipt{ID: e.ID, Seq: e.Seq, Position: e.Position}
}

// originals finds, for each event, the first with its id: -1 when it is itself
// the first, its index when that is in the batch, else len(events) + position.
func (m *Model) originals(events []annal.Event, now time.Time) ([]int, error) {
	first := make([]int, len(events))
	batch := map[ownID]int{}
	for i := range events {
		e := &events[i]
		first[i] = -1
		if e.EventID == "" {
			continue
		}
		id := ownID{e.Tenant, e.EventID}
		var old *annal.Event
		if p, ok := m.ids[id]; ok && recent(m.events[p].Received, now) {
			old, first[i] = &m.events[p], len(events)+int(p)
		} else if j, ok := batch[id]; ok {
			old, first[i] = &events[j], j
		} else {
			batch[id] = i
			continue
		}
		if !SameContent(old, e) {
			return nil, &annal.ConflictError{Index: i, Field: "event_id"}
		}
	}
	return first, nil
}

// SameContent reports whether e says what the stored event old says: everything
// of the canonical form but flags, and but time when e came without one.
func SameContent(old, e *annal.Event) bool {
	a, b := *old, *e
	a.Flags, b.Flags = "", ""
	if e.Untimed {
		b.Time = a.Time
	}
	return string(a.AppendCanonical(nil)) == string(b.AppendCanonical(nil))
}

func (m *Model) add(e *annal.Event, received time.Time) annal.Receipt {
	kept := e.Clone()
	kept.Untimed = false
	kept.Position = uint64(len(m.events))
	kept.Seq = m.sizes[e.Tenant]
	kept.Received = received
	kept.ID = m.id(received)
	_, _ = m.random.Read(kept.Salt[:]) // cannot fail
	m.sizes[e.Tenant]++
	m.events = append(m.events, kept)
	if e.EventID != "" {
		m.ids[ownID{kept.Tenant, kept.EventID}] = kept.Position
	}
	return receiptOf(&kept)
}

// id makes a UUIDv7.
func (m *Model) id(received time.Time) (id annal.ID) {
	_, _ = m.random.Read(id[:]) // cannot fail
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(received.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// End returns the position that the next event will get.
func (m *Model) End() uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return uint64(len(m.events))
}

// Events returns every event by position.
func (m *Model) Events() []annal.Event {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.events)
}

// Event returns the event with the given id if one of tenants, or anybody when
// tenants is nil, has it.
func (m *Model) Event(ctx context.Context, tenants []string, id annal.ID) (annal.Event, error) {
	if err := ctx.Err(); err != nil {
		return annal.Event{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range m.events {
		e := &m.events[i]
		if e.ID != id {
			continue
		}
		if m.lost.Holds(e.Position) {
			return annal.Event{}, annal.ErrDamaged // whose it was, the log does not know
		}
		if tenants == nil || slices.Contains(tenants, e.Tenant) {
			return *e, nil
		}
	}
	return annal.Event{}, annal.ErrNotFound
}

// Search returns the page that q asks for.
func (m *Model) Search(ctx context.Context, q annal.Query) (annal.Page, error) {
	if err := ctx.Err(); err != nil {
		return annal.Page{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if q.Below == 0 {
		q.Below = uint64(len(m.events))
	}
	all := m.matches(&q)
	page := annal.Page{Below: q.Below}
	if q.Count {
		page.Total = uint64(len(all))
	}
	rest := skip(&q, all)
	n := len(rest)
	if q.Limit > 0 {
		n = min(n, q.Limit)
	}
	for _, e := range rest[:n] {
		page.Events = append(page.Events, *e)
	}
	if 0 < n && n < len(rest) {
		page.Next = &annal.Mark{Time: annal.TimeKey(rest[n-1].Time), Position: rest[n-1].Position}
	}
	return page, nil
}

// Scan calls fn for every event that q selects, in q's order; Limit 0 is no
// bound.
func (m *Model) Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error {
	page, err := m.Search(ctx, q)
	for i := 0; err == nil && i < len(page.Events); i++ {
		if err = ctx.Err(); err == nil {
			err = fn(&page.Events[i])
		}
		if pause := (*annal.Pause)(nil); errors.As(err, &pause) {
			<-pause.Ready
			err = nil
		}
	}
	return err
}

// matches returns the events that q selects, in its order, whatever its After,
// Offset and Limit.
func (m *Model) matches(q *annal.Query) []*annal.Event {
	var all []*annal.Event
	for i := range m.events {
		if q.Matches(&m.events[i]) && !m.lost.Holds(m.events[i].Position) {
			all = append(all, &m.events[i])
		}
	}
	slices.SortFunc(all, func(a, b *annal.Event) int { return compare(q, a, markOf(b)) })
	return all
}

func markOf(e *annal.Event) annal.Mark {
	return annal.Mark{Time: annal.TimeKey(e.Time), Position: e.Position}
}

// compare orders e against mark in q's order.
func compare(q *annal.Query, e *annal.Event, mark annal.Mark) int {
	own := markOf(e)
	c := 0
	switch {
	case own.Time < mark.Time || own.Time == mark.Time && own.Position < mark.Position:
		c = -1
	case own != mark:
		c = 1
	}
	if !q.Oldest {
		c = -c
	}
	return c
}

// skip leaves out what lies before q's After and Offset.
func skip(q *annal.Query, all []*annal.Event) []*annal.Event {
	for q.After != nil && len(all) > 0 && compare(q, all[0], *q.After) <= 0 {
		all = all[1:]
	}
	return all[min(q.Offset, len(all)):]
}

// Tail waits until there is a position from, and then calls fn with the events
// from there on that q selects, in order of position, each with its native JSON,
// until fn wants no more. It returns the position to go on from.
func (m *Model) Tail(ctx context.Context, q annal.Query, from uint64, fn func(e *annal.Event, native []byte) (more bool)) (next uint64, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return from, err
		}
		m.mu.RLock()
		events, grown, lost := m.events, m.grown, m.lost
		m.mu.RUnlock()
		if from < uint64(len(events)) {
			return show(&q, events[from:], lost, fn), nil
		}
		select {
		case <-ctx.Done():
			return from, ctx.Err()
		case <-grown:
		}
	}
}

// show calls fn with those of events, of which there is one at least, that q
// selects and are not lost, and returns the position behind the last that it went
// through.
func show(q *annal.Query, events []annal.Event, lost annal.Gaps, fn func(*annal.Event, []byte) bool) uint64 {
	for i := range events {
		if e := &events[i]; q.Matches(e) && !lost.Holds(e.Position) && !fn(e, e.AppendJSON(nil)) {
			return e.Position + 1
		}
	}
	return events[len(events)-1].Position + 1
}
