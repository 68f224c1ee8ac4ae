package segment

import (
	"encoding/binary"

	"annal/internal/fold"
)

// Matching appends the codes of the values that contain f's word, ascending.
func (d *Dict) Matching(f *fold.Finder, dst []uint32) []uint32 {
	first := int(binary.LittleEndian.Uint32(d.off))
	last := int(binary.LittleEndian.Uint32(d.off[4*d.n:]))
	end := func(i int) int { return int(binary.LittleEndian.Uint32(d.off[4*i+4:])) - first }
	f.Each(d.text[first:last], d.n, end, func(i int) { dst = append(dst, uint32(i)) })
	return dst
}

// Matching appends the rows whose text contains f's word, ascending.
func (t *Texts) Matching(f *fold.Finder, dst []uint32) []uint32 {
	end := func(i int) int { return int(t.Off[i+1]) }
	f.Each(t.Bytes, len(t.Off)-1, end, func(i int) { dst = append(dst, uint32(t.Row+i)) })
	return dst
}
