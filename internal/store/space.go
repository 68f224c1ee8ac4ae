package store

import (
	"cmp"
	"sync"
	"sync/atomic"

	"annal"
)

// Limits of the table that gives values of one field the same code everywhere.
// A field with more values is counted by merging the segments' sorted
// dictionaries instead: slower, exact, and without the memory.
const (
	maxSpaceValues = 1 << 20
	maxSpaceBytes  = 64 << 20
	maxSpaces      = 96 << 20 // bytes that the tables of all fields take; beyond, the largest is given up
	pressedSpaces  = 32 << 20 // that they take while memory is short
)

// A space gives the values of one Shared field codes that hold across parts, so
// that counts of parts add up by index. It is in memory only and fills as
// summaries ask for it.
type space struct {
	max  int // values; 0: maxSpaceValues
	mu   sync.Mutex
	in   *interner
	full atomic.Bool
}

// A translation maps a part's codes to the space's, as far as it reaches.
type translation []uint32

// segmentCodes keeps a segment's translations once they are made.
type segmentCodes struct {
	to [annal.NumTexts]atomic.Pointer[translation]
}

// memCodes keeps a memtable's translations, which grow with it.
type memCodes struct {
	mu sync.Mutex
	to [annal.NumTexts]translation
}

// extend adds to t the codes of the part's values from len(t) to n. It reports
// false when the space is full.
func (s *space) extend(t translation, n int, value func(code int) string) (translation, bool) {
	if s.full.Load() {
		return t, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		s.in = newInterner()
	}
	for c := len(t); c < n; c++ {
		if len(s.in.values) >= cmp.Or(s.max, maxSpaceValues) || s.in.bytes > maxSpaceBytes {
			s.fill()
			return t, false
		}
		t = append(t, s.in.add(value(c)))
	}
	return t, true
}

// fill gives the table up; the caller holds mu.
func (s *space) fill() {
	s.full.Store(true)
	s.in = nil
}

// weight is how much memory the table takes.
func (s *space) weight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return 0
	}
	return s.in.weight()
}

// boundSpaces gives up the largest table when all take too much together: no field
// alone may, but events can have new values in every field.
func (s *Store) boundSpaces() {
	limit := maxSpaces
	if s.Pressed() {
		limit = pressedSpaces
	}
	all, most, largest := 0, 0, &s.spaces[0]
	for f := range s.spaces {
		n := s.spaces[f].weight()
		if all += n; n > most {
			most, largest = n, &s.spaces[f]
		}
	}
	if all > limit {
		largest.mu.Lock()
		defer largest.mu.Unlock()
		largest.fill()
	}
}

// values lists the values by code; false when the space is full.
func (s *space) values() ([]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full.Load() {
		return nil, false
	}
	if s.in == nil {
		s.in = newInterner()
	}
	return s.in.values, true
}

// size is how many values there are.
func (s *space) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return 0
	}
	return len(s.in.values)
}

// translate returns the translation of a segment's codes of field f; false when
// the space is full or the segment has no dictionary of f.
func (s *Store) translate(seg *sealed, f annal.Field) (translation, bool) {
	if s.spaces[f].full.Load() {
		seg.codes.to[f].Store(nil)
		return nil, false
	}
	if t := seg.codes.to[f].Load(); t != nil {
		return *t, true
	}
	dict := seg.Dict(f)
	if dict == nil {
		return nil, false
	}
	n := dict.Len()
	t, ok := s.spaces[f].extend(make(translation, 0, n), n, func(c int) string { return dict.At(uint32(c)) })
	s.relieveAt(s.cfg.Now().UnixNano())
	if ok {
		seg.codes.to[f].Store(&t)
		s.boundSpaces()
	}
	return t, ok
}

// translateMem does the same for a memtable's view.
func (s *Store) translateMem(v *memView, f annal.Field) (translation, bool) {
	codes := &v.table.codes
	codes.mu.Lock()
	defer codes.mu.Unlock()
	values, had := v.cols.Text[f].Values, len(codes.to[f])
	t, ok := s.spaces[f].extend(codes.to[f], len(values), func(c int) string { return values[c] })
	if codes.to[f] = t; len(t) > had {
		s.boundSpaces()
	}
	return t, ok
}
