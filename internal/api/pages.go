package api

import (
	"context"

	"annal"
)

// A pageShape spells pages that clients ask for by number.
type pageShape struct {
	paging []string // names of the parameters that choose the page
	offset func(a *Ask) uint64
	open   func(w *writer, p *numbered)
	entry  func(c *Call, e *annal.Event)
	close  func(w *writer, p *numbered)
}

// numbered is a page by number and what it is a page of.
type numbered struct {
	*Ask
	offset uint64
	total  uint64 // exact, on the snapshot that the page is of
}

// pages shows events by number, with their exact total. Pages behind the first
// stay on its snapshot.
func pages(p Params, shape pageShape) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		offset := shape.offset(&a)
		key := c.snapshotKey(a.given, shape.paging)
		old := c.s.snapshots.find(key, offset, c.s.Now())
		walk, err := c.walk(a.Query, old)
		if err != nil {
			return err
		}
		a.Below = walk.below
		c.noteMissing(c.Missing(a.Query)) // a page behind the last asks nothing more
		if a.After, err = c.seek(a.Query, walk, offset); err != nil {
			return err
		}
		page := numbered{&a, offset, walk.total}
		walk.last, walk.next, walk.after = offset, offset, a.After
		shape.open(&c.out, &page)
		if offset < walk.total {
			err = c.showPage(a.Query, walk, shape.entry)
		}
		if err != nil {
			return err
		}
		shape.close(&c.out, &page)
		if walk.used = c.s.Now(); walk.below > 0 {
			c.s.snapshots.keep(key, old, walk)
		}
		return c.finish()
	}
}

// walk goes on with old, or begins a walk on the log as it is.
func (c *Call) walk(q annal.Query, old *snapshot) (*snapshot, error) {
	if old != nil {
		next := *old
		return &next, nil
	}
	walk := &snapshot{below: c.End()}
	if walk.below == 0 {
		return walk, c.ctx.Err()
	}
	q.Below, q.Limit, q.Count = walk.below, 1, true
	page, err := c.Search(c.ctx, q)
	walk.total = page.Total
	c.rows.Add(-int64(len(page.Events))) // looked at, not answered
	return walk, err
}

// pageStep is how much room a page takes at a time.
const pageStep = 256 << 10

// showPage shows the page of q that goes on behind q.After. Huge events, and all
// for which there is no room, are sent as they come: a client that counts them
// would not see that a page was cut short.
func (c *Call) showPage(q annal.Query, walk *snapshot, show func(*Call, *annal.Event)) error {
	ctx, cancel := context.WithTimeout(c.Context(), c.s.QueryTimeout)
	defer cancel()
	return c.Scan(ctx, q, func(e *annal.Event) error {
		if len(c.out.b) == 0 { // the part before is sent
			c.out.b = append(c.out.b, ',')
		}
		show(c, e)
		walk.next++
		walk.after = &annal.Mark{Time: annal.TimeKey(e.Time), Position: e.Position}
		switch n := len(c.out.b); {
		case n < freeAnswer, c.status == 0 && n < MaxPageBytes && c.answer(n+pageStep):
			return nil
		case c.status == 0 && !c.answer(streamRoom):
			return annal.ErrBusy
		}
		return c.pass()
	})
}

// seek returns the mark of the event before the one at offset; nil for the
// first page and for pages behind the last. It counts from wherever is nearest:
// the page before, the first event, or the last one.
func (c *Call) seek(q annal.Query, walk *snapshot, offset uint64) (*annal.Mark, error) {
	switch {
	case offset == 0 || offset >= walk.total:
		return nil, nil
	case offset == walk.next && walk.after != nil:
		return walk.after, nil
	case offset-1 <= walk.total-offset:
		return c.skip(q, offset-1)
	}
	q.Oldest = !q.Oldest
	return c.skip(q, walk.total-offset)
}

// skip returns the mark of the event that comes n events after the first.
func (c *Call) skip(q annal.Query, n uint64) (*annal.Mark, error) {
	q.Limit, q.Count = 1, false
	for {
		q.Offset = int(min(n, annal.MaxOffset))
		page, err := c.Search(c.ctx, q)
		if err != nil || len(page.Events) == 0 {
			return nil, err
		}
		c.rows.Add(-1) // looked at, not answered
		e := &page.Events[0]
		q.After = &annal.Mark{Time: annal.TimeKey(e.Time), Position: e.Position}
		if n <= annal.MaxOffset {
			return q.After, nil
		}
		n -= annal.MaxOffset + 1
	}
}
