package store

import (
	"container/heap"
	"sort"

	"annal"
)

// A rowList is rows of a part in ascending order of time, then position.
type rowList interface {
	Len() int
	At(i int) int
}

// rows is a rowList of its own.
type rows []uint32

func (r rows) Len() int     { return len(r) }
func (r rows) At(i int) int { return int(r[i]) }

// Rows are tested in units, small at first since a page may need no more.
const (
	firstUnit = 128
	lastUnit  = 2048
)

// A run walks some rows of one part in the order of the query, newest or oldest
// first, and stops at those that match. Until it is opened it stands in the heap
// with the best key that it may hold.
type run struct {
	plan  *plan
	part  part
	tests []test
	list  rowList // nil: the rows are lo to hi themselves
	lo    int     // the rest of list: lo ≤ i < hi
	hi    int
	skip  func(row uint32) int // rows from row on, in the order of the query, that cannot match; nil: test all
	unit  int
	found []uint32 // matching rows of the unit, next first
	keys  []int64  // of found, in a walk
	next  int

	open     func() ([]*run, error) // what this run really is; it has no rows itself
	started  bool
	row      uint32
	key      int64
	position uint64 // of row, once place was asked for it
	placed   bool
}

// place is the position of the row that r is at. Most rows are told apart by
// their times, so that few are asked for it.
func (r *run) place() uint64 {
	if !r.placed {
		r.position, r.placed = r.part.position(r.row), true
	}
	return r.position
}

// take tests the next unit of rows. It reports false when none are left.
func (r *run) take(w *watch) (bool, error) {
	r.found, r.next = r.found[:0], 0
	if r.lo >= r.hi {
		return false, nil
	}
	if r.skip != nil {
		if done := r.leap(); done {
			return false, nil
		}
	}
	r.unit = min(max(firstUnit, 2*r.unit), lastUnit)
	n := min(r.unit, r.hi-r.lo)
	for k := range n {
		i := r.lo + k
		if !r.plan.oldest {
			i = r.hi - 1 - k
		}
		row := uint32(i)
		if r.list != nil {
			row = uint32(r.list.At(i))
		}
		if r.matches(row) {
			r.found = append(r.found, row)
		}
	}
	if r.plan.oldest {
		r.lo += n
	} else {
		r.hi -= n
	}
	return true, w.add(n)
}

// leap passes over rows that cannot match, and reports whether none are left.
func (r *run) leap() bool {
	for r.lo < r.hi {
		n := 0
		if r.plan.oldest {
			n = r.skip(uint32(r.lo))
			r.lo += n
		} else {
			n = r.skip(uint32(r.hi - 1))
			r.hi -= n
		}
		if n == 0 {
			return false
		}
	}
	return true
}

func (r *run) matches(row uint32) bool {
	for _, t := range r.tests {
		if !t(row) {
			return false
		}
	}
	return true
}

// advance moves to the next row that matches.
func (r *run) advance(w *watch) (bool, error) {
	r.started = true
	for {
		for r.next < len(r.found) {
			r.row, r.key, r.placed = r.found[r.next], r.keys[r.next], false
			r.next++
			if r.inSnapshot() && !r.plan.passed(r) {
				return true, nil
			}
		}
		if more, err := r.take(w); !more || err != nil {
			return false, err
		}
		r.keys = r.part.keys(r.found, r.keys[:0])
	}
}

func (r *run) inSnapshot() bool { return r.part.before(r.plan.below) || r.place() < r.plan.below }

// narrow restricts r to the rows of its list within the plan's times; the list
// must be in the order of time.
func (r *run) narrow() {
	at := func(i int) int64 { return r.part.key(uint32(r.list.At(i))) }
	n := r.hi - r.lo
	lo := r.lo + sort.Search(n, func(i int) bool { return at(r.lo+i) >= r.plan.minKey })
	hi := r.lo + sort.Search(n, func(i int) bool { return at(r.lo+i) > r.plan.maxKey })
	r.lo, r.hi = lo, max(lo, hi)
}

// runs is a heap with the run that holds the query's next event on top.
type runs struct {
	list   []*run
	oldest bool
}

func (h *runs) Len() int      { return len(h.list) }
func (h *runs) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }
func (h *runs) Push(x any)    { h.list = append(h.list, x.(*run)) }
func (h *runs) Pop() any {
	n := len(h.list) - 1
	x := h.list[n]
	h.list = h.list[:n]
	return x
}

func (h *runs) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	if a.key != b.key {
		return (a.key < b.key) == h.oldest
	}
	if a.started != b.started {
		return !a.started // it may hold something better
	}
	return a.started && (a.place() < b.place()) == h.oldest
}

// walk calls fn with each event of the runs in the order of the query until fn
// reports false. The event is at r.row of r.part.
func walk(w *watch, list []*run, oldest bool, fn func(r *run) (bool, error)) error {
	h := &runs{list, oldest}
	heap.Init(h)
	for len(h.list) > 0 {
		top := h.list[0]
		if top.open != nil {
			inner, err := top.open()
			if err != nil {
				return err
			}
			heap.Pop(h)
			for _, r := range inner {
				heap.Push(h, r)
			}
			continue
		}
		if top.started {
			if more, err := fn(top); !more || err != nil {
				return err
			}
		}
		ok, err := top.advance(w)
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(h, 0)
		} else {
			heap.Pop(h)
		}
	}
	return nil
}

// lend fills e from the row that r is at, its id included. It is shown before the
// read has come to its end, so that its segment must be whole now.
func (r *run) lend(code *idCode, e *annal.Event) {
	r.part.read(r.row, e)
	if in, sealed := r.part.(*segPart); sealed {
		in.seg.Whole()
	}
	r.position, r.placed = e.Position, true
	e.ID = code.id(e.Position, e.Received.UnixMicro())
}
