package store

import (
	"math/rand/v2"
	"unsafe"

	"github.com/zeebo/xxh3"

	"annal"
)

// An interner gives each distinct string a code, dense from 0; "" is always 0.
// It keeps its own copies. One writer; readers may use a snapshot of values and
// counts, but find only under the memtable's lock.
type interner struct {
	seed   uint64   // of the hash; nobody can foresee which texts share slots
	slots  []uint64 // high half of the hash and code+1; 0 is free
	values []string
	counts []uint32 // uses of each code
	arena  []byte   // where new copies go
	bytes  int      // copied so far
}

const (
	internSlots = 256      // initial table size, a power of two
	arenaBlock  = 16 << 10 // bytes
)

func newInterner() *interner {
	t := &interner{seed: rand.Uint64(), slots: make([]uint64, internSlots)}
	t.values, t.counts = append(t.values, ""), append(t.counts, 0)
	return t
}

// addUnit appends to codes those of field f of the events, at most unitRows, and
// counts their uses. A text's slot and its copy lie anywhere in memory, so that
// waiting for them is most of the work. One step is done for all events before
// the next one: then the processor waits for many at once.
func (t *interner) addUnit(codes []uint32, f annal.Field, events []*annal.Event) []uint32 {
	var hashes [unitRows]uint64
	for i, e := range events {
		hashes[i] = xxh3.HashStringSeed(*e.Text(f), t.seed)
	}
	var likely [unitRows]uint32 // the code of a text with the same hash, if the first slot has one
	slots, mask := t.slots, uint64(len(t.slots)-1)
	for i, h := range hashes[:len(events)] {
		if slot := slots[h&mask]; slot>>32 == h>>32 && slot != 0 {
			likely[i] = uint32(slot) - 1
		}
	}
	for i, e := range events {
		s, c := *e.Text(f), likely[i]
		if t.values[c] != s {
			c = t.code(hashes[i], s)
		}
		t.counts[c]++
		codes = append(codes, c)
	}
	return codes
}

// code returns the code of s, whose hash is h, and gives it one if it has none.
func (t *interner) code(h uint64, s string) uint32 {
	if s == "" {
		return 0
	}
	i, c, ok := t.slot(h, s)
	if ok {
		return c
	}
	c = uint32(len(t.values))
	t.values = append(t.values, t.keep(s))
	t.counts = append(t.counts, 0)
	t.slots[i] = h>>32<<32 | uint64(c+1)
	if len(t.values)*2 > len(t.slots) {
		t.grow()
	}
	return c
}

// add returns the code of s and counts one use.
func (t *interner) add(s string) uint32 {
	c := t.code(xxh3.HashStringSeed(s, t.seed), s)
	t.counts[c]++
	return c
}

// find returns the code of s if it has one.
func (t *interner) find(s string) (uint32, bool) {
	if s == "" {
		return 0, t.counts[0] > 0
	}
	_, c, ok := t.slot(xxh3.HashStringSeed(s, t.seed), s)
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
		h := xxh3.HashStringSeed(s, t.seed)
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
