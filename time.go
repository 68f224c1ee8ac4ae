package annal

import (
	"math"
	"time"
)

// Years that a time may lie in.
const (
	MinYear = 1
	MaxYear = 9999
)

// maxKeySeconds bounds the seconds around 1970 that 64 bits of nanoseconds hold.
const maxKeySeconds = math.MaxInt64 / 1_000_000_000

// TimeKey orders times: nanoseconds since 1970, with times that 64 bits cannot
// hold (before 1677-09-21 or after 2262-04-11) at the ends. Events out there
// compare as equal in time and are ordered by Position.
func TimeKey(t time.Time) int64 {
	s := t.Unix()
	switch {
	case s < -maxKeySeconds:
		return math.MinInt64
	case s >= maxKeySeconds:
		return math.MaxInt64
	}
	return s*1e9 + int64(t.Nanosecond())
}

// KeyTime returns the time of a key that is not at either end.
func KeyTime(key int64) time.Time { return time.Unix(0, key).UTC() }

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// AppendTime appends t in RFC 3339, UTC, with the given number of fractional
// digits (0 to 9); further digits are cut off.
func AppendTime(b []byte, t time.Time, digits int) []byte {
	sec := t.Unix()
	days := floorDiv(sec, 86400)
	rest := int(sec - days*86400)
	y, m, d := civil(days)
	b = append(b, byte('0'+y/1000%10), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-')
	b = append2(b, m)
	b = append2(append(b, '-'), d)
	b = append2(append(b, 'T'), rest/3600)
	b = append2(append(b, ':'), rest/60%60)
	b = append2(append(b, ':'), rest%60)
	if digits > 0 {
		n := uint32(t.Nanosecond())
		for range 9 - digits {
			n /= 10
		}
		var fraction [10]byte
		for i := digits; i > 0; i-- {
			fraction[i] = byte('0' + n%10)
			n /= 10
		}
		fraction[0] = '.'
		b = append(b, fraction[:digits+1]...)
	}
	return append(b, 'Z')
}

// FormatTime returns [AppendTime] as a string.
func FormatTime(t time.Time, digits int) string { return string(AppendTime(nil, t, digits)) }

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// civil turns days since 1970-01-01 into a date of the proleptic Gregorian
// calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
func civil(z int64) (y, m, d int) {
	z += 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp + 3)
	if m > 12 {
		m -= 12
	}
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}

// daysOf turns a date into days since 1970-01-01 (the inverse of civil).
func daysOf(y, m, d int) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(int64(y), 400)
	yoe := int64(y) - era*400
	doy := int64((153*(m-3)+2)/5 + d - 1)
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// ParseTime reads a date-time in ISO 8601 as RFC 3339 profiles it, more
// leniently: 'T', 't' or a space; seconds and fraction optional; '.' or ',';
// fraction digits beyond nine cut off; zone "Z", "z", ±hh:mm, ±hhmm, ±hh, or
// none for UTC. A leap second reads as the second that follows it. A bare date
// is its midnight, and date is then true. It refuses years outside 1 to 9999.
func ParseTime(s string) (t time.Time, date, ok bool) {
	p := timeParser{s: s, ok: true}
	y := p.digits(4)
	p.skip('-', '-')
	mo := p.digits(2)
	p.skip('-', '-')
	d := p.digits(2)
	if !p.ok || y < MinYear || mo < 1 || mo > 12 || d < 1 || d > daysIn(y, mo) {
		return t, false, false
	}
	days := daysOf(y, mo, d) * 86400
	if p.i == len(s) {
		return time.Unix(days, 0).UTC(), true, true
	}
	if c := s[p.i]; c != 'T' && c != 't' && c != ' ' {
		return t, false, false
	}
	p.i++
	sec, nsec := p.clock()
	off := p.zone()
	if !p.ok || p.i != len(s) {
		return t, false, false
	}
	t = time.Unix(days+int64(sec-off), int64(nsec)).UTC()
	y = t.Year()
	return t, false, y >= MinYear && y <= MaxYear
}

func daysIn(y, m int) int {
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		return 29
	}
	return monthDays[m]
}

type timeParser struct {
	s  string
	i  int
	ok bool
}

func (p *timeParser) digits(n int) int {
	if p.i+n > len(p.s) {
		p.ok = false
		return 0
	}
	v := 0
	for _, c := range []byte(p.s[p.i : p.i+n]) {
		if c < '0' || c > '9' {
			p.ok = false
			return 0
		}
		v = v*10 + int(c-'0')
	}
	p.i += n
	return v
}

func (p *timeParser) skip(a, b byte) {
	if p.i < len(p.s) && (p.s[p.i] == a || p.s[p.i] == b) {
		p.i++
		return
	}
	p.ok = false
}

func (p *timeParser) at(a, b byte) bool {
	return p.i < len(p.s) && (p.s[p.i] == a || p.s[p.i] == b)
}

func (p *timeParser) clock() (sec, nsec int) {
	h := p.digits(2)
	p.skip(':', ':')
	m := p.digits(2)
	s := 0
	if p.at(':', ':') {
		p.i++
		s = p.digits(2)
		if p.at('.', ',') {
			p.i++
			nsec = p.fraction()
		}
	}
	if h > 23 || m > 59 || s > 60 {
		p.ok = false
	}
	return h*3600 + m*60 + s, nsec
}

func (p *timeParser) fraction() int {
	n, scale, start := 0, 100_000_000, p.i
	for ; p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9'; p.i++ {
		n += int(p.s[p.i]-'0') * scale
		scale /= 10
	}
	p.ok = p.ok && p.i > start
	return n
}

// zone returns the offset east of UTC in seconds.
func (p *timeParser) zone() int {
	if p.i == len(p.s) {
		return 0
	}
	if p.at('Z', 'z') {
		p.i++
		return 0
	}
	sign := 1
	if p.at('-', '-') {
		sign = -1
	}
	p.skip('+', '-')
	h, m := p.digits(2), 0
	if p.at(':', ':') {
		p.i++
		m = p.digits(2)
	} else if p.i < len(p.s) {
		m = p.digits(2)
	}
	if h > 23 || m > 59 {
		p.ok = false
	}
	return sign * (h*3600 + m*60)
}
