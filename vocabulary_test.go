package annal

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestTimeRoundTrip(t *testing.T) {
	for _, s := range []string{
		"2026-04-23T18:00:00.123456789Z", "0001-01-01T00:00:00.000000000Z", "9999-12-31T23:59:59.999999999Z",
		"1969-12-31T23:59:59.999999999Z", "2000-02-29T12:00:00.000000001Z", "1677-09-21T00:12:43.000000000Z",
	} {
		got, date, ok := ParseTime(s)
		if !ok || date {
			t.Fatalf("ParseTime(%q) = date %v, ok %v", s, date, ok)
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, want %v (%v)", s, got, want, err)
		}
		if f := FormatTime(got, 9); f != s {
			t.Errorf("FormatTime = %q, want %q", f, s)
		}
	}
}

func TestParseTimeForms(t *testing.T) {
	for _, tt := range []struct {
		in, want string // want "" means refused
	}{
		{"2026-04-23T18:00Z", "2026-04-23T18:00:00Z"},
		{"2026-04-23 18:00:00,5+02:00", "2026-04-23T16:00:00.5Z"},
		{"2026-04-23t18:00:00z", "2026-04-23T18:00:00Z"},
		{"2026-04-23T18:00:00-0130", "2026-04-23T19:30:00Z"},
		{"2026-04-23T18:00:00+02", "2026-04-23T16:00:00Z"},
		{"2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"},
		{"2026-04-23T18:00:00", "2026-04-23T18:00:00Z"},
		{"2026-04-23", "2026-04-23T00:00:00Z"},
		{"2026-02-29", ""}, {"2026-13-01", ""}, {"0000-01-01", ""}, {"2026-04-23T24:00:00Z", ""},
		{"2026-04-23T18:00:00.Z", ""}, {"2026-04-23T18:00:00Zx", ""}, {"", ""}, {"0001-01-01T00:00:00+01:00", ""},
	} {
		got, _, ok := ParseTime(tt.in)
		if !ok {
			if tt.want != "" {
				t.Errorf("ParseTime(%q) refused, want %s", tt.in, tt.want)
			}
			continue
		}
		if f := got.Format(time.RFC3339Nano); f != tt.want {
			t.Errorf("ParseTime(%q) = %s, want %q", tt.in, f, tt.want)
		}
	}
}

func TestTimeKeyKeepsOrder(t *testing.T) {
	prev := int64(-1 << 63)
	for y := 1; y <= 9999; y += 7 {
		at := time.Date(y, 6, 1, 0, 0, 0, 7, time.UTC)
		k := TimeKey(at)
		if k < prev {
			t.Fatalf("year %d: key %d before %d", y, k, prev)
		}
		if y > 1700 && y < 2262 && !KeyTime(k).Equal(at) {
			t.Fatalf("KeyTime(TimeKey(%v)) = %v", at, KeyTime(k))
		}
		prev = k
	}
}

