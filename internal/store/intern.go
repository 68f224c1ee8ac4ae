package store

import (
	"unsafe"

	"github.com/zeebo/xxh3"
)

// An interner gives each distinct string a code, dense from 0; "" is always 0.
// It keeps its own copies. One writer; readers may use a snapshot of values and
// counts, but find only under the memtable's lock.
type interner struct {
	slots  []uint64 // high half of the hash and code+1; 0 is free
	values []string
	counts []uint32 // uses of each code
	last   string   // the latest string, since neighbours repeat
	code   uint32   // its code
	arena  []byte   // where new copies go
	bytes  int      // copied so far
}

const (
	internSlots = 256      // initial table size, a power of two
	arenaBlock  = 16 << 10 // bytes
)

func newInterner() *interner {
	t := &interner{slots: make([]uint64, internSlots)}
	t.values, t.counts = append(t.values, ""), append(t.counts, 0)
	return t
}

// add returns the code of s and counts one use.
func (t *interner) add(s string) uint32 {
	if s == t.last {
		t.counts[t.code]++
		return t.code
	}
	if s == "" {
		t.counts[0]++
		return 0
	}
	h := xxh3.HashString(s)
	i, c, ok := t.slot(h, s)
	if !ok {
		c = uint32(len(t.values))
		t.values = append(t.values, t.keep(s))
		t.counts = append(t.counts, 0)
		t.slots[i] = h>>32<<32 | uint64(c+1)
		if len(t.values)*2 > len(t.slots) {
			t.grow()
		}
	}
	t.last, t.code = t.values[c], c
	t.counts[c]++
	return c
}

// find returns the code of s if it has one.
func (t *interner) find(s string) (uint32, bool) {
	if s == "" {
		return 0, t.counts[0] > 0
	}
	_, c, ok := t.slot(xxh3.HashString(s), s)
	return c, ok
}

// slot finds where s is, or the free slot where it belongs.
func (t *interner) slot(h uint64, s string) (i uint64, code uint32, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i = h & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if t.slots[i]>>32 == h>>32 {
			if c := uint32(t.slots[i]) - 1; t.values[c] == s {
				return i, c, true
			}
		}
	}
	return i, 0, false
}

func (t *interner) grow() {
	t.slots = make([]uint64, 2*len(t.slots))
	mask := uint64(len(t.slots) - 1)
	for c, s := range t.values[1:] {
		h := xxh3.HashString(s)
		i := h & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = h>>32<<32 | uint64(c+2)
	}
}

// keep copies s into the arena, whose full blocks live as long as their strings.
// A byte at the end of each block stays free, so that texts of different blocks
// never touch.
func (t *interner) keep(s string) string {
	t.bytes += len(s)
	if len(s) > arenaBlock/4 {
		return alias(append(make([]byte, 0, len(s)+1), s...))
	}
	if len(t.arena)+len(s) >= cap(t.arena) {
		t.arena = make([]byte, 0, arenaBlock)
	}
	n := len(t.arena)
	t.arena = append(t.arena, s...)
	return alias(t.arena[n:])
}

// alias returns b as a string without copying it; b must not change while the
// string is in use.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
