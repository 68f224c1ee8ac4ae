package store

import (
	"context"
	"errors"
	"unsafe"

	"annal"
)

// desks bound the memory of all summaries together: one over fields of many values
// has a cell for each of them, and a hundred such summaries at a time would have a
// hundred times as many. Small summaries need no desk.
type desks struct {
	door  queue // whoever takes desks, one after another
	desks queue
}

const (
	deskCount = 4
	deskBytes = 32 << 20 // of cells, at each
	noDesk    = 2 << 20  // of cells, that need none
	mergeCost = 32 << 20 // of a field whose counts are merged, about
)

// errNoDesk ends a summary that needs desks and has none.
var errNoDesk = errors.New("the summary has more values than it may without a desk")

func (d *desks) init() {
	d.door.init(1)
	d.desks.init(deskCount)
}

// take waits for n desks, which leave gives back.
func (d *desks) take(ctx context.Context, n int) error {
	if err := d.door.enter(ctx); err != nil {
		return err
	}
	defer func() { d.door.free <- struct{}{} }()
	for i := range n {
		if err := d.desks.enter(ctx); err != nil {
			d.leave(i)
			return err
		}
	}
	return nil
}

func (d *desks) leave(n int) {
	for range n {
		d.desks.free <- struct{}{}
	}
}

// desksFor says how many desks an aggregation over v needs.
func (s *Store) desksFor(v *view, agg *annal.Aggregation) int {
	size, seen := 0, map[annal.Field]bool{}
	for _, fields := range [][]annal.Field{agg.Breakdown, agg.Top, agg.Distinct} {
		for _, f := range fields {
			if f < annal.NumTexts && !seen[f] {
				seen[f] = true
				size += s.cellBytes(v, f)
			}
		}
	}
	if size <= noDesk {
		return 0
	}
	return min((size+deskBytes-1)/deskBytes, deskCount)
}

// cellBytes is about what counting the values of f takes.
func (s *Store) cellBytes(v *view, f annal.Field) int {
	if s.spaces[f].full.Load() {
		return mergeCost
	}
	n := s.spaces[f].size()
	for _, m := range v.mems {
		n = max(n, len(m.view().cols.Text[f].Values))
	}
	return 2 * n * int(unsafe.Sizeof(cell{})) // while they grow, there are two of them
}
