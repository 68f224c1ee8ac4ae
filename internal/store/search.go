package store

import (
	"context"
	"fmt"
	"time"

	"annal"
)

// Search answers one page of q. Its events keep nothing of the store alive, and
// have no salt: [Store.Event] shows that.
//
// Errors: *annal.InvalidError for a query beyond its limits, ctx's.
func (s *Store) Search(ctx context.Context, q annal.Query) (annal.Page, error) {
	if err := checkQuery(&q); err != nil {
		return annal.Page{}, err
	}
	limit := q.Limit
	if limit == 0 {
		limit = annal.MaxPage
	}
	var page annal.Page
	err := s.again(ctx, &q, func(v *view, p *plan) error {
		page = annal.Page{Below: p.below}
		hits, more := make([]hit, 0, min(limit, usualPage)), false
		skip := q.Offset
		err := walk(p.watch(ctx), v.runs(p), q.Oldest, func(r *run) (bool, error) {
			if skip > 0 {
				skip--
				return true, nil
			}
			if more = len(hits) == limit; more {
				return false, nil
			}
			hits = append(hits, hit{r.part, r.row, r.key})
			return true, nil
		})
		if err != nil {
			return err
		}
		page.Events = s.readPage(hits)
		if n := len(page.Events); more || n < len(hits) {
			page.Next = hits[n-1].mark()
		}
		if !q.Count {
			return nil
		}
		all := q
		all.After = nil
		total := s.plan(&all, p.below)
		total.turn, total.ctx = p.turn, ctx
		page.Total, err = v.count(ctx, total)
		return errOr(err, total.ended)
	})
	return page, err
}

// Event returns the event with this id, if it is one of tenants' (nil: any).
func (s *Store) Event(ctx context.Context, tenants []string, id annal.ID) (annal.Event, error) {
	code := s.ids.Get().(*idCode)
	position, ok := code.position(id)
	s.ids.Put(code)
	if !ok || position >= s.applied.Load() {
		return annal.Event{}, annal.ErrNotFound
	}
	var e annal.Event
	err := s.again(ctx, &annal.Query{}, func(v *view, _ *plan) error {
		found, err := v.event(position, &e)
		if err == nil && !found {
			err = s.unheld(position, id)
		}
		if err != nil {
			return err
		}
		var text arena
		text.own(&e)
		return nil
	})
	if err != nil {
		return annal.Event{}, err
	}
	e.ID = s.id(e.Position, e.Received.UnixMicro())
	if e.ID != id || tenants != nil && !hasTenant(tenants, e.Tenant) {
		return annal.Event{}, annal.ErrNotFound
	}
	return e, nil
}

// unheld says why no part of the log holds a position below its end: it was lost
// to damage. Only an id that the log has given proves that there was an event.
func (s *Store) unheld(position uint64, id annal.ID) error {
	code := s.ids.Get().(*idCode)
	defer s.ids.Put(code)
	if !code.gave(id, position) {
		return annal.ErrNotFound
	}
	return fmt.Errorf("position %d is lost: %w", position, annal.ErrDamaged)
}

func hasTenant(tenants []string, t string) bool {
	for _, x := range tenants {
		if x == t {
			return true
		}
	}
	return false
}

// read runs fn over a view for q, guarded against damaged files.
func (s *Store) read(ctx context.Context, q *annal.Query, fn func(*view, *plan) error) (healed bool, err error) {
	turn, err := s.turns.begin(ctx, q.Text != "")
	if err != nil {
		return false, err
	}
	defer turn.end()
	end := s.applied.Load() // before the view, so that the view holds all below it
	v := s.acquire()
	defer s.release(v)
	return s.guarded(v, func() error {
		p := s.plan(q, end)
		p.turn, p.ctx = turn, ctx
		err := fn(v, p)
		return errOr(err, p.ended)
	})
}

// again is read for an fn that can be run anew: it does not fail because of
// damage that could be repaired.
func (s *Store) again(ctx context.Context, q *annal.Query, fn func(*view, *plan) error) error {
	healed, err := s.read(ctx, q, fn)
	for range maxRepairs {
		if !healed {
			break
		}
		healed, err = s.read(ctx, q, fn)
	}
	return err
}

// maxRepairs bounds the damaged indexes that one read waits for.
const maxRepairs = 64

// runs returns the runs of every part of v that may hold what p asks for.
func (v *view) runs(p *plan) []*run {
	if p.empty() {
		return nil
	}
	var out []*run
	for _, seg := range v.segs {
		out = append(out, seg.runs(p)...)
	}
	for _, m := range v.mems {
		out = append(out, m.runs(p)...)
	}
	return out
}

// each calls fn with all matching rows of the runs, some at a time, in no order.
func each(w *watch, list []*run, fn func(r *run, rows []uint32) error) error {
	for len(list) > 0 {
		r := list[len(list)-1]
		list = list[:len(list)-1]
		if r.open != nil {
			inner, err := r.open()
			if err != nil {
				return err
			}
			list = append(list, inner...)
			continue
		}
		for {
			more, err := r.take(w)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if !r.part.before(r.plan.below) {
				r.dropLate()
			}
			if err := fn(r, r.found); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropLate removes the rows found that are beyond the plan's snapshot.
func (r *run) dropLate() {
	kept := r.found[:0]
	for _, row := range r.found {
		if r.part.position(row) < r.plan.below {
			kept = append(kept, row)
		}
	}
	r.found = kept
}

// checkQuery enforces the limits of a query.
func checkQuery(q *annal.Query) error {
	switch {
	case len(q.Where) > annal.MaxFilters:
		return annal.Invalid("", "%d conditions; at most %d are allowed", len(q.Where), annal.MaxFilters)
	case len(q.Text) > annal.MaxTextBytes:
		return annal.Invalid("text", "%d bytes; at most %d are allowed", len(q.Text), annal.MaxTextBytes)
	case len(annal.Words(q.Text)) > annal.MaxWords:
		return annal.Invalid("text", "at most %d words are allowed", annal.MaxWords)
	case q.Limit < 0 || q.Limit > annal.MaxPage:
		return annal.Invalid("limit", "%d; 1 to %d are allowed", q.Limit, annal.MaxPage)
	case q.Offset < 0 || q.Offset > annal.MaxOffset:
		return annal.Invalid("offset", "%d; 0 to %d are allowed", q.Offset, annal.MaxOffset)
	}
	for _, f := range q.Where {
		if len(f.Values) > annal.MaxFilterValues {
			return annal.Invalid(f.Fields[0].String(), "%d values; at most %d are allowed", len(f.Values), annal.MaxFilterValues)
		}
		for _, field := range f.Fields {
			if field >= annal.NumFields {
				return annal.Invalid("", "field %d does not exist", field)
			}
		}
	}
	return nil
}

// timeOfKey is the time of a key for answers: at the ends it is the earliest or
// latest that the key covers.
func timeOfKey(key int64) time.Time { return annal.KeyTime(key) }
