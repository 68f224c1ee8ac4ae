package annal_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/corpus"
)

// strict is what RFC 3339 lets a time be, but for leap seconds.
var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// FuzzParseTime holds that times are read as Go's library reads them, and that
// what is shown of a time is read as that time.
func FuzzParseTime(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{
		"2026-04-23", "2026-04-23T12:00:00.123456789Z", "2026-04-23 12:00", "2026-04-23t12:00:60,5+0230", "0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59.999999999999-00:01", "2024-02-29T24:00:00Z", "2023-02-29",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, date, ok := annal.ParseTime(text)
		want, err := time.Parse(time.RFC3339Nano, text)
		within := err == nil && want.UTC().Year() >= annal.MinYear && want.UTC().Year() <= annal.MaxYear
		if strict.MatchString(text) && ok != within {
			t.Fatalf("%q: read %v, Go's library says %v, %v", text, ok, want, err)
		}
		if !ok {
			return
		}
		if err == nil && !got.Equal(want) {
			t.Fatalf("%q reads as %v, want %v", text, got, want)
		}
		if y := got.Year(); y < annal.MinYear || y > annal.MaxYear || got.Location() != time.UTC || date != (len(text) == len(time.DateOnly)) {
			t.Fatalf("%q reads as %v, a date: %v", text, got, date)
		}
		for digits := range 10 {
			shown := annal.FormatTime(got, digits)
			unit := time.Duration(1)
			for range 9 - digits {
				unit *= 10
			}
			again, _, ok := annal.ParseTime(shown)
			if !ok || !again.Equal(got.Add(-time.Duration(got.Nanosecond())%unit)) || shown != again.Format(layout(digits)) {
				t.Fatalf("%q is shown as %s, which reads as %v", text, shown, again)
			}
		}
	})
}

// layout is Go's layout of RFC 3339 with some digits of a fraction.
func layout(digits int) string {
	if digits == 0 {
		return "2006-01-02T15:04:05Z"
	}
	return "2006-01-02T15:04:05." + strings.Repeat("0", digits) + "Z"
}

// FuzzParseID holds that an id that is read is the same in every form that it
// is shown in.
func FuzzParseID(f *testing.F) {
	corpus.Seed(f)
	id := annal.ID{1, 0x9a, 15: 0xff}
	for _, s := range []string{id.String(), id.UUID(), "audit-" + id.UUID(), strings.ToUpper(id.UUID()), "log_audit-" + id.UUID(), id.String()[:35] + "g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := annal.ParseID(text)
		if !ok {
			return
		}
		if digits := strings.ToLower(strings.ReplaceAll(text, "-", "")); !strings.HasSuffix(digits, id.String()[4:]) {
			t.Errorf("%q reads as %s", text, id)
		}
		for _, form := range []string{id.String(), id.String()[4:], id.UUID(), "audit-" + id.UUID()} {
			if again, ok := annal.ParseID(form); !ok || again != id {
				t.Errorf("%q reads as %s, but that in the form %q as %s", text, id, form, again)
			}
		}
	})
}
