package store

import (
	"context"
	"errors"
	"time"

	"annal"
	"annal/internal/segment"
)

// Limits of one view of a scan. What a view names stays in memory, also memtables
// that have become segments meanwhile: whoever reads slowly must not keep them.
const (
	scanPatience = 50 * time.Millisecond // that a view is kept for while fn has the scan wait
	scanView     = 5 * time.Second       // that a view is used for
)

// errMoved ends a part of a scan, which goes on behind it over another view.
var errMoved = errors.New("the scan goes on over another view")

// A scan is a Scan on its way.
type scan struct {
	s       *Store
	ctx     context.Context
	q       annal.Query // what is left of the question
	fn      func(*annal.Event) error
	limit   int
	offset  int
	n       int             // events passed, those of offset included
	last    annal.Mark      // the one passed last
	waiting <-chan struct{} // what fn has the scan wait for; nil: nothing
}

// Scan calls fn with every event that q selects, in q's order, to q.Limit if
// that is not 0. The event and its strings are lent for the call
// only; like those of a page it has no salt. An fn that has to wait for something
// returns an [annal.Pause] and not before it has taken the event. It asks the store
// nothing: the scan has a turn to work, which another question may wait for.
func (s *Store) Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error {
	c := &scan{s: s, ctx: ctx, q: q, fn: fn, limit: q.Limit, offset: q.Offset}
	c.q.Limit, c.q.Offset = 0, 0
	if err := checkQuery(&c.q); err != nil {
		return err
	}
	for repairs := 0; ; {
		healed, err := s.read(ctx, &c.q, c.part)
		if errors.Is(err, errMoved) {
			if err := c.wait(); err != nil {
				return err
			}
			continue
		}
		var d *segment.DamageError
		if !healed || repairs == maxRepairs || c.n > 0 && errors.As(err, &d) && d.Lately { // events may have been passed over
			return err
		}
		repairs++
	}
}

// part passes events of one view.
func (c *scan) part(v *view, p *plan) error {
	code := c.s.ids.Get().(*idCode)
	defer c.s.ids.Put(code)
	var e annal.Event
	defer func() { // whatever ended it, go on behind the last event
		if c.q.Below = p.below; c.n > 0 {
			last := c.last
			c.q.After = &last
		}
	}()
	began := c.s.cfg.Now()
	return walk(p.watch(c.ctx), v.runs(p), c.q.Oldest, func(r *run) (bool, error) {
		if c.n >= c.offset {
			r.lend(code, &e)
		}
		c.last = annal.Mark{Time: r.key, Position: r.place()}
		if c.n++; c.n <= c.offset {
			return true, nil
		}
		err := c.fn(&e)
		if err != nil {
			err = c.asPause(p.turn, err)
		}
		more := c.limit == 0 || c.n < c.offset+c.limit
		if err == nil && more && c.n&(lastUnit-1) == 0 && c.s.cfg.Now().Sub(began) > scanView {
			err = errMoved
		}
		return more, err
	})
}

// asPause has the scan wait if that is what err wants, or returns err.
func (c *scan) asPause(turn *turn, err error) error {
	var pause *annal.Pause
	if errors.As(err, &pause) {
		return c.pause(turn, pause.Ready)
	}
	return err
}

// pause waits until ready is closed: for a moment with its view, but not with its
// turn.
func (c *scan) pause(turn *turn, ready <-chan struct{}) error {
	turn.rest()
	patience := time.NewTimer(scanPatience)
	defer patience.Stop()
	select {
	case <-ready:
		return turn.again(c.ctx)
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-patience.C:
		c.waiting = ready
		return errMoved
	}
}

// wait waits for what fn has the scan wait for.
func (c *scan) wait() error {
	if c.waiting == nil {
		return c.ctx.Err()
	}
	select {
	case <-c.waiting:
		c.waiting = nil
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}
