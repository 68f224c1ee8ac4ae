package store

import (
	"cmp"
	"container/heap"
	"slices"

	"annal"
)

// A cell counts the events with one value.
type cell struct {
	n, failed uint64
	last      int64 // newest time key; meaningful when n > 0
	used      bool  // its code is in the tally's list
}

func (c *cell) add(failed bool, key int64) {
	if c.n == 0 || key > c.last {
		c.last = key
	}
	c.n++
	if failed {
		c.failed++
	}
}

func (c *cell) addRows(n, failed uint64) {
	c.n += n
	c.failed += failed
}

func (c *cell) merge(o cell) {
	if c.n == 0 || o.n > 0 && o.last > c.last {
		c.last = o.last
	}
	c.n += o.n
	c.failed += o.failed
}

// A tally counts the values of one field over the parts of the log. While the
// field's space has room, cells holds one cell a value of the space; otherwise
// the parts' counts wait in sources, to be merged.
type tally struct {
	field   annal.Field
	cells   []cell   // lent by the store, clean but for those of codes
	codes   []uint32 // whose cells are in use
	merging bool
	sources []*source
	held    int // counts that sources hold in memory
}

// at returns the cell of a space's code.
func (t *tally) at(code uint32) *cell {
	if n := len(t.cells); int(code) >= n {
		t.cells = append(t.cells, make([]cell, max(int(code)+1-n, n, 1024))...)
	}
	c := &t.cells[code]
	if !c.used {
		c.used = true
		t.codes = append(t.codes, code)
	}
	return c
}

// borrow takes clean cells from the store, and giveBack cleans and returns them:
// there are many, and most questions use few.
func (t *tally) borrow(s *Store) {
	lent := s.cells.Get().(*tally)
	t.cells, t.codes = lent.cells, lent.codes
}

func (t *tally) giveBack(s *Store) {
	for _, code := range t.codes {
		t.cells[code] = cell{}
	}
	s.cells.Put(&tally{cells: t.cells, codes: t.codes[:0]})
	t.cells, t.codes = nil, nil
}

// each calls fn with every value that occurs.
func (t *tally) each(w *watch, values []string, fn func(value string, c cell)) error {
	if t.merging {
		return mergeSources(w, t.sources, fn)
	}
	for _, code := range t.codes {
		if c := t.cells[code]; c.n > 0 {
			fn(values[code], c)
		}
	}
	return nil
}

// A ranking keeps the n most frequent values, ties by value, and adds up the
// rest.
type ranking struct {
	n    int
	list []annal.Count // a heap with the least frequent on top
	rest cell
}

func before(a, b *annal.Count) int {
	return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Value, b.Value))
}

func (r *ranking) add(value string, c cell) {
	if len(r.list) == r.n && (r.n == 0 || c.n < r.list[0].N) {
		r.rest.merge(c)
		return
	}
	count := annal.Count{Value: value, N: c.n, Failed: c.failed, Last: timeOfKey(c.last)}
	if len(r.list) < r.n {
		heap.Push((*countHeap)(&r.list), count)
		return
	}
	if before(&count, &r.list[0]) < 0 {
		least := r.list[0]
		r.list[0] = count
		heap.Fix((*countHeap)(&r.list), 0)
		c = cell{n: least.N, failed: least.Failed, last: annal.TimeKey(least.Last)}
	}
	r.rest.merge(c)
}

// sorted returns the counts, most frequent first.
func (r *ranking) sorted() []annal.Count {
	slices.SortFunc(r.list, func(a, b annal.Count) int { return before(&a, &b) })
	return r.list
}

// countHeap has the count that ranks last on top.
type countHeap []annal.Count

func (h countHeap) Len() int           { return len(h) }
func (h countHeap) Less(i, j int) bool { return before(&h[i], &h[j]) > 0 }
func (h countHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *countHeap) Push(x any)        { *h = append(*h, x.(annal.Count)) }
func (h *countHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
