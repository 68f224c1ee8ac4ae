package segment

import (
	"encoding/binary"
)

// Ids made by machines share a shape: a fixed length, some bytes that are the
// same in every one, and digits in the other places. A template packs the
// digits in binary, words of them at a time:
//
//	┌──────┬──────────┬────────┬───────┬──────────┬──────────┬─────────┬────────┬───────┬─────────┬──────┐
//	│ 1 u8 │ digits u8│absent u8│words u8│length u16│places u16│ pattern │ places │present│ heads   │ bits │
//	└──────┴──────────┴────────┴───────┴──────────┴──────────┴─────────┴────────┴───────┴─────────┴──────┘
//
// pattern is one such text; places are the offsets of the digits in it, one
// byte each; present has a bit per row when some rows have no text at all; heads
// are the headers of one vec per word, whose strips lie side by side.
type template struct {
	digits  *alphabet
	absent  bool
	pattern []byte
	places  []uint8
	present []byte
	words   []vec
}

// An alphabet is a set of digits; words of perWord digits fit into the bits
// that a vec can load at once.
type alphabet struct {
	digits  string
	perWord int
}

// alphabets, the smallest first.
var alphabets = [...]alphabet{
	{"0123456789", 17},
	{"0123456789abcdef", 14},
	{"0123456789ABCDEF", 14},
	{"0123456789abcdefghijklmnopqrstuvwxyz", 11},
	{"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 11},
	{"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", 9},
}

const (
	maxTemplate    = 255 // bytes of a text that a template describes
	templateHeader = 8
	notADigit      = 0xff
)

// A digitTable says what each byte is worth in each alphabet.
type digitTable struct {
	sets  [256]uint8 // bit a: the byte is a digit of alphabets[a]
	value [len(alphabets)][256]uint8
}

func newDigitTable() *digitTable {
	t := new(digitTable)
	for a := range alphabets {
		for c := range t.value[a] {
			t.value[a][c] = notADigit
		}
		for v, c := range []byte(alphabets[a].digits) {
			t.sets[c] |= 1 << a
			t.value[a][c] = uint8(v)
		}
	}
	return t
}

// A shape is what the texts of a block have in common.
type shape struct {
	alphabet int
	absent   bool
	pattern  []byte
	places   []uint8
}

// shapeOf finds the template of rows lo to hi, if they have one.
func (t *digitTable) shapeOf(lo, hi int, at func(int) []byte) (shape, bool) {
	var s shape
	var differ, sets [maxTemplate]uint8
	for row := lo; row < hi; row++ {
		b := at(row)
		if len(b) == 0 {
			s.absent = true
			continue
		}
		if s.pattern == nil {
			if len(b) > maxTemplate {
				return s, false
			}
			s.pattern = b
			for j := range b {
				sets[j] = t.sets[b[j]]
			}
		}
		p := s.pattern
		if len(b) != len(p) {
			return s, false
		}
		for j, c := range b {
			differ[j] |= c ^ p[j]
			sets[j] &= t.sets[c]
		}
	}
	all := uint8(1<<len(alphabets) - 1)
	for j := range s.pattern {
		if differ[j] != 0 {
			s.places = append(s.places, uint8(j))
			all &= sets[j]
		}
	}
	for a := range alphabets {
		if all>>a&1 == 1 {
			s.alphabet = a
			return s, true
		}
	}
	return s, false
}

// appendTemplate packs rows lo to hi, which have shape s.
func (t *digitTable) appendTemplate(dst []byte, s shape, lo, hi int, at func(int) []byte) []byte {
	start := len(dst)
	per := alphabets[s.alphabet].perWord
	words := (len(s.places) + per - 1) / per
	dst = append(dst, blobTemplate, uint8(s.alphabet), flag(s.absent), uint8(words))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.pattern)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(s.places)))
	dst = append(dst, s.pattern...)
	dst = append(dst, s.places...)
	if s.absent {
		dst = appendPresent(dst, lo, hi, at)
	}
	vals := make([]uint64, hi-lo)
	flat := make([]byte, words*vecHeader, words*vecHeader+len(vals)*words*8)
	lanes := make([]lane, words)
	for w := range words {
		t.wordOf(vals, s, s.places[w*per:min(len(s.places), (w+1)*per)], lo, at)
		flat = appendVec(flat, 0, w*vecHeader, vals, 0, false)
		lanes[w] = lane{[]int{w * vecHeader}, BlockRows}
	}
	return interleave(dst, start, flat, words*vecHeader, lanes, hi-lo)
}

