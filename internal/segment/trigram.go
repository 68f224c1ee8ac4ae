package segment

import (
	"bytes"
	"encoding/binary"
	"math/bits"
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

// putFilters writes blocks+1 u32 offsets and the filters.
func (x *indexBuilder) putFilters() {
	if x.filters == nil {
		return
	}
	b := make([]byte, 4*(len(x.filters)+1))
	for i, t := range x.filters {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(len(b)))
		for _, w := range t.folded() {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	binary.LittleEndian.PutUint32(b[4*len(x.filters):], uint32(len(b)))
	x.put(kindFilter, 0, b)
}
