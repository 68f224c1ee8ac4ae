package api

import (
	"context"

	"annal"
)

// watched is a call's Reader: it counts the events that it gives out, for the
// access stream, and notes what is missing among them.
type watched struct {
	Reader // narrowed already
	c      *Call
}

func (r watched) Search(ctx context.Context, q annal.Query) (annal.Page, error) {
	r.c.noteMissing(r.Missing(q))
	page, err := r.Reader.Search(ctx, q)
	r.c.rows.Add(int64(len(page.Events)))
	return page, err
}

func (r watched) Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error {
	r.c.noteMissing(r.Missing(q))
	return r.Reader.Scan(ctx, q, func(e *annal.Event) error {
		r.c.rows.Add(1)
		return fn(e)
	})
}

func (r watched) Event(ctx context.Context, tenants []string, id annal.ID) (annal.Event, error) {
	e, err := r.Reader.Event(ctx, tenants, id)
	if err == nil {
		r.c.rows.Add(1)
	}
	return e, err
}

func (r watched) Summarize(ctx context.Context, q annal.Query, a annal.Aggregation) (annal.Summary, error) {
	r.c.noteMissing(r.Missing(q))
	return r.Reader.Summarize(ctx, q, a)
}

func (r watched) Values(ctx context.Context, q annal.Query, f annal.Field, limit int) ([]annal.Count, bool, error) {
	r.c.noteMissing(r.Missing(q))
	return r.Reader.Values(ctx, q, f, limit)
}

// Tail notes nothing: the answer has begun, and said what is missing before it
// did.
func (r watched) Tail(ctx context.Context, q annal.Query, from uint64, fn func(*annal.Event, []byte) bool) (uint64, error) {
	return r.Reader.Tail(ctx, q, from, func(e *annal.Event, native []byte) bool {
		r.c.rows.Add(1)
		return fn(e, native)
	})
}
