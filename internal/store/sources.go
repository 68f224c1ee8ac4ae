package store

import (
	"cmp"
	"slices"

	"annal"
	"annal/internal/segment"
)

// maxHeld bounds the counts that a tally holds in memory while it merges.
const maxHeld = 4 << 20

// A source is the counts of the values of one field in one part. It has them in
// memory, or reads them from a segment's index some at a time. When sources are
// merged, it yields them by ascending value.
type source struct {
	field  annal.Field
	dict   *segment.Dict // of the codes, or
	mem    *memView      // where they come from
	codes  []uint32      // ascending, until they are sorted by value
	n      []uint32
	failed []uint32
	last   []int64         // newest time keys
	more   *segment.Counts // nil: these are all

	value string // of the count at hand, unless done
	cell  cell   // the count at hand
	done  bool
	next  int // the next of codes to be at hand
	leaf  int // in a tournament
}

func (s *source) text(code uint32) string {
	if s.dict != nil {
		return s.dict.At(code)
	}
	return s.mem.cols.Text[s.field].Values[code]
}

// find returns what the source counts of a value, before it is sorted.
func (s *source) find(value string) cell {
	var code uint32
	var ok bool
	if s.dict != nil {
		code, ok = s.dict.Find(value)
	} else {
		code, ok = s.mem.find(s.field, value)
	}
	if !ok {
		return cell{}
	}
	if s.more != nil {
		n, failed := s.more.Of(code)
		return cell{n: n, failed: failed}
	}
	i, found := slices.BinarySearch(s.codes, code)
	if !found {
		return cell{}
	}
	return cell{n: uint64(s.n[i]), failed: uint64(s.failed[i]), last: s.last[i]}
}

// each calls fn with all counts, some at a time, by ascending code.
func (s *source) each(fn func(codes, n []uint32)) {
	if s.more == nil {
		fn(s.codes, s.n)
		return
	}
	for codes, n, _ := s.more.Next(); len(codes) > 0; codes, n, _ = s.more.Next() {
		fn(codes, n)
	}
	s.more.Again()
}

// sort puts the counts in the order of their values; the codes of a dictionary are
// in it.
func (s *source) sort() {
	if s.dict != nil {
		return
	}
	order := make([]uint32, len(s.codes))
	for i := range order {
		order[i] = uint32(i)
	}
	values := s.mem.cols.Text[s.field].Values
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(values[s.codes[a]], values[s.codes[b]]) })
	s.codes, s.n, s.failed, s.last = inOrder(s.codes, order), inOrder(s.n, order), inOrder(s.failed, order), inOrder(s.last, order)
}

func inOrder[T any](list []T, order []uint32) []T {
	out := make([]T, len(list))
	for i, from := range order {
		out[i] = list[from]
	}
	return out
}

// advance puts the next count at hand.
func (s *source) advance() {
	if s.next == len(s.codes) && s.more != nil {
		s.codes, s.n, s.failed = s.more.Next()
		s.next = 0
	}
	if s.done = s.next == len(s.codes); s.done {
		return
	}
	i := s.next
	s.next++
	s.value, s.cell = s.text(s.codes[i]), cell{n: uint64(s.n[i]), failed: uint64(s.failed[i])}
	if s.last != nil {
		s.cell.last = s.last[i]
	}
}

// hold adds s as a source of counts, by the codes of its part.
func (t *tally) hold(s *source, cells []cell) error {
	for code := range cells {
		if c := &cells[code]; c.n > 0 {
			s.codes, s.n, s.failed = append(s.codes, uint32(code)), append(s.n, uint32(c.n)), append(s.failed, uint32(c.failed))
			s.last = append(s.last, c.last)
		}
	}
	if t.held += len(s.codes); t.held > maxHeld {
		return annal.ErrTooCostly
	}
	t.sources = append(t.sources, s)
	return nil
}

// mergeSources calls fn with every value of the sources, ascending, and what they
// count of it together.
func mergeSources(w *watch, sources []*source, fn func(value string, c cell)) error {
	m := newTournament(sources)
	for s := m.best(); !s.done; {
		value, sum := s.value, s.cell
		for s = m.advance(); !s.done && s.value == value; s = m.advance() {
			sum.merge(s.cell)
		}
		fn(value, sum)
		if err := w.add(1); err != nil {
			return err
		}
	}
	return nil
}

// A tournament finds the source with the least value. Each node of a tree has the
// loser of the match between the winners of the two nodes below it, the leaves
// being the sources: when the winner of all has a new value, only its own matches
// are played again.
type tournament struct {
	sources []*source
	nodes   []*source // of node i, 0 < i, the nodes below are 2i and 2i+1; 0: the winner
}

func newTournament(sources []*source) *tournament {
	t := &tournament{sources: sources, nodes: make([]*source, max(len(sources), 1))}
	t.nodes[0] = &source{done: true}
	for i, s := range sources {
		s.leaf = i + len(sources)
		s.sort()
		s.advance()
		t.play(s)
	}
	return t
}

func (t *tournament) best() *source { return t.nodes[0] }

// advance puts the next count of the best source at hand and returns the best.
func (t *tournament) advance() *source {
	s := t.nodes[0]
	s.advance()
	t.play(s)
	return t.nodes[0]
}

// play has s play against those who lost on its way to the top.
func (t *tournament) play(s *source) {
	for i := s.leaf / 2; i > 0; i /= 2 {
		other := t.nodes[i]
		if other == nil { // nobody has come here yet
			t.nodes[i] = s
			return
		}
		if !other.done && (s.done || other.value < s.value) {
			t.nodes[i], s = s, other
		}
	}
	t.nodes[0] = s
}
