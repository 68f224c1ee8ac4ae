package segment

import (
	"encoding/binary"
	"sort"

	"github.com/zeebo/xxh3"

	"annal"
)

// Rows lists the rows that have one value, ascending.
type Rows struct {
	v     vec
	lo, n int
	all   bool // every row
}

// Len returns how many there are.
func (r *Rows) Len() int { return r.n }

// At returns the i-th.
func (r *Rows) At(i int) int {
	if r.all {
		return i
	}
	return int(r.v.at(r.lo + i))
}

// Search returns the least i with At(i) ≥ row, or Len.
func (r *Rows) Search(row int) int {
	return sort.Search(r.n, func(i int) bool { return r.At(i) >= row })
}

// HasPostings reports whether Postings can be asked for a field. For fields that
// are not indexed but searched for words, the rows where the field is absent
// are not listed.
func (s *Segment) HasPostings(f annal.Field) bool {
	return f < annal.NumTexts && s.columns[f].form != formBlob && posted(f, s.codesOf(f))
}

// Postings returns the rows that have the value with a code, when HasPostings;
// else none.
func (s *Segment) Postings(f annal.Field, code uint32) Rows {
	if !s.HasPostings(f) || int(code) >= s.codesOf(f) {
		return Rows{}
	}
	if s.codesOf(f) == 1 {
		return Rows{n: s.rows, all: true}
	}
	b := s.idx.bytes(s.idxSec[kindPostings][f])
	starts := vecAt(b, 0)
	lo, hi := int(starts.at(int(code))), int(starts.at(int(code)+1))
	return Rows{v: vecAt(b, vecHeader), lo: lo, n: hi - lo}
}

// CountOf returns how many rows have the value with a code, when HasPostings.
func (s *Segment) CountOf(f annal.Field, code uint32) int {
	r := s.Postings(f, code)
	return r.Len()
}

// Lookup appends the rows whose text is value, ascending. It is fast for the
// fields of [annal.ByHash] and [annal.ByPostings] and scans for the others, and
// for "".
func (s *Segment) Lookup(f annal.Field, value string, dst []int) (rows []int, err error) {
	err = Guard(func() error {
		if d := s.Dict(f); d != nil {
			rows = s.lookupCode(f, d, value, dst)
		} else {
			rows = s.lookupBlob(f, value, dst)
		}
		return nil
	}, s)
	return rows, err
}

func (s *Segment) lookupCode(f annal.Field, d *Dict, value string, dst []int) []int {
	code, ok := d.Find(value)
	if !ok {
		return dst
	}
	if s.HasPostings(f) && (value != "" || !searched(f)) {
		r := s.Postings(f, code)
		for i := range r.Len() {
			dst = append(dst, r.At(i))
		}
		return dst
	}
	for row := range s.rows {
		if s.Code(f, row) == code {
			dst = append(dst, row)
		}
	}
	return dst
}

func (s *Segment) lookupBlob(f annal.Field, value string, dst []int) []int {
	from := &texts{s: s, f: f, block: -1}
	at := s.idxSec[kindHash][f]
	if at < 0 || value == "" {
		for row := range s.rows {
			if text(from.at(row)) == value {
				dst = append(dst, row)
			}
		}
		return dst
	}
	b := s.idx.bytes(at)
	shift := uint(u32(b))
	starts, rows := vecAt(b, 8), vecAt(b, 8+vecHeader)
	h := xxh3.HashStringSeed(value, s.seed) >> (64 - shift - 16)
	for i := int(starts.at(int(h >> 16))); i < int(starts.at(int(h>>16)+1)); i++ {
		if binary.LittleEndian.Uint16(b[hashHeader+2*i:]) != uint16(h) {
			continue
		}
		if row := int(rows.at(i)); text(from.at(row)) == value {
			dst = append(dst, row)
		}
	}
	return dst
}

// A CodeSet is a set of codes of one field.
type CodeSet struct {
	bits []uint64
	n    int
}

// NewCodeSet returns an empty set of codes below size.
func NewCodeSet(size int) *CodeSet { return &CodeSet{bits: make([]uint64, (size+63)/64)} }

// Add adds a code.
func (c *CodeSet) Add(code uint32) { c.AddRange(code, code+1) }

// AddRange adds the codes lo ≤ code < hi.
func (c *CodeSet) AddRange(lo, hi uint32) {
	for ; lo < hi; lo++ {
		if w, bit := &c.bits[lo>>6], uint64(1)<<(lo&63); *w&bit == 0 {
			*w |= bit
			c.n++
		}
	}
}

// Has reports whether a code is in the set.
func (c *CodeSet) Has(code uint32) bool {
	return int(code>>6) < len(c.bits) && c.bits[code>>6]>>(code&63)&1 == 1
}

// Len returns the number of codes in the set.
func (c *CodeSet) Len() int { return c.n }

// anyIn reports whether a code lo ≤ code ≤ hi is in the set.
func (c *CodeSet) anyIn(lo, hi uint32) bool {
	if c.n == 0 {
		return false
	}
	for w := lo >> 6; w <= hi>>6 && int(w) < len(c.bits); w++ {
		x := c.bits[w]
		if w == lo>>6 {
			x &= ^uint64(0) << (lo & 63)
		}
		if w == hi>>6 {
			x &= ^uint64(0) >> (63 - hi&63)
		}
		if x != 0 {
			return true
		}
	}
	return false
}

// MayContain reports whether a row of a block may have one of the codes; false
// is certain. The field must have codes; see [Segment.Code].
func (s *Segment) MayContain(f annal.Field, block int, codes *CodeSet) bool {
	if f == annal.Tenant {
		lo, hi := block<<blockBits, block<<blockBits+s.rowsOf(block)-1
		return codes.anyIn(s.tenantOf(lo), s.tenantOf(hi))
	}
	size := s.codesOf(f)
	if size == 1 {
		return codes.Has(0)
	}
	n := zoneBytes(size)
	z := s.idx.bytes(s.idxSec[kindZones][f])[block*n : (block+1)*n]
	if size > bitmapZone {
		return codes.anyIn(binary.LittleEndian.Uint32(z), binary.LittleEndian.Uint32(z[4:]))
	}
	for i := 0; i < n/8 && i < len(codes.bits); i++ {
		if binary.LittleEndian.Uint64(z[8*i:])&codes.bits[i] != 0 {
			return true
		}
	}
	return false
}

// BlockTimes returns the least and the greatest time key of a block.
func (s *Segment) BlockTimes(block int) (least, most int64) {
	z := s.idx.bytes(s.idxSec[kindZones][annal.Tenant])[block*16:]
	return int64(binary.LittleEndian.Uint64(z)), int64(binary.LittleEndian.Uint64(z[8:]))
}

// MayHaveText reports whether a block may have a lower-case word somewhere in
// the free texts that have no dictionary; false is certain. Texts that have a
// dictionary are to be searched there.
func (s *Segment) MayHaveText(block int, lowerWord string) bool {
	at := s.idxSec[kindFilter][0]
	if at < 0 {
		return false
	}
	b := s.idx.bytes(at)
	return mayContain(filterAt(b, block), lowerWord)
}