func TestAppendNumber(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{{12.5, "12.5"}, {0, "0"}, {1e21, "1e+21"}, {1e-7, "1e-7"}, {1e20, "100000000000000000000"}, {-3, "-3"}, {5e-324, "5e-324"}, {0.000001, "0.000001"}} {
		if got := string(AppendNumber(nil, tt.f)); got != tt.want {
			t.Errorf("AppendNumber(%g) = %s, want %s", tt.f, got, tt.want)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, tt := range []struct {
		path, prefix string
		want         bool
	}{
		{"a/b/c", "a/b", true}, {"a/bc", "a/b", false}, {"a/b", "a/b", true}, {"a:b:c", "a:b", true},
		{"a/bc", "a/", true}, {"a", "a/", false}, {"anything", "", true}, {"a//b", "a", true},
	} {
		if got := Under(tt.path, tt.prefix); got != tt.want {
			t.Errorf("Under(%q, %q) = %v, want %v", tt.path, tt.prefix, got, tt.want)
		}
	}
}

func TestEventForms(t *testing.T) {
	e := Event{
		Time: time.Date(2026, 4, 23, 18, 0, 0, 5, time.UTC), Received: time.Date(2026, 4, 23, 18, 0, 1, 0, time.UTC),
		Tenant: "acme", Actor: Actor{ID: "sa:x", Type: "service_account"}, Behalf: Actor{ID: "user:b"},
		Action: "read", Request: Request{Status: 200, Duration: 12500 * time.Microsecond}, Extra: `{"a":1}`, Seq: 4, Position: 9,
	}
	want := `{"action":"read","actor":{"id":"sa:x","on_behalf_of":{"id":"user:b"},"type":"service_account"},"extra":{"a":1},` +
		`"outcome":"success","request":{"duration_ms":12.5,"status":200},"severity":"info","tenant":"acme","time":"2026-04-23T18:00:00.000000005Z"}`
	if got := string(e.AppendCanonical(nil)); got != want {
		t.Errorf("canonical\n got %s\nwant %s", got, want)
	}
	want = `{"id":"log_00000000000000000000000000000000","seq":4,"position":9,"received":"2026-04-23T18:00:01.000000Z","time":"2026-04-23T18:00:00.000000005Z",` +
		`"tenant":"acme","actor":{"id":"sa:x","on_behalf_of":{"id":"user:b"},"type":"service_account"},"action":"read",` +
		`"outcome":"success","severity":"info","request":{"duration_ms":12.5,"status":200},"extra":{"a":1}}`
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("JSON\n got %s\nwant %s", got, want)
	}
}

func TestIDForms(t *testing.T) {
	id := ID{1, 2, 3, 4, 5, 6, 0x71, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}
	for _, s := range []string{id.String(), id.UUID(), "audit-" + id.UUID(), id.String()[4:]} {
		if got, ok := ParseID(s); !ok || got != id {
			t.Errorf("ParseID(%q) = %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "log_", "log_zz", id.UUID() + "0", "exp_" + id.UUID()} {
		if _, ok := ParseID(s); ok {
			t.Errorf("ParseID(%q) accepted", s)
		}
	}
}

func TestEveryFieldHasARow(t *testing.T) {
	var e Event
	for f := range NumFields {
		if Fields[f].Name == "" {
			t.Errorf("field %d has no name", f)
		}
		if got, ok := FieldNamed(f.String()); !ok || got != f {
			t.Errorf("FieldNamed(%q) = %v, %v", f, got, ok)
		}
		if f < NumTexts {
			*e.Text(f) = f.String()
			if Fields[f].Max == 0 {
				t.Errorf("%s has no limit", f)
			}
			if e.Value(f) != f.String() {
				t.Errorf("Value(%s) = %q", f, e.Value(f))
			}
		}
	}
}

// TestAppendStringReadsBack compares with encoding/json over texts of every
// length up to some words, with every byte that needs an escape at every place.
func TestAppendStringReadsBack(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for _, c := range "\x00\x1f\b\t\n\f\r\"\\\x7fé\u2028" {
				in := strings.Repeat("x", at) + string(c) + strings.Repeat("y", n-at)
				var out string
				if err := json.Unmarshal(AppendString(nil, in), &out); err != nil || out != in {
					t.Fatalf("AppendString(%q) = %s, read back as %q, %v", in, AppendString(nil, in), out, err)
				}
			}
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := Event{
		Time: time.Date(2026, 4, 23, 18, 0, 0, 5, time.UTC), Received: time.Date(2026, 4, 23, 18, 0, 1, 0, time.UTC),
		Tenant: "acme", Actor: Actor{ID: "sa:reporting-service", Type: "service_account"}, Action: "read", Session: "ses_0123456789abcdef",
		Resource: Resource{Type: "secret", Path: "environments/production/salesforce/api-credentials"},
		Source:   Source{IP: "10.0.1.50", UserAgent: "scaivault-python/1.0.0"},
		Request:  Request{ID: "req_0123456789abcdef", Method: "GET", Status: 200, Duration: 12500 * time.Microsecond}, Extra: `{"version":3}`,
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}

func TestAppendMillisecondsIsTheNumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		d := time.Duration(r.Int64N(int64(MaxDuration)) >> r.IntN(53))
		if got, want := string(AppendMilliseconds(nil, d)), string(AppendNumber(nil, Milliseconds(d))); got != want {
			t.Fatalf("AppendMilliseconds(%d ns) = %s, want %s", d, got, want)
		}
	}
}

func TestTextIsTheFieldItNames(t *testing.T) {
	var e Event
	for f, want := range map[Field]*string{
		Tenant:       &e.Tenant,
		Action:       &e.Action,
		ActorType:    &e.Actor.Type,
		ActorID:      &e.Actor.ID,
		ActorName:    &e.Actor.Name,
		ActorEmail:   &e.Actor.Email,
		BehalfType:   &e.Behalf.Type,
		BehalfID:     &e.Behalf.ID,
		BehalfName:   &e.Behalf.Name,
		BehalfEmail:  &e.Behalf.Email,
		ResourceType: &e.Resource.Type,
		ResourceID:   &e.Resource.ID,
		ResourcePath: &e.Resource.Path,
		ResourceName: &e.Resource.Name,
		ErrorCode:    &e.ErrorCode,
		SourceIP:     &e.Source.IP,
		UserAgent:    &e.Source.UserAgent,
		Method:       &e.Request.Method,
		Session:      &e.Session,
		RequestID:    &e.Request.ID,
		EventID:      &e.EventID,
		Message:      &e.Message,
		Extra:        &e.Extra,
		Flags:        &e.Flags,
	} {
		if e.Text(f) != want {
			t.Errorf("Text(%s) is another field's", f)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Text of a field that is no text does not panic")
		}
	}()
	e.Text(Status)
}

func TestEnumsInJSONAreTheirNames(t *testing.T) {
	for o := range NumOutcomes {
		if want := string(AppendString(nil, o.String())); outcomeJSON[o] != want {
			t.Errorf("outcome %d is %s in JSON, want %s", o, outcomeJSON[o], want)
		}
	}
	for s := range NumSeverities {
		if want := string(AppendString(nil, s.String())); severityJSON[s] != want {
			t.Errorf("severity %d is %s in JSON, want %s", s, severityJSON[s], want)
		}
	}
}
