package store

import (
	"annal"
	"annal/internal/segment"
)

// maxHeld bounds the counts that a tally holds in memory while it merges.
const maxHeld = 4 << 20

// A source yields the counts of one part by ascending value. It has some of them
// in memory, and reads more when these are used up.
type source struct {
	value string // of the count at hand, unless done
	cell  cell   // the count at hand
	done  bool
	leaf  int // in a tournament

	dict   *segment.Dict // of the codes, or
	values []string      // their values
	next   int           // the next of codes to be at hand
	codes  []uint32
	n      []uint32
	failed []uint32
	last   []int64         // newest time keys; nil: nobody asked
	more   *segment.Counts // nil: these are all
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
	s.cell = cell{n: uint64(s.n[i]), failed: uint64(s.failed[i])}
	if s.last != nil {
		s.cell.last = s.last[i]
	}
	if s.dict != nil {
		s.value = s.dict.At(s.codes[i])
	} else {
		s.value = s.values[s.codes[i]]
	}
}

// hold adds a source of counts by the codes of a part, whose values ascend in the
// order that byValue gives; nil: in that of the codes.
func (t *tally) hold(s *source, cells []cell, byValue []uint32) error {
	for i := range cells {
		code := uint32(i)
		if byValue != nil {
			code = byValue[i]
		}
		c := &cells[code]
		if c.n == 0 {
			continue
		}
		s.codes, s.n, s.failed = append(s.codes, code), append(s.n, uint32(c.n)), append(s.failed, uint32(c.failed))
		s.last = append(s.last, c.last)
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
