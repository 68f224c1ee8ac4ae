package annal

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// AppendString appends s as a JSON string in the form of RFC 8785: the short
// escapes, \u00xx for other control characters, everything else as UTF-8.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := plainPrefix(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return append(b, '"')
		}
		b = appendEscape(b, s[n])
		s = s[n+1:]
	}
}

// plainPrefix returns how many bytes of s come before the first that a JSON
// string must escape. It looks at eight at a time: a byte is less than 0x20, or
// equal to a quote or backslash, when subtracting borrows into its top bit.
func plainPrefix(s string) int {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if escapes(binary.LittleEndian.Uint64(b[i:])) {
			return i + plainBytes(s[i:])
		}
	}
	if len(b) >= 8 && !escapes(binary.LittleEndian.Uint64(b[len(b)-8:])) {
		return len(b)
	}
	return i + plainBytes(s[i:])
}

// escapes reports whether one of eight bytes must be escaped.
func escapes(x uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^ones*'"', x^ones*'\\'
	return ((x-ones*0x20)&^x|(quote-ones)&^quote|(slash-ones)&^slash)&tops != 0
}

func plainBytes(s string) int {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\t':
		return append(b, '\\', 't')
	case '\n':
		return append(b, '\\', 'n')
	case '\f':
		return append(b, '\\', 'f')
	case '\r':
		return append(b, '\\', 'r')
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// AppendNumber appends f, which must be finite, as ECMAScript and RFC 8785
// write it: the shortest digits that read back as f.
func AppendNumber(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0')
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	// Go writes at least two exponent digits, ECMAScript as few as there are.
	if n := len(b); n-start >= 4 && b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// AppendMilliseconds appends d in milliseconds as [AppendNumber] would. Up to 15
// digits, the decimal number is itself the shortest that reads back.
func AppendMilliseconds(b []byte, d time.Duration) []byte {
	if d < 0 || d >= 1e15 {
		return AppendNumber(b, Milliseconds(d))
	}
	b = strconv.AppendInt(b, int64(d/time.Millisecond), 10)
	rest := d % time.Millisecond
	if rest == 0 {
		return b
	}
	b = append(b, '.')
	for unit := 100_000 * time.Nanosecond; rest > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit))
		rest %= unit
	}
	return b
}

// ValidText reports whether s is what a text field may hold: UTF-8.
func ValidText(s string) bool { return utf8.ValidString(s) }

// object writes the members of one JSON object; members that are absent leave
// no trace, and nor does an object without members.
type object struct {
	b     []byte
	start int  // where the object began, name included
	any   bool // a member was written
}

// name begins a member; name is `"its name":`.
func (o *object) name(name string) {
	if o.any {
		o.b = append(o.b, ',')
	}
	o.any = true
	o.b = append(o.b, name...)
}

func (o *object) text(name, v string) {
	if v != "" {
		o.name(name)
		o.b = AppendString(o.b, v)
	}
}

func (o *object) raw(name, v string) {
	if v != "" {
		o.name(name)
		o.b = append(o.b, v...)
	}
}

func (o *object) uint(name string, v uint64) {
	o.name(name)
	o.b = strconv.AppendUint(o.b, v, 10)
}

// open begins a member that is an object, and returns what close needs.
func (o *object) open(name string) object {
	inner := object{b: o.b, start: len(o.b)}
	if o.any {
		inner.b = append(inner.b, ',')
	}
	inner.b = append(inner.b, name...)
	inner.b = append(inner.b, '{')
	return inner
}

// close ends the member that inner wrote.
func (o *object) close(inner object) {
	if !inner.any {
		o.b = inner.b[:inner.start]
		return
	}
	o.b = append(inner.b, '}')
	o.any = true
}

var (
	outcomeJSON  = [NumOutcomes]string{`"success"`, `"failure"`, `"denied"`, `"error"`}
	severityJSON = [NumSeverities]string{`"info"`, `"warning"`, `"error"`}
)

