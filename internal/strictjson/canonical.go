package strictjson

import (
	"strconv"

	"annal"
)

// Canonical appends the canonical form (RFC 8785) of the one value that raw
// holds. It nests at most [annal.MaxExtraDepth] levels.
func Canonical(dst, raw []byte) ([]byte, error) {
	r := NewReader(raw, annal.MaxExtraDepth)
	if end, ok := r.canonical(0, r.depth); ok && end == len(raw) {
		return append(dst, raw...), nil
	}
	v := r.Value()
	r.End()
	if r.err != nil {
		return dst, r.err
	}
	return v.AppendCanonical(dst), nil
}

// canonical reports whether a valid value in canonical form begins at i, and
// where it ends. When it does not, the caller reads the value again to learn
// whether it is merely written otherwise.
func (r *Reader) canonical(i, depth int) (end int, ok bool) {
	if i >= len(r.src) {
		return i, false
	}
	switch kinds[r.src[i]] {
	case Null:
		return r.literal(i, "null")
	case True:
		return r.literal(i, "true")
	case False:
		return r.literal(i, "false")
	case Number:
		return r.canonicalNumber(i)
	case String:
		return r.canonicalText(i)
	case Array:
		return r.canonicalArray(i, depth)
	case Object:
		return r.canonicalObject(i, depth)
	}
	return i, false
}

func (r *Reader) literal(i int, want string) (end int, ok bool) {
	end = i + len(want)
	return end, end <= len(r.src) && string(r.src[i:end]) == want
}

func (r *Reader) canonicalNumber(i int) (end int, ok bool) {
	n := scanNumber(r.src, i)
	if !n.ok || n.shape && n.digits <= plainDigits {
		return n.end, n.ok
	}
	lit := r.str(i, n.end)
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil {
		return n.end, false
	}
	var buf [32]byte
	return n.end, string(annal.AppendNumber(buf[:0], f)) == lit
}

func (r *Reader) canonicalText(i int) (end int, ok bool) {
	for i++; ; {
		i, _ = run(r.src, i)
		if i < 0 || i >= len(r.src) {
			return i, false
		}
		switch r.src[i] {
		case '"':
			return i + 1, true
		case '\\':
			if i, ok = canonicalEscape(r.src, i+1); !ok {
				return i, false
			}
		default:
			return i, false
		}
	}
}

// canonicalEscape accepts, behind a backslash, the escapes that RFC 8785 knows.
func canonicalEscape(src []byte, i int) (end int, ok bool) {
	if i >= len(src) {
		return i, false
	}
	switch src[i] {
	case '"', '\\', 'b', 't', 'n', 'f', 'r':
		return i + 1, true
	case 'u':
	default:
		return i, false
	}
	c, ok := hex4(src, i+1)
	if !ok || c >= ' ' || c >= '\b' && c <= '\r' && c != '\v' || src[i+4] >= 'A' && src[i+4] <= 'F' {
		return i, false
	}
	return i + 5, true
}

func (r *Reader) canonicalArray(i, depth int) (end int, ok bool) {
	if depth == 0 {
		return i, false
	}
	i++
	if i < len(r.src) && r.src[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = r.canonical(i, depth-1); !ok || i >= len(r.src) {
			return i, false
		}
		switch r.src[i] {
		case ',':
			i++
		case ']':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func (r *Reader) canonicalObject(i, depth int) (end int, ok bool) {
	if depth == 0 {
		return i, false
	}
	i++
	if i < len(r.src) && r.src[i] == '}' {
		return i + 1, true
	}
	prev, first := "", true
	for {
		name, colon, ok := r.canonicalName(i)
		if !ok || !first && prev >= name {
			return i, false
		}
		prev, first = name, false
		if i, ok = r.canonical(colon+1, depth-1); !ok || i >= len(r.src) {
			return i, false
		}
		switch r.src[i] {
		case ',':
			i++
		case '}':
			return i + 1, true
		default:
			return i, false
		}
	}
}

// canonicalName reads a plain ASCII name at i and finds its colon. Other names
// are left to the tree, which knows how RFC 8785 orders them.
func (r *Reader) canonicalName(i int) (name string, colon int, ok bool) {
	if i >= len(r.src) || r.src[i] != '"' {
		return "", i, false
	}
	end := plain(r.src, i+1)
	if end+1 >= len(r.src) || r.src[end] != '"' || r.src[end+1] != ':' {
		return "", i, false
	}
	return r.str(i+1, end), end + 1, true
}

// Less orders member names as RFC 8785 does: by UTF-16 code units. This is the
// order of bytes, but that runes beyond U+FFFF (lead bytes F0 and up) come
// before U+E000 to U+FFFF (lead bytes EE and EF).
func Less(a, b string) bool {
	n := min(len(a), len(b))
	for i := range n {
		if x, y := a[i], b[i]; x != y {
			return utf16Rank(x) < utf16Rank(y)
		}
	}
	return len(a) < len(b)
}

func utf16Rank(c byte) byte {
	if c&0xFE == 0xEE {
		return c | 0x10
	}
	return c
}
