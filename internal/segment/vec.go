package segment

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// A vec is a row of packed integers:
//
//	value(i) = base + unit × bits(i) + slope × i
//
// where bits(i) are width bits, least significant first, at bit i×width. All
// arithmetic is modulo 2^64, so any int64 or uint64 comes back exactly. Its
// header, apart from the bits, is
//
//	┌─────────┬───────────────────┬─────────┬────────┬─────────┬───┐
//	│ base u64│ offset of bits u32│ width u8│ unit u8│ slope u8│ 0 │  16 bytes
//	└─────────┴───────────────────┴─────────┴────────┴─────────┴───┘
type vec struct {
	base, unit, slope, mask uint64
	width                   uint
	b                       []byte // from the first bit to the end of the section
}

const (
	vecHeader = 16
	wordPad   = 8  // zero bytes at the end of a section with bits: at loads 8 bytes anywhere
	maxNarrow = 57 // a load of 8 bytes holds this many bits at any bit offset
)

// units are what a vec's bits may count, coarsest last; for times in ns.
var units = [...]uint64{1, 1e3, 1e6, 1e9}

func (v *vec) at(i int) uint64 {
	bit := uint(i) * v.width
	x := binary.LittleEndian.Uint64(v.b[bit>>3:]) >> (bit & 7) & v.mask
	return v.base + v.unit*x + v.slope*uint64(i)
}

// vecAt reads the header at b[head:], whose offset counts from b[0].
func vecAt(b []byte, head int) vec {
	h := b[head : head+vecHeader]
	w := uint(h[12])
	return vec{
		base: binary.LittleEndian.Uint64(h), unit: units[h[13]&3], slope: uint64(h[14]), width: w,
		mask: ^uint64(0) >> (64 - w), b: b[binary.LittleEndian.Uint32(h[8:]):],
	}
}

// vecFits reports whether the header at b[head:] describes n values within b.
func vecFits(b []byte, head, n int) bool {
	if head+vecHeader > len(b) {
		return false
	}
	h := b[head : head+vecHeader]
	off, w := uint64(binary.LittleEndian.Uint32(h[8:])), uint64(h[12])
	return w <= 64 && (w <= maxNarrow || w == 64) && int(h[13]) < len(units) && h[14] <= 1 &&
		off+(uint64(n)*w+7)/8+wordPad <= uint64(len(b))
}

// appendVec packs vals behind dst and writes their header at dst[head:]; start
// is where in dst the section begins.
func appendVec[T uint32 | uint64](dst []byte, start, head int, vals []T, unit uint8, slope bool) []byte {
	base, span := vecRange(vals, slope)
	h := dst[head : head+vecHeader]
	binary.LittleEndian.PutUint64(h, base)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(dst)-start))
	scale := units[unit]
	w := uint(bits.Len64(span / scale))
	if w > maxNarrow {
		w = 64
	}
	h[12], h[13], h[14] = uint8(w), unit, 0
	s := uint64(0)
	if slope {
		h[14], s = 1, 1
	}
	if w == 0 {
		return dst
	}
	at := len(dst)
	size := (len(vals)*int(w) + 7) / 8
	dst = append(dst, make([]byte, size+wordPad)...)
	packBits(dst[at:], vals, base, s, scale, w)
	return dst[:at+size]
}

// vecRange returns the least value in signed order, once the slope is taken
// off, and how far above it the greatest is.
func vecRange[T uint32 | uint64](vals []T, slope bool) (base, span uint64) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	s := int64(0)
	if slope {
		s = 1
	}
	for i, v := range vals {
		x := int64(v) - s*int64(i)
		lo, hi = min(lo, x), max(hi, x)
	}
	if len(vals) == 0 {
		return 0, 0
	}
	return uint64(lo), uint64(hi) - uint64(lo)
}

func packBits[T uint32 | uint64](b []byte, vals []T, base, slope, scale uint64, w uint) {
	if w == 64 {
		for i, v := range vals {
			binary.LittleEndian.PutUint64(b[i*8:], (uint64(v)-base-slope*uint64(i))/scale)
		}
		return
	}
	var acc uint64
	var held uint
	p := 0
	for i, v := range vals {
		x := uint64(v) - base - slope*uint64(i)
		if scale != 1 {
			x /= scale
		}
		acc |= x << held
		held += w
		binary.LittleEndian.PutUint64(b[p:], acc)
		p += int(held >> 3)
		acc >>= held &^ 7
		held &= 7
	}
}

// unitOf returns the index of the coarsest unit that every value is a whole
// number of, above the least one.
func unitOf(vals []uint64) uint8 {
	base, _ := vecRange(vals, false)
	for u := len(units) - 1; u > 0; u-- {
		if wholeUnits(vals, base, units[u]) {
			return uint8(u)
		}
	}
	return 0
}

func wholeUnits(vals []uint64, base, unit uint64) bool {
	for _, v := range vals {
		if (v-base)%unit != 0 {
			return false
		}
	}
	return true
}

// appendCodes appends values lo to hi to dst; the vec must have unit 1 and no
// slope, and hold 32-bit values.
func (v *vec) appendCodes(dst []uint32, lo, hi int) []uint32 {
	base, mask, w, b := uint32(v.base), v.mask, v.width, v.b
	bit := uint(lo) * w
	n := len(dst)
	dst = slices.Grow(dst, hi-lo)[:n+hi-lo]
	for i := range dst[n:] {
		dst[n+i] = base + uint32(binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7)&mask)
		bit += w
	}
	return dst
}

// appendInts appends values lo to hi to dst.
func (v *vec) appendInts(dst []int64, lo, hi int) []int64 {
	for i := lo; i < hi; i++ {
		dst = append(dst, int64(v.at(i)))
	}
	return dst
}

// appendArray appends a section part that holds one vec: header and bits.
func appendArray[T uint32 | uint64](dst []byte, start int, vals []T) []byte {
	head := len(dst)
	dst = append(dst, make([]byte, vecHeader)...)
	return appendVec(dst, start, head, vals, 0, false)
}

// text sees bytes as a string without copying; the bytes must not change while
// the string lives.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// raw is the inverse of text; the bytes must not be written to.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