// AppendJSON appends e as annal's own API shows it.
func (e *Event) AppendJSON(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.name(`"id":`)
	o.b = append(e.ID.AppendTo(append(o.b, '"')), '"')
	o.uint(`"seq":`, e.Seq)
	o.uint(`"position":`, e.Position)
	o.name(`"received":`)
	o.b = append(AppendTime(append(o.b, '"'), e.Received, 6), '"')
	o.text(`"event_id":`, e.EventID)
	o.name(`"time":`)
	o.b = append(AppendTime(append(o.b, '"'), e.Time, 9), '"')
	o.text(`"tenant":`, e.Tenant)
	e.appendActor(&o)
	o.text(`"session":`, e.Session)
	o.text(`"action":`, e.Action)
	e.appendResource(&o)
	o.raw(`"outcome":`, outcomeJSON[e.Outcome])
	o.text(`"error_code":`, e.ErrorCode)
	o.raw(`"severity":`, severityJSON[e.Severity])
	o.text(`"message":`, e.Message)
	e.appendSource(&o)
	e.appendRequest(&o)
	o.raw(`"extra":`, e.Extra)
	o.raw(`"flags":`, e.Flags)
	return append(o.b, '}')
}

// AppendCanonical appends e's canonical form (RFC 8785): what the emitter said
// and ingest noted, without what the log assigned. It is a function of what is
// stored, and proofs commit to it.
func (e *Event) AppendCanonical(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text(`"action":`, e.Action)
	e.appendActor(&o)
	o.text(`"error_code":`, e.ErrorCode)
	o.text(`"event_id":`, e.EventID)
	o.raw(`"extra":`, e.Extra)
	o.raw(`"flags":`, e.Flags)
	o.text(`"message":`, e.Message)
	o.raw(`"outcome":`, outcomeJSON[e.Outcome])
	e.appendRequest(&o)
	e.appendResource(&o)
	o.text(`"session":`, e.Session)
	o.raw(`"severity":`, severityJSON[e.Severity])
	e.appendSource(&o)
	o.text(`"tenant":`, e.Tenant)
	o.name(`"time":`)
	o.b = append(AppendTime(append(o.b, '"'), e.Time, 9), '"')
	return append(o.b, '}')
}

// The objects within an event write their members in the order of RFC 8785, so
// that both forms share them.

func (e *Event) appendActor(o *object) {
	in := o.open(`"actor":`)
	in.text(`"email":`, e.Actor.Email)
	in.text(`"id":`, e.Actor.ID)
	in.text(`"name":`, e.Actor.Name)
	behalf := in.open(`"on_behalf_of":`)
	behalf.text(`"email":`, e.Behalf.Email)
	behalf.text(`"id":`, e.Behalf.ID)
	behalf.text(`"name":`, e.Behalf.Name)
	behalf.text(`"type":`, e.Behalf.Type)
	in.close(behalf)
	in.text(`"type":`, e.Actor.Type)
	o.close(in)
}

func (e *Event) appendResource(o *object) {
	in := o.open(`"resource":`)
	in.text(`"id":`, e.Resource.ID)
	in.text(`"name":`, e.Resource.Name)
	in.text(`"path":`, e.Resource.Path)
	in.text(`"type":`, e.Resource.Type)
	o.close(in)
}

func (e *Event) appendSource(o *object) {
	in := o.open(`"source":`)
	in.text(`"ip":`, e.Source.IP)
	in.text(`"user_agent":`, e.Source.UserAgent)
	o.close(in)
}

func (e *Event) appendRequest(o *object) {
	in := o.open(`"request":`)
	if e.Request.Duration != 0 {
		in.name(`"duration_ms":`)
		in.b = AppendMilliseconds(in.b, e.Request.Duration)
	}
	in.text(`"id":`, e.Request.ID)
	in.text(`"method":`, e.Request.Method)
	if e.Request.Status != 0 {
		in.name(`"status":`)
		in.b = strconv.AppendInt(in.b, int64(e.Request.Status), 10)
	}
	o.close(in)
}

// HexSalt returns e's salt as hex, as openings carry it.
func (e *Event) HexSalt() string { return hex.EncodeToString(e.Salt[:]) }
