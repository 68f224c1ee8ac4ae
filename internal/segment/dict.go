package segment

import (
	"encoding/binary"
	"sort"

	"annal"
)

// A Dict is the sorted list of the values that a field has in a segment. A
// value's code is its place in the list, so that a prefix is a range of codes.
type Dict struct {
	n    int
	off  []byte // n+1 × u32
	text []byte
}

// emptyDict is that of a field that a segment does not know: all absent.
var emptyDict = Dict{n: 1, off: make([]byte, 8)}

// Dict returns a field's dictionary; nil when the field has none, because its
// values are nearly all different or it is no text.
func (s *Segment) Dict(f annal.Field) *Dict {
	if d := s.dicts[f].Load(); d != nil {
		return d
	}
	if f >= annal.NumTexts || s.columns[f].form == formBlob {
		return nil
	}
	b := s.col.bytes(s.colSec[kindDict][f])
	n := int(binary.LittleEndian.Uint32(b))
	d := &Dict{n, b[4 : 4+4*(n+1)], b[4+4*(n+1):]}
	s.dicts[f].Store(d)
	return d
}

// Len returns the number of values.
func (d *Dict) Len() int { return d.n }

// At returns the value of a code. It points into the file.
func (d *Dict) At(code uint32) string {
	o := d.off[4*code : 4*code+8]
	return text(d.text[binary.LittleEndian.Uint32(o):binary.LittleEndian.Uint32(o[4:])])
}

// lower returns the first code whose value is not less than v.
func (d *Dict) lower(v string) uint32 {
	return uint32(sort.Search(d.n, func(i int) bool { return d.At(uint32(i)) >= v }))
}

// Find returns the code of a value.
func (d *Dict) Find(v string) (code uint32, ok bool) {
	code = d.lower(v)
	return code, int(code) < d.n && d.At(code) == v
}

// Range returns the codes lo ≤ code < hi of the values that begin with prefix.
func (d *Dict) Range(prefix string) (lo, hi uint32) {
	lo = d.lower(prefix)
	end := successor(prefix)
	if end == "" {
		return lo, uint32(d.n)
	}
	return lo, d.lower(end)
}

// successor returns the least string above all that begin with prefix; "" when
// there is none.
func successor(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// codesOf returns how many codes a coded field has.
func (l *layout) codesOf(f annal.Field) int {
	switch f {
	case annal.ResultOutcome:
		return int(annal.NumOutcomes)
	case annal.SeverityLevel:
		return int(annal.NumSeverities)
	}
	return int(l.columns[f].dict)
}
