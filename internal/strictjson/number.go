package strictjson

import (
	"math"
	"strconv"

	"annal"
)

// plainDigits is how many significant digits every decimal number may have and
// still be told apart from all others of that length as a double.
const plainDigits = 15

// A numeral is what syntax alone tells about a number.
type numeral struct {
	end     int
	digits  int  // significant digits, leading zeros not counted
	integer bool // no fraction and no exponent
	power   bool // has an exponent
	shape   bool // canonical, if the double prints with these digits: no exponent, zero-free tail, no -0
	ok      bool
}

// scanNumber finds the end of the number at i.
func scanNumber(src []byte, i int) numeral {
	n := numeral{integer: true, shape: true}
	neg := src[i] == '-'
	if neg {
		i++
	}
	whole := i
	for i < len(src) && src[i]-'0' < 10 {
		i++
	}
	if i == whole || src[whole] == '0' && i > whole+1 {
		n.end = i
		return n
	}
	n.digits = i - whole
	if src[whole] == '0' {
		n.digits = 0
		n.shape = !neg
	}
	if i < len(src) && src[i] == '.' {
		from := i + 1
		for i = from; i < len(src) && src[i]-'0' < 10; i++ {
			if n.digits > 0 || src[i] != '0' {
				n.digits++
			}
		}
		if i == from {
			n.end = i
			return n
		}
		n.integer = false
		// Below 1e-6 the canonical form has an exponent.
		tiny := src[whole] == '0' && i-from-n.digits >= 6
		n.shape = src[i-1] != '0' && !tiny
	}
	n.ok = true
	if i < len(src) && src[i]|0x20 == 'e' {
		i, n.ok = exponent(src, i+1)
		n.integer, n.shape, n.power = false, false, true
	}
	n.end = i
	return n
}

func exponent(src []byte, i int) (end int, ok bool) {
	if i < len(src) && (src[i] == '+' || src[i] == '-') {
		i++
	}
	from := i
	for i < len(src) && src[i]-'0' < 10 {
		i++
	}
	return i, i > from
}

// number reads the number at pos, and says whether it is one that only the lax
// reader accepts, as a string.
func (r *Reader) number() (lit string, asString bool) {
	if r.err != nil {
		return "", false
	}
	n := scanNumber(r.src, r.pos)
	if !n.ok {
		r.fail(n.end, "this is not a number as JSON writes it")
		return "", false
	}
	lit = r.str(r.pos, n.end)
	if n.digits > plainDigits || n.power {
		f, err := strconv.ParseFloat(lit, 64)
		switch {
		case err != nil || math.IsInf(f, 0):
			asString = true
			r.strict("the number is out of a double's range; send it as a string")
		case n.integer && string(annal.AppendNumber(nil, f)) != lit:
			asString = true
			r.strict("the integer is too large for a double to hold (beyond 2^53); send it as a string")
		}
	}
	if r.err == nil {
		r.pos = n.end
	}
	return lit, asString
}

// strict notes an error about the number at pos unless the reader is lax.
func (r *Reader) strict(problem string) {
	if !r.lax {
		r.fail(r.pos, problem)
	}
}

// appendNumber appends the canonical form of a number that was read.
func appendNumber(dst []byte, lit string) []byte {
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil {
		return append(dst, lit...)
	}
	return annal.AppendNumber(dst, f)
}
