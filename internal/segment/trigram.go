package segment

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"annal"
)

// The text filter says for each block which groups of three bytes occur in the
// lower-case form of its free texts, so that a block without one of a word's
// groups need not be searched. It is a set of 2^16 hashed bits, halved by
// folding while few are set.
const (
	filterBits = 1 << 16
	minFilter  = 1 << 9 // bits
	gram       = 3      // bytes
	fillShift  = 3      // a filter is folded while at most 1/8 of its bits are set
)

type trigrams []uint64

func gramHash(a, b, c byte) uint32 {
	return (uint32(a) | uint32(b)<<8 | uint32(c)<<16) * 0x9e3779b1 >> 16
}

// add sets the bits of a lower-case text.
func (t trigrams) add(s []byte) {
	if len(s) < gram {
		return
	}
	a, b := s[0], s[1]
	for _, c := range s[2:] {
		h := gramHash(a, b, c)
		t[h>>6] |= 1 << (h & 63)
		a, b = b, c
	}
}

// folded halves the filter while it is nearly empty.
func (t trigrams) folded() trigrams {
	for len(t)*64 > minFilter {
		set := 0
		for _, w := range t {
			set += bits.OnesCount64(w)
		}
		if set > len(t)*64>>fillShift {
			break
		}
		half := len(t) / 2
		for i := range half {
			t[i] |= t[half+i]
		}
		t = t[:half]
	}
	return t
}

// mayContain reports whether all groups of a lower-case word may occur; filter
// is a folded filter's bytes.
func mayContain(filter []byte, word string) bool {
	mask := uint32(len(filter)*8 - 1)
	for i := 0; i+gram <= len(word); i++ {
		h := gramHash(word[i], word[i+1], word[i+2]) & mask
		if filter[h>>3]>>(h&7)&1 == 0 {
			return false
		}
	}
	return true
}

// A lowerer turns texts into lower case as [strings.ToLower] does.
type lowerer struct{ buf []byte }

func (l *lowerer) lower(s []byte) []byte {
	l.buf = l.buf[:0]
	var high byte
	for _, c := range s {
		high |= c
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		l.buf = append(l.buf, c)
	}
	if high >= 0x80 {
		return bytes.ToLower(s)
	}
	return l.buf
}

// addFilters adds the texts of a field to the filters of their blocks.
func (x *indexBuilder) addFilters(at func(int) []byte) {
	if x.filters == nil {
		x.filters = make([]trigrams, (x.rows+BlockRows-1)/BlockRows)
		for i := range x.filters {
			x.filters[i] = make(trigrams, filterBits/64)
		}
	}
	for row := range x.rows {
		x.filters[row>>blockBits].add(x.fold.lower(at(row)))
	}
}

func (x *indexBuilder) putFilters() {
	if x.filters == nil {
		return
	}
	f := newFilters(len(x.filters))
	for i, t := range x.filters {
		f.put(i, t)
	}
	x.put(kindFilter, 0, f.b)
}

// dictGroup is how many values of a dictionary share a filter.
const dictGroup = 256

// grouped says that a field's dictionary of size values has filters: it is
// searched for words by itself, and too large to be read through.
func grouped(f annal.Field, size int) bool { return searched(f) && size > dictGroup }

// addDict makes the filters of a field's dictionary of size values.
func (x *indexBuilder) addDict(f annal.Field, size int, value func(code int) []byte) {
	if !grouped(f, size) {
		return
	}
	groups := (size + dictGroup - 1) / dictGroup
	out, t := newFilters(groups), make(trigrams, filterBits/64)
	for g := range groups {
		clear(t)
		for code := g * dictGroup; code < min(size, (g+1)*dictGroup); code++ {
			t.add(x.fold.lower(value(code)))
		}
		out.put(g, t)
	}
	x.put(kindDictFilter, uint8(f), out.b)
}

// filters are the bytes of n filters: n+1 u32 offsets and the filters.
type filters struct {
	b []byte
	n int
}

func newFilters(n int) *filters {
	f := &filters{make([]byte, 4*(n+1)), n}
	binary.LittleEndian.PutUint32(f.b, uint32(len(f.b)))
	return f
}

// put appends filter i, which it folds; filters come in order.
func (f *filters) put(i int, t trigrams) {
	for _, w := range t.folded() {
		f.b = binary.LittleEndian.AppendUint64(f.b, w)
	}
	binary.LittleEndian.PutUint32(f.b[4*i+4:], uint32(len(f.b)))
}

// filterAt returns filter i of such bytes.
func filterAt(b []byte, i int) []byte { return b[u32(b[4*i:]):u32(b[4*i+4:])] }

// filtersFit reports whether b is n filters.
func filtersFit(b []byte, n int) bool {
	if len(b) < 4*(n+1) || u32(b) != 4*(n+1) || u32(b[4*n:]) != len(b) {
		return false
	}
	for i := range n {
		size := u32(b[4*i+4:]) - u32(b[4*i:])
		if size < 8 || bits.OnesCount(uint(size)) != 1 || u32(b[4*i+4:]) > len(b) {
			return false
		}
	}
	return true
}
