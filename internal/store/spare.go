package store

import (
	"sync"
	"time"

	"annal"
	"annal/internal/segment"
)

// A spare keeps the room of the memtable that was let go of last for the next
// one: while events come fast, memtables take turns with the same memory instead
// of leaving it to the collector.
type spare struct {
	mu    sync.Mutex
	room  *room // nil: none
	since time.Time
}

// spareTime is how long room is kept that no memtable asks for.
const spareTime = 10 * time.Second

// A room is the memory of a memtable's columns. All slices are empty.
type room struct {
	cols  segment.Columns // without texts
	texts [annal.NumTexts]textRoom
}

type textRoom struct {
	places []uint32 // codes or offsets
	bytes  []byte
	links  []uint32
}

func (s *spare) put(r *room, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room, s.since = r, now
}

// take returns the room kept, which is the caller's then, or an empty one.
func (s *spare) take() *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.room
	s.room = nil
	if r == nil {
		return new(room)
	}
	return r
}

// expire lets go of room that has been kept for too long, or that nobody waits
// for since appends have rested: questions have a use for the memory.
func (s *spare) expire(now time.Time, rested bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.since); rested || age > spareTime || age < 0 {
		s.room = nil
	}
}

// vacate takes the room of a memtable that nobody reads any more, also what it
// had and did not need.
func (m *memtable) vacate() *room {
	r, c := m.room, &m.cols
	m.room = nil
	r.cols = segment.Columns{
		Time: c.Time[:0], Seq: c.Seq[:0], Salt: c.Salt[:0], Outcome: c.Outcome[:0], Severity: c.Severity[:0],
		Status: c.Status[:0], Duration: c.Duration[:0],
	}
	for f := range annal.NumTexts {
		if t := &c.Text[f]; t.Codes != nil || t.Off != nil {
			r.texts[f] = textRoom{places: either(t.Codes, t.Off), bytes: t.Bytes[:0], links: m.chains[f].prev[:0]}
		}
	}
	return r
}

// either returns the room of that of two slices which has any.
func either(a, b []uint32) []uint32 {
	if a == nil {
		a = b
	}
	return a[:0]
}

// zeros returns n zeros with room for size, in the memory given if it suffices.
func zeros(memory []uint32, n, size int) []uint32 {
	if cap(memory) < size {
		return make([]uint32, n, size)
	}
	clear(memory[:n])
	return memory[:n]
}
