package segment

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A blob is a text column of one block that has no dictionary: a template, or
// groups of groupRows rows compressed with zstd:
//
//	┌──────┬─────────┬────────┬───────────────────────┬───────────────────────────────┐
//	│ 2 u8 │ 0 3 byte│ n u32  │ n+1 × offset u32      │ n × zstd(lengths (v), texts)  │
//	└──────┴─────────┴────────┴───────────────────────┴───────────────────────────────┘
const (
	blobTemplate = 1
	blobGroups   = 2
	groupRows    = 128
	groupsHeader = 8
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
}

// append packs rows lo to hi behind dst.
func (w *blobWriter) append(dst []byte, lo, hi int, at func(int) []byte) []byte {
	if s, ok := w.digits.shapeOf(lo, hi, at); ok {
		return w.digits.appendTemplate(dst, s, lo, hi, at)
	}
	start := len(dst)
	groups := (hi - lo + groupRows - 1) / groupRows
	dst = append(dst, blobGroups, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(groups))
	offs := len(dst)
	dst = append(dst, make([]byte, (groups+1)*4)...)
	for g := range groups {
		binary.LittleEndian.PutUint32(dst[offs+g*4:], uint32(len(dst)-start))
		from := lo + g*groupRows
		w.raw = appendGroup(w.raw[:0], from, min(hi, from+groupRows), at)
		dst = w.zstd.EncodeAll(w.raw, dst)
	}
	binary.LittleEndian.PutUint32(dst[offs+groups*4:], uint32(len(dst)-start))
	return dst
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
	groups := (n + groupRows - 1) / groupRows
	if len(b) < groupsHeader+(groups+1)*4 || int(binary.LittleEndian.Uint32(b[4:])) != groups {
		return "bad groups"
	}
	at := uint32(groupsHeader + (groups+1)*4)
	for g := range groups + 1 {
		off := binary.LittleEndian.Uint32(b[groupsHeader+g*4:])
		if off < at || off > uint32(len(b)) {
			return "bad groups"
		}
		at = off
	}
	return ""
}

// A group is one decoded group of texts.
type group struct {
	raw  []byte
	ends [groupRows + 1]int // text i is raw[ends[i]:ends[i+1]]
}

// decode reads group g of a checked blob; it returns what is wrong, or "".
func (g *group) decode(b []byte, index, rows int) string {
	from := binary.LittleEndian.Uint32(b[groupsHeader+index*4:])
	to := binary.LittleEndian.Uint32(b[groupsHeader+index*4+4:])
	var err error
	if g.raw, err = sharedDecoder().DecodeAll(b[from:to], g.raw[:0]); err != nil {
		return err.Error()
	}
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
	return ""
}

func (g *group) text(i int) []byte { return g.raw[g.ends[i]:g.ends[i+1]] }