func appendPresent(dst []byte, lo, hi int, at func(int) []byte) []byte {
	bits := len(dst)
	dst = append(dst, make([]byte, (hi-lo+7)/8)...)
	for row := lo; row < hi; row++ {
		if len(at(row)) > 0 {
			dst[bits+(row-lo)/8] |= 1 << ((row - lo) & 7)
		}
	}
	return dst
}

// wordOf reads the digits at places of each row as one number.
func (t *digitTable) wordOf(vals []uint64, s shape, places []uint8, lo int, at func(int) []byte) {
	value := &t.value[s.alphabet]
	radix := uint64(len(alphabets[s.alphabet].digits))
	for i := range vals {
		b := at(lo + i)
		vals[i] = 0
		if len(b) == 0 {
			continue
		}
		x := uint64(0)
		for _, p := range places {
			x = x*radix + uint64(value[b[p]])
		}
		vals[i] = x
	}
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// parse reads a template of n rows; it returns what is wrong, or "".
func (t *template) parse(b []byte, n int) string {
	if len(b) < templateHeader || int(b[1]) >= len(alphabets) || b[2] > 1 {
		return "bad template"
	}
	length, places := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	t.digits, t.absent = &alphabets[b[1]], b[2] == 1
	present := templateHeader + length + places
	heads := present
	if t.absent {
		heads += (n + 7) / 8
	}
	end := heads + int(b[3])*vecHeader
	if length > maxTemplate || places > length || end > len(b) ||
		int(b[3]) != (places+t.digits.perWord-1)/t.digits.perWord {
		return "bad template"
	}
	t.pattern, t.places = b[templateHeader:templateHeader+length], b[templateHeader+length:present]
	t.present = b[present:heads]
	for _, p := range t.places {
		if int(p) >= length {
			return "bad template"
		}
	}
	t.words = t.words[:0]
	for ; heads < end; heads += vecHeader {
		if !vecFits(b, heads, n) {
			return "bad template"
		}
		t.words = append(t.words, vecAt(b, heads))
	}
	return ""
}

// appendText appends the text of row i of the block.
func (t *template) appendText(dst []byte, i int) []byte {
	if t.absent && t.present[i>>3]>>(i&7)&1 == 0 {
		return dst
	}
	at := len(dst)
	dst = append(dst, t.pattern...)
	out := dst[at:]
	places := t.places
	for w := range t.words {
		n := min(len(places), t.digits.perWord)
		t.digits.put(out, places[:n], t.words[w].at(i))
		places = places[n:]
	}
	return dst
}

// put writes the digits of x, the last one at the last place.
func (a *alphabet) put(out []byte, places []uint8, x uint64) {
	switch digits := a.digits; len(digits) {
	case 10:
		for k := len(places) - 1; k >= 0; k-- {
			out[places[k]] = byte('0' + x%10)
			x /= 10
		}
	case 16:
		for k := len(places) - 1; k >= 0; k-- {
			out[places[k]] = digits[x&15]
			x >>= 4
		}
	case 36:
		for k := len(places) - 1; k >= 0; k-- {
			out[places[k]] = digits[x%36]
			x /= 36
		}
	default:
		for k := len(places) - 1; k >= 0; k-- {
			out[places[k]] = digits[x&63]
			x >>= 6
		}
	}
}
