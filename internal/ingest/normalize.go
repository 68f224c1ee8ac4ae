package ingest

import (
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"annal"
)

// finish makes the event just read complete and notes what is wrong with it.
func (p *parser) finish() {
	e := p.e
	if !(p.client && e.Tenant == "") && !p.tenant(e) {
		return
	}
	p.defaults(e)
	p.required(e)
	p.checkTexts(e)
	if !p.client && skewed(e.Time, p.now) {
		p.flags = append(p.flags, annal.FlagClockSkew)
	}
	e.Flags = canonicalFlags(p.flags)
}

// tenant fills in the event's tenant and asks whether the caller may write
// there.
func (p *parser) tenant(e *annal.Event) bool {
	if e.Tenant == "" {
		e.Tenant = p.req.Tenant
	}
	if e.Tenant == p.allowed {
		return true
	}
	if !ValidTenant(e.Tenant) {
		p.problem("tenant", "must be 1 to 128 letters, digits and . _ : @ -, and begin with a letter or digit")
		return true
	}
	if p.req.Allow != nil {
		if err := p.req.Allow(e.Tenant); err != nil {
			p.refusal = refusedAt(err, p.index-1)
			return false
		}
	}
	p.allowed = e.Tenant
	return true
}

// refusedAt says which event Allow has refused.
func refusedAt(err error, index int) error {
	var f *annal.ForbiddenError
	if errors.As(err, &f) {
		return &annal.ForbiddenError{Index: index, Reason: f.Reason}
	}
	return err
}

// ValidTenant reports whether s may name a tenant.
func ValidTenant(s string) bool {
	if s == "" || len(s) > annal.Fields[annal.Tenant].Max || !alnum(s[0]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case alnum(c), c == '.', c == '_', c == ':', c == '@', c == '-':
		default:
			return false
		}
	}
	return true
}

func alnum(c byte) bool { return c-'0' < 10 || c|0x20-'a' < 26 }

func (p *parser) defaults(e *annal.Event) {
	if !p.given.time {
		e.Time, e.Untimed = p.now, true
	}
	if e.Actor.Type == "" {
		e.Actor.Type = guessActorType(e.Actor.ID)
	}
	if !p.given.outcome {
		e.Outcome = guessOutcome(e.Request.Status, e.ErrorCode)
	}
	if !p.given.severity {
		e.Severity = guessSeverity(e.Outcome)
	}
}

func (p *parser) required(e *annal.Event) {
	if e.Actor.ID == "" {
		p.problem("actor.id", "is required")
	}
	if e.Action == "" {
		p.problem("action", "is required")
	}
}

// checkTexts refuses texts that are too long and removes the secrets of the
// others, visiting only the fields that the event has.
func (p *parser) checkTexts(e *annal.Event) {
	for texts := p.texts &^ (1 << annal.Tenant); texts != 0; texts &= texts - 1 {
		f := annal.Field(bits.TrailingZeros32(texts))
		s := e.Text(f)
		if len(*s) > annal.Fields[f].Max {
			p.problem(annal.Fields[f].Name, tooLong(len(*s), annal.Fields[f].Max))
		} else if len(*s) >= shortestSecret {
			p.flags = p.guard.cleanField(f, s, p.flags)
		}
	}
	if e.Extra != "" && p.guard.suspects(e.Extra) {
		p.flags = p.guard.cleanExtra(e, p.flags)
	}
	if len(e.Extra) > annal.Fields[annal.Extra].Max {
		p.problem("extra", tooLong(len(e.Extra), annal.Fields[annal.Extra].Max))
	}
}

func tooLong(n, most int) string {
	return "has " + strconv.Itoa(n) + " bytes; at most " + strconv.Itoa(most) + " are allowed"
}

// skewed reports whether t is implausible for an event that arrives now.
func skewed(t, now time.Time) bool {
	return t.Before(now.Add(-annal.ClockSkewPast)) || t.After(now.Add(annal.ClockSkewAhead))
}

// flagMore stands for the redactions that an event has no room to list.
const flagMore = annal.FlagRedacted + "more"

// canonicalFlags writes flags as a canonical array: sorted, each once. Where
// there are more than an event may have, the redactions last in order become
// one flag.
func canonicalFlags(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	slices.Sort(flags)
	flags = slices.Compact(flags)
	if b := appendFlags(nil, flags); len(flags) <= annal.MaxFlags && len(b) <= annal.MaxFlagBytes {
		return string(b)
	}
	var kept []string
	size := 2 + len(annal.FlagClockSkew) + len(annal.FlagTruncated) + len(flagMore) + 9
	for _, f := range flags {
		n := len(annal.AppendString(nil, f)) + 1
		own := f == annal.FlagClockSkew || f == annal.FlagTruncated || f == flagMore
		if own || len(kept) < annal.MaxFlags-3 && size+n <= annal.MaxFlagBytes {
			kept = append(kept, f)
			size += n
		}
	}
	kept = append(kept, flagMore)
	slices.Sort(kept)
	return string(appendFlags(nil, slices.Compact(kept)))
}

func appendFlags(b []byte, flags []string) []byte {
	for i, f := range flags {
		b = append(b, "[,"[min(i, 1)])
		b = annal.AppendString(b, f)
	}
	return append(b, ']')
}

// cutText cuts s to at most n bytes without splitting a rune.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
