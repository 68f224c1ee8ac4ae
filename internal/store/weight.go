package store

import (
	"unsafe"

	"annal/internal/segment"
)

// weigh notes how much memory m takes; the caller holds mu. Text alone says
// little: of events whose every value is new, half of the memory is what finds
// the values.
func (m *memtable) weigh() {
	c := &m.cols
	n := cap(c.Salt) + cap(c.Outcome) + cap(c.Severity) + bytesOf(c.Time) + bytesOf(c.Seq) + bytesOf(c.Status) + bytesOf(c.Duration) +
		bytesOf(c.Received) + cap(c.Keys)*int(unsafe.Sizeof(segment.Key{})) + c.N*int(unsafe.Sizeof(uint32(0))) // chunks
	for f := range c.Text {
		t := &c.Text[f]
		n += bytesOf(t.Codes) + bytesOf(t.Off) + cap(t.Bytes) + bytesOf(m.chains[f].last) + bytesOf(m.chains[f].prev)
		if in := m.inter[f]; in != nil {
			n += in.weight()
		}
	}
	for _, failed := range m.counts.failed {
		n += bytesOf(failed)
	}
	m.weight.Store(int64(n))
}

// weight is how much memory t takes, about.
func (t *interner) weight() int {
	return t.bytes + bytesOf(t.slots) + bytesOf(t.values) + bytesOf(t.counts)
}

// bytesOf is the memory that s has.
func bytesOf[E any](s []E) int {
	var e E
	return cap(s) * int(unsafe.Sizeof(e))
}

// tooHeavy reports whether the memtable that begins at base, which takes new
// events, has to be sealed for its weight, or for that of all. What is committed
// and not applied yet is not weighed: it is bounded.
func (s *Store) tooHeavy(base uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	mems := s.cur.mems
	if len(mems) == 0 || mems[len(mems)-1].cols.Base < base { // it does not exist yet
		return false
	}
	all, most := int64(0), int64(maxWeights)
	if s.Pressed() {
		most = pressedWeights
	}
	for _, m := range mems {
		all += m.weight.Load()
	}
	return mems[len(mems)-1].weight.Load() > maxWeight || all > most
}
