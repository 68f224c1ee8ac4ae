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

// heavy reports whether the memtable that begins at base, which takes new events,
// has to be sealed for its weight, and whether all take so much that appends have
// to wait until the one before it is sealed. While memory is short they may take
// half. What is committed and not applied yet is not weighed: it is bounded.
func (s *Store) heavy(base uint64) (one, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mems := s.cur.mems
	sum, part := int64(0), int64(1)
	if s.Pressed() {
		part = 2
	}
	for _, m := range mems {
		sum += m.weight.Load()
	}
	if n := len(mems); n > 0 && mems[n-1].cols.Base >= base { // else it does not exist yet
		one = mems[n-1].weight.Load() > maxWeight/part
	}
	return one, sum > maxWeights/part
}
