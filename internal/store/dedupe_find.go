package store

import (
	"fmt"

	"annal"
)

// A scope is where an event with an id is looked for.
type scope struct {
	since int64  // received then or later, in µs
	end   uint64 // at a position below
}

// remembered is since when, in µs, what was received is still known at a time.
func remembered(at int64) (since int64) { return at - idempotencyWindow.Microseconds() + 1 }

type foundEvent struct {
	receipt annal.Receipt
	same    bool // its content is that of the new event
}

// find looks for the stored event of e's tenant with e's id, of which a window has
// one at most. Where damage keeps it from knowing, the event is refused.
func (d *deduper) find(s *Store, h uint64, e *annal.Event, in scope) (got foundEvent, found bool, err error) {
	position, recent := d.recent[h]
	if recent {
		s.settle(position + 1)
	}
	err = s.reading(func(v *view) error {
		if recent {
			if got, found, err = d.findRecent(s, v, e, position, in); found || err != nil {
				return err
			}
		}
		got, found, err = d.findSealed(s, v, e, in)
		return err
	})
	if err != nil {
		err = fmt.Errorf("%w: %s cannot be checked for duplicates: %s", annal.ErrUnavailable, annal.EventID, err)
	}
	return got, found, err
}

// findRecent looks at position, where an event with the hash of e's id is that is
// not sealed. When it is not the one, others that have the hash may be.
func (d *deduper) findRecent(s *Store, v *view, e *annal.Event, position uint64, in scope) (got foundEvent, found bool, err error) {
	if got, found, err = d.compare(s, v, position, e, in); found || err != nil {
		return got, found, err
	}
	for i := len(v.mems) - 1; i >= 0 && !found && err == nil; i-- {
		mv := v.mems[i].view()
		mv.linked(annal.EventID, e.EventID, func(row int) {
			if !found && err == nil && mv.text(annal.EventID, row) == e.EventID {
				got, found, err = d.compare(s, v, mv.position(row), e, in)
			}
		})
	}
	return got, found, err
}

// findSealed looks in the segments that the scope reaches.
func (d *deduper) findSealed(s *Store, v *view, e *annal.Event, in scope) (foundEvent, bool, error) {
	for i := len(v.segs) - 1; i >= 0 && v.segs[i].lastReceived >= in.since; i-- {
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
				if got, ok, err := d.compare(s, v, seg.PositionAt(row), e, in); ok || err != nil {
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

// compare reads the event at position and says whether it has e's id, within the
// scope, and e's content.
func (d *deduper) compare(s *Store, v *view, position uint64, e *annal.Event, in scope) (foundEvent, bool, error) {
	var old annal.Event
	if position >= in.end {
		return foundEvent{}, false, nil
	}
	if ok, err := v.event(position, &old); !ok || err != nil {
		return foundEvent{}, false, err
	}
	received := old.Received.UnixMicro()
	if !sameID(&old, e) || received < in.since {
		return foundEvent{}, false, nil
	}
	r := annal.Receipt{ID: s.id(position, received), Seq: old.Seq, Position: position, Duplicate: true}
	return foundEvent{r, sameEvent(&old, e)}, true, nil
}

// sameID reports whether two events have the same tenant and id.
func sameID(a, b *annal.Event) bool { return a.EventID == b.EventID && a.Tenant == b.Tenant }

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
