package strictjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// plain returns the index, from i on, of the first byte that does not simply
// stand for itself in a string: a quote, a backslash, a control character, or
// one of a multi-byte rune. It looks at eight bytes at a time; borrows between
// bytes can only set marks above the first true one.
func plain(src []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(src) {
		x := binary.LittleEndian.Uint64(src[i:])
		m := (x | (x - ones*' ') | ((x ^ ones*'"') - ones) | ((x ^ ones*'\\') - ones)) & tops
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(src) && src[i] >= ' ' && src[i] < utf8.RuneSelf && src[i] != '"' && src[i] != '\\' {
		i++
	}
	return i
}

// run is plain, with valid runes counted as plain. It returns -1 when there is
// an invalid one, and then where.
func run(src []byte, i int) (end, bad int) {
	for {
		i = plain(src, i)
		if i == len(src) || src[i] < utf8.RuneSelf {
			return i, 0
		}
		c, n := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && n == 1 {
			return -1, i
		}
		i += n
	}
}

// text reads the string whose opening quote is at pos.
func (r *Reader) text() string {
	start := r.pos + 1
	end := plain(r.src, start)
	if end < len(r.src) && r.src[end] >= utf8.RuneSelf {
		var bad int
		if end, bad = run(r.src, end); end < 0 {
			r.fail(bad, "the text is not valid UTF-8")
			return ""
		}
	}
	if end < len(r.src) && r.src[end] == '"' {
		r.pos = end + 1
		return r.str(start, end)
	}
	return r.escaped(start)
}

// escaped reads a string that has escapes, or that is broken.
func (r *Reader) escaped(start int) string {
	buf := make([]byte, 0, 64)
	for {
		end, bad := run(r.src, start)
		switch {
		case end < 0:
			r.fail(bad, "the text is not valid UTF-8")
			return ""
		case end == len(r.src):
			r.fail(end, "the text ends within a string")
			return ""
		}
		buf = append(buf, r.src[start:end]...)
		switch r.src[end] {
		case '"':
			r.pos = end + 1
			return string(buf)
		case '\\':
			var ok bool
			if buf, start, ok = r.escape(buf, end); !ok {
				return ""
			}
		default:
			r.fail(end, "control characters in strings must be escaped")
			return ""
		}
	}
}

// escape appends what the escape at i stands for, and returns where it ends.
func (r *Reader) escape(buf []byte, i int) ([]byte, int, bool) {
	if i+1 >= len(r.src) {
		r.fail(len(r.src), "the text ends within a string")
		return nil, 0, false
	}
	switch c := r.src[i+1]; c {
	case '"', '\\', '/':
		return append(buf, c), i + 2, true
	case 'b':
		return append(buf, '\b'), i + 2, true
	case 'f':
		return append(buf, '\f'), i + 2, true
	case 'n':
		return append(buf, '\n'), i + 2, true
	case 'r':
		return append(buf, '\r'), i + 2, true
	case 't':
		return append(buf, '\t'), i + 2, true
	case 'u':
		return r.unicode(buf, i)
	}
	r.fail(i, "there is no such escape")
	return nil, 0, false
}

// unicode appends the rune of one \uXXXX or of a surrogate pair of them.
func (r *Reader) unicode(buf []byte, i int) ([]byte, int, bool) {
	c, ok := hex4(r.src, i+2)
	if !ok {
		r.fail(i, `\u needs four hex digits`)
		return nil, 0, false
	}
	if c < 0xD800 || c > 0xDFFF {
		return utf8.AppendRune(buf, c), i + 6, true
	}
	if c < 0xDC00 && i+7 < len(r.src) && r.src[i+6] == '\\' && r.src[i+7] == 'u' {
		low, ok := hex4(r.src, i+8)
		if ok && low >= 0xDC00 && low <= 0xDFFF {
			return utf8.AppendRune(buf, 0x10000+(c-0xD800)<<10+(low-0xDC00)), i + 12, true
		}
	}
	r.fail(i, "half of a surrogate pair stands alone")
	return nil, 0, false
}

func hex4(src []byte, i int) (rune, bool) {
	if i+4 > len(src) {
		return 0, false
	}
	var c rune
	for _, d := range src[i : i+4] {
		switch {
		case d >= '0' && d <= '9':
			c = c<<4 | rune(d-'0')
		case d|0x20 >= 'a' && d|0x20 <= 'f':
			c = c<<4 | rune(d|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return c, true
}
