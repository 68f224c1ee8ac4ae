package segment

import (
	"encoding/binary"

	"annal"
	"annal/internal/fold"
)

// Matching appends the codes of the values of a field with a dictionary that
// contain f's word, which is lowerWord, ascending.
func (s *Segment) Matching(field annal.Field, f *fold.Finder, lowerWord string, dst []uint32) []uint32 {
	d, at := s.Dict(field), s.idxSec[kindDictFilter][field]
	if at < 0 {
		return d.matching(f, 0, d.n, dst)
	}
	b := s.idx.bytes(at)
	for g := 0; g*dictGroup < d.n; g++ {
		if mayContain(filterAt(b, g), lowerWord) {
			dst = d.matching(f, g*dictGroup, min(d.n, (g+1)*dictGroup), dst)
		}
	}
	return dst
}

// matching looks at the codes lo ≤ code < hi.
func (d *Dict) matching(f *fold.Finder, lo, hi int, dst []uint32) []uint32 {
	at := func(code int) int { return int(binary.LittleEndian.Uint32(d.off[4*code:])) }
	first := at(lo)
	f.Each(d.text[first:at(hi)], hi-lo, func(i int) int { return at(lo+i+1) - first }, func(i int) {
		dst = append(dst, uint32(lo+i))
	})
	return dst
}

// Matching appends the rows whose text contains f's word, ascending.
func (t *Texts) Matching(f *fold.Finder, dst []uint32) []uint32 {
	end := func(i int) int { return int(t.Off[i+1]) }
	f.Each(t.Bytes, len(t.Off)-1, end, func(i int) { dst = append(dst, uint32(t.Row+i)) })
	return dst
}
