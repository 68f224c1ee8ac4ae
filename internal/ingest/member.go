package ingest

import (
	"math"
	"strconv"
	"strings"
	"time"

	"annal"
	"annal/internal/strictjson"
)

// This file reads single members into an event. A member that has the wrong
// type or value is a problem of its event, and reading goes on behind it. null
// is the same as an absent member.

// expect reports whether the next value is of kind want. If not it is skipped,
// and noted as a problem unless it is null.
func (p *parser) expect(want strictjson.Kind, field string) bool {
	kind := p.r.Peek()
	if kind == want {
		return true
	}
	p.r.Skip()
	if kind != strictjson.Null && kind != strictjson.Invalid {
		p.problem(field, "must be "+want.String()+", not "+kind.String())
	}
	return false
}

// text reads the text field f.
func (p *parser) text(f annal.Field, dst *string) {
	s, ok := p.r.Text()
	if !ok {
		p.expect(strictjson.String, annal.Fields[f].Name)
		return
	}
	*dst = s
	p.texts |= 1 << f
}

// time reads when the action happened.
func (p *parser) time(field string) {
	switch p.r.Peek() {
	case strictjson.String:
	case strictjson.Number:
		p.r.Skip()
		p.problem(field, "must be ISO 8601 text such as 2026-04-23T18:00:00.123Z, not a number; write Unix times as text of that form")
		return
	default:
		p.expect(strictjson.String, field)
		return
	}
	s, read := p.r.Text()
	t, _, ok := annal.ParseTime(s)
	if !ok && read {
		p.problem(field, "must be an ISO 8601 time in the years 1 to 9999, such as 2026-04-23T18:00:00.123Z")
	}
	p.e.Time, p.given.time = t, true
}

func (p *parser) outcome() {
	s, read := p.r.Text()
	if !read {
		p.expect(strictjson.String, "outcome")
		return
	}
	var ok bool
	p.given.outcome = true
	if p.e.Outcome, ok = annal.ParseOutcome(s); !ok {
		p.problem("outcome", "must be one of success, failure, denied, error")
	}
}

func (p *parser) severity() {
	s, read := p.r.Text()
	if !read {
		p.expect(strictjson.String, "severity")
		return
	}
	var ok bool
	p.given.severity = true
	if p.e.Severity, ok = annal.ParseSeverity(s); !ok {
		p.problem("severity", "must be one of info, warning, error")
	}
}

// status reads a protocol's status: an integer of 32 bits, which may be written
// as 200.0.
func (p *parser) status(field string) {
	if !p.expect(strictjson.Number, field) {
		return
	}
	lit := p.r.Number()
	if p.r.Err() != nil {
		return
	}
	if n, ok := digits(lit); ok && len(lit) <= 9 {
		p.e.Request.Status = int32(n)
		return
	}
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		p.problem(field, "must be an integer of at most 32 bits")
		return
	}
	p.e.Request.Status = int32(f)
}

// duration reads a time in milliseconds.
func (p *parser) duration(field string) {
	if !p.expect(strictjson.Number, field) {
		return
	}
	lit := p.r.Number()
	if p.r.Err() != nil {
		return
	}
	d, ok := parseMilliseconds(lit)
	if !ok {
		p.problem(field, "must be from 0 to "+strconv.FormatInt(annal.MaxDuration.Milliseconds(), 10)+" milliseconds")
		return
	}
	p.e.Request.Duration = d
}

// msDecimals is how many decimals of a millisecond a time.Duration keeps.
const msDecimals = 6

// parseMilliseconds reads a JSON number of milliseconds. Up to six decimals are
// kept exactly, further ones are rounded.
func parseMilliseconds(lit string) (time.Duration, bool) {
	whole, frac, _ := strings.Cut(lit, ".")
	ms, ok := digits(whole)
	sub, ok2 := digits(frac)
	if !ok || !ok2 || len(frac) > msDecimals || len(whole) > len("8640000000") {
		f, err := strconv.ParseFloat(lit, 64)
		ns := math.Round(f * 1e6)
		return time.Duration(ns), err == nil && ns >= 0 && f >= 0 && ns <= float64(annal.MaxDuration)
	}
	for range msDecimals - len(frac) {
		sub *= 10
	}
	ns := ms*1e6 + sub
	return time.Duration(ns), ns <= int64(annal.MaxDuration)
}

// digits reads decimal digits. More than 18 of them give no sensible number.
func digits(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		if !digit(s[i]) {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// extra reads an object of further members in canonical form; an empty one is
// the same as none.
func (p *parser) extra(field string) string {
	if !p.expect(strictjson.Object, field) {
		return ""
	}
	s := p.r.Canonical()
	if s == "{}" {
		return ""
	}
	return s
}

// sentFlags reads the flags of an event that was shown by annal and is sent
// again.
func (p *parser) sentFlags() {
	if !p.expect(strictjson.Array, "flags") {
		return
	}
	p.r.Enter()
	for p.r.Elem() {
		f, ok := p.r.Text()
		if !ok {
			p.expect(strictjson.String, "flags")
			continue
		}
		if f != annal.FlagClockSkew && f != annal.FlagTruncated && !strings.HasPrefix(f, annal.FlagRedacted) {
			p.problem("flags", "may hold "+annal.FlagClockSkew+", "+annal.FlagTruncated+" and "+annal.FlagRedacted+"<member>")
			continue
		}
		p.flags = append(p.flags, f)
	}
}
