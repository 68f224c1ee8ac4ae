package segment

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// A vec is a row of packed integers, in strips of stripRows values:
//
//	value(i) = base + unit × bits(i) + slope × i
//
// where bits(i) are width bits, least significant first, at bit (i mod 16)×width
// of strip i/16. A vec by itself has strips that touch one another. In a table
// (see [interleave]) strips of several vecs lie side by side, so that what
// belongs to one row lies in a page or two: with strips of each vec together, a
// row costs a miss of the processor's page tables for every column.
// All arithmetic is modulo 2^64, so any int64 or uint64 comes back exactly. The
// header, apart from the bits, is
//
//	┌─────────┬────────────────────────┬────────────┬─────────┬───────────────────┐
//	│ base u64│ offset of strip 0 (u32)│ stride u16 │ width u8│ unit + 4×slope u8 │  16 bytes
//	└─────────┴────────────────────────┴────────────┴─────────┴───────────────────┘
//
// with the stride from strip to strip in units of stripUnit bytes.
type vec struct {
	base, unit, slope, mask uint64
	width, stride           uint   // in bits, in bytes
	b                       []byte // from the first bit to the end of the section
}

const (
	vecHeader  = 16
	wordPad    = 8  // zero bytes at the end of a section with bits: at loads 8 bytes anywhere
	maxNarrow  = 57 // a load of 8 bytes holds this many bits at any bit offset
	stripShift = 4
	stripRows  = 1 << stripShift
	stripUnit  = stripRows / 8 // bytes of a strip for each bit of width
)

// units are what a vec's bits may count, coarsest last; for times in ns.
var units = [...]uint64{1, 1e3, 1e6, 1e9}

func (v *vec) at(i int) uint64 {
	bit := uint(i) & (stripRows - 1) * v.width
	x := binary.LittleEndian.Uint64(v.b[uint(i)>>stripShift*v.stride+bit>>3:]) >> (bit & 7) & v.mask
	return v.base + v.unit*x + v.slope*uint64(i)
}

// vecAt reads the header at b[head:], whose offset counts from b[0].
func vecAt(b []byte, head int) vec {
	h := b[head : head+vecHeader]
	w := uint(h[14])
	return vec{
		base: binary.LittleEndian.Uint64(h), unit: units[h[15]&3], slope: uint64(h[15] >> 2), width: w,
		stride: uint(binary.LittleEndian.Uint16(h[12:])) * stripUnit,
		mask:   ^uint64(0) >> (64 - w), b: b[binary.LittleEndian.Uint32(h[8:]):],
	}
}

// widthAt reads the width in the header at b[head:].
func widthAt(b []byte, head int) int { return int(b[head+14]) }

// vecFits reports whether the header at b[head:] describes n values within b.
func vecFits(b []byte, head, n int) bool {
	if head+vecHeader > len(b) {
		return false
	}
	h := b[head : head+vecHeader]
	off, stride, w := uint64(binary.LittleEndian.Uint32(h[8:])), uint64(binary.LittleEndian.Uint16(h[12:])), uint64(h[14])
	last := uint64(max(n-1, 0))
	end := off + last>>stripShift*stride*stripUnit + (last&(stripRows-1)*w+w+7)/8 + wordPad
	return w <= 64 && (w <= maxNarrow || w == 64) && stride >= w && h[15] < 8 && end <= uint64(len(b))
}

// appendVec packs vals behind dst and writes their header at dst[head:]; start
// is where in dst the section begins.
func appendVec[T uint32 | uint64](dst []byte, start, head int, vals []T, unit uint8, slope bool) []byte {
	return appendWide(dst, start, head, vals, unit, slope, widthOf(vals, unit, slope))
}

// widthOf returns how many bits each of vals takes.
func widthOf[T uint32 | uint64](vals []T, unit uint8, slope bool) int {
	_, span := vecRange(vals, slope)
	if w := bits.Len64(span / units[unit]); w <= maxNarrow {
		return w
	}
	return 64
}

// appendWide is appendVec with a width that is at least what vals need.
func appendWide[T uint32 | uint64](dst []byte, start, head int, vals []T, unit uint8, slope bool, width int) []byte {
	base, _ := vecRange(vals, slope)
	h := dst[head : head+vecHeader]
	binary.LittleEndian.PutUint64(h, base)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(dst)-start))
	binary.LittleEndian.PutUint16(h[12:], uint16(width))
	h[14], h[15] = uint8(width), unit
	s := uint64(0)
	if slope {
		h[15], s = unit|4, 1
	}
	if width == 0 {
		return dst
	}
	at := len(dst)
	size := (len(vals)*width + 7) / 8
	dst = append(dst, make([]byte, size+wordPad)...)
	packBits(dst[at:], vals, base, s, units[unit], uint(width))
	return dst[:at+size]
}

// A lane is one column of a table: the headers of the vecs that hold it, each
// but the last with per values. They have the same width.
type lane struct {
	heads []int
	per   int
}

// interleave appends vecs of n rows as a table behind dst. flat has them as
// appendVec made them: head bytes of headers, then their bits. start is where in
// dst the section begins.
func interleave(dst []byte, start int, flat []byte, head int, lanes []lane, n int) []byte {
	stride := 0
	for _, l := range lanes {
		stride += widthAt(flat, l.heads[0]) * stripUnit
	}
	strips := (n + stripRows - 1) >> stripShift
	top := len(dst)
	dst = append(dst, flat[:head]...)
	at := len(dst)
	dst = append(dst, make([]byte, strips*stride+wordPad)...)
	for _, l := range lanes {
		size := widthAt(flat, l.heads[0]) * stripUnit
		for k, h := range l.heads {
			rows := min(l.per, n-k*l.per)
			if size == 0 || rows <= 0 {
				continue
			}
			from := int(binary.LittleEndian.Uint32(flat[h+8:]))
			bits := flat[from : from+(rows*size/stripUnit+7)/8]
			to := at + k*(l.per>>stripShift)*stride
			binary.LittleEndian.PutUint32(dst[top+h+8:], uint32(to-start))
			binary.LittleEndian.PutUint16(dst[top+h+12:], uint16(stride/stripUnit))
			for ; len(bits) > 0; to += stride {
				bits = bits[copy(dst[to:to+size], bits):]
			}
		}
		at += size
	}
	return dst
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
	base, mask, w := uint32(v.base), v.mask, v.width
	n := len(dst)
	dst = slices.Grow(dst, hi-lo)[:n+hi-lo]
	for lo < hi {
		end := min(hi, (lo>>stripShift+1)<<stripShift)
		b, bit := v.b[uint(lo)>>stripShift*v.stride:], uint(lo)&(stripRows-1)*w
		for i := range dst[n : n+end-lo] {
			dst[n+i] = base + uint32(binary.LittleEndian.Uint64(b[bit>>3:])>>(bit&7)&mask)
			bit += w
		}
		n, lo = n+end-lo, end
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
