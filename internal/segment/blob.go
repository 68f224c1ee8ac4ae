package segment

import (
	"encoding/binary"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A blob is a text column of one block that has no dictionary: a template, or
// groups of rows compressed with zstd:
//
//	┌──────┬─────────┬────────┬──────────────────────────────────┬───────────────────────────────┐
//	│ 2 u8 │ 0 3 byte│ n u32  │ n+1 × (first row u32, offset u32)│ n × zstd(lengths (v), texts)  │
//	└──────┴─────────┴────────┴──────────────────────────────────┴───────────────────────────────┘
//
// Rows count from the block's first; the last pair is the end of the block. A
// group ends with its groupRows-th row, or with the row that fills groupBytes:
// reading one row costs one group.
const (
	blobTemplate = 1
	blobGroups   = 2
	groupRows    = 128
	groupBytes   = 16 << 10
	groupsHeader = 8
	groupEntry   = 8
	maxGroup     = 1 << 30 // bytes of a group's text
)

// sharedDecoder is one decoder for all: it keeps nothing between calls.
var sharedDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxGroup), zstd.IgnoreChecksum(true))
	if err != nil {
		panic(err) // only for options that contradict one another
	}
	return d
})

func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // only for options that contradict one another
	}
	return e
}

// A blobWriter packs text columns without a dictionary.
type blobWriter struct {
	digits *digitTable
	zstd   *zstd.Encoder
	raw    []byte
	bounds []int
}

// append packs rows lo to hi behind dst.
func (w *blobWriter) append(dst []byte, lo, hi int, at func(int) []byte) []byte {
	if s, ok := w.digits.shapeOf(lo, hi, at); ok {
		return w.digits.appendTemplate(dst, s, lo, hi, at)
	}
	start := len(dst)
	w.bounds = appendBounds(w.bounds[:0], lo, hi, at)
	groups := len(w.bounds) - 1
	dst = append(dst, blobGroups, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(groups))
	table := len(dst)
	dst = append(dst, make([]byte, (groups+1)*groupEntry)...)
	for g, row := range w.bounds {
		binary.LittleEndian.PutUint32(dst[table+g*groupEntry:], uint32(row-lo))
		binary.LittleEndian.PutUint32(dst[table+g*groupEntry+4:], uint32(len(dst)-start))
		if g < groups {
			w.raw = appendGroup(w.raw[:0], row, w.bounds[g+1], at)
			dst = w.zstd.EncodeAll(w.raw, dst)
		}
	}
	return dst
}

// appendBounds appends the first row of each group, and hi.
func appendBounds(b []int, lo, hi int, at func(int) []byte) []int {
	first, size := lo, 0
	b = append(b, lo)
	for row := lo; row < hi; row++ {
		if row-first == groupRows || size >= groupBytes {
			b = append(b, row)
			first, size = row, 0
		}
		size += len(at(row))
	}
	return append(b, hi)
}

func appendGroup(b []byte, lo, hi int, at func(int) []byte) []byte {
	for row := lo; row < hi; row++ {
		b = binary.AppendUvarint(b, uint64(len(at(row))))
	}
	for row := lo; row < hi; row++ {
		b = append(b, at(row)...)
	}
	return b
}

// checkGroups looks into a blob of n rows in groups; it returns what is wrong,
// or "".
func checkGroups(b []byte, n int) string {
	if len(b) < groupsHeader || uint64(u32(b[4:])) > uint64(n) {
		return "bad groups"
	}
	groups := u32(b[4:])
	row, at := 0, groupsHeader+(groups+1)*groupEntry
	if len(b) < at {
		return "bad groups"
	}
	for g := range groups + 1 {
		r, off := groupAt(b, g)
		if off < at || off > len(b) || g == 0 && r != 0 || g > 0 && (r <= row || r > row+groupRows) {
			return "bad groups"
		}
		row, at = r, off
	}
	if row != n {
		return "bad groups"
	}
	return ""
}

// groupAt returns the first row of group g of a blob, and where it lies.
func groupAt(b []byte, g int) (row, off int) {
	e := b[groupsHeader+g*groupEntry:]
	return u32(e), u32(e[4:])
}

// groupOf returns the group of a checked blob that holds a row.
func groupOf(b []byte, row int) int {
	return sort.Search(u32(b[4:]), func(g int) bool {
		next, _ := groupAt(b, g+1)
		return next > row
	})
}

// A group is one decoded group of texts: those of the rows first ≤ row < end of
// its block.
type group struct {
	first, end int
	raw        []byte
	ends       [groupRows + 1]int // text i is raw[ends[i]:ends[i+1]]
}

// decode reads the group of a checked blob that holds a row; it returns what is
// wrong, or "".
func (g *group) decode(b []byte, row int) string {
	index := groupOf(b, row)
	first, from := groupAt(b, index)
	end, to := groupAt(b, index+1)
	g.first, g.end = 0, 0
	var err error
	if g.raw, err = sharedDecoder().DecodeAll(b[from:to], g.raw[:0]); err != nil {
		return err.Error()
	}
	rows := end - first
	p, sum := 0, 0
	g.ends[0] = 0
	for i := range rows {
		v, k := binary.Uvarint(g.raw[p:])
		if k <= 0 || v > maxGroup {
			return "bad lengths"
		}
		p += k
		sum += int(v)
		g.ends[i+1] = sum
	}
	if p+sum != len(g.raw) {
		return "bad lengths"
	}
	for i := range rows + 1 {
		g.ends[i] += p
	}
	g.first, g.end = first, end
	return ""
}

// text returns the text of a row of the group.
func (g *group) text(row int) []byte {
	i := row - g.first
	return g.raw[g.ends[i]:g.ends[i+1]]
}
