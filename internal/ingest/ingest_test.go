package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annal"
)

var testNow = time.Date(2026, 4, 23, 18, 0, 0, 5, time.UTC)

// keep is an Appender that remembers the events it was given.
type keep struct {
	events []annal.Event
	batch  annal.Batch
}

func (k *keep) Append(_ context.Context, b *annal.Batch) ([]annal.Receipt, error) {
	k.batch = *b
	k.events = append(k.events, b.Events...)
	receipts := make([]annal.Receipt, len(b.Events))
	for i := range receipts {
		receipts[i].Duplicate = b.Events[i].EventID == "again"
	}
	return receipts, nil
}

func newTest() (*Ingest, *keep) {
	k := &keep{}
	return New(Config{Log: k, Now: func() time.Time { return testNow }}), k
}

// problems receives body and returns what is wrong with it, "" if nothing is.
func problems(t *testing.T, format Format, body string) string {
	t.Helper()
	in, _ := newTest()
	_, err := in.Receive(t.Context(), Request{Body: []byte(body), Format: format})
	var invalid *annal.InvalidError
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

const fullEvent = `{"event_id":"order-4711-read-1","time":"2026-04-23T18:00:00.123456789Z","tenant":"acme",` +
	`"actor":{"type":"service_account","id":"sa:reporting","name":"R","email":"r@acme.example","on_behalf_of":{"type":"user","id":"user:b","name":"B","email":"b@acme.example"}},` +
	`"session":"ses_1","action":"read","resource":{"type":"secret","id":"s1","path":"integrations/salesforce/oauth","name":"oauth"},` +
	`"outcome":"failure","error_code":"E1","severity":"error","message":"m","source":{"ip":"10.0.1.50","user_agent":"ua"},` +
	`"request":{"id":"req_xyz","method":"GET","status":500,"duration_ms":12.5},"extra":{"b":1,"a":{}}}`

func TestNativeEvent(t *testing.T) {
	in, k := newTest()
	res, err := in.Receive(t.Context(), Request{Body: []byte(fullEvent)})
	if err != nil || res.Accepted != 1 {
		t.Fatalf("Receive = %+v, %v", res, err)
	}
	want := annal.Event{
		EventID: "order-4711-read-1", Time: time.Date(2026, 4, 23, 18, 0, 0, 123456789, time.UTC), Tenant: "acme",
		Actor:   annal.Actor{Type: "service_account", ID: "sa:reporting", Name: "R", Email: "r@acme.example"},
		Behalf:  annal.Actor{Type: "user", ID: "user:b", Name: "B", Email: "b@acme.example"},
		Session: "ses_1", Action: "read",
		Resource: annal.Resource{Type: "secret", ID: "s1", Path: "integrations/salesforce/oauth", Name: "oauth"},
		Outcome:  annal.Failure, ErrorCode: "E1", Severity: annal.Severe, Message: "m",
		Source:  annal.Source{IP: "10.0.1.50", UserAgent: "ua"},
		Request: annal.Request{ID: "req_xyz", Method: "GET", Status: 500, Duration: 12500 * time.Microsecond},
		Extra:   `{"a":{},"b":1}`,
	}
	if diff := cmp.Diff(want, k.events[0]); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// What a query shows can be sent again, and is then the same event.
func TestShownEventIsAccepted(t *testing.T) {
	in, k := newTest()
	for _, body := range []string{fullEvent, `{"actor":{"id":"a"},"action":"x","time":"1970-01-01","flags":["truncated","redacted:extra.x","truncated"]}`} {
		k.events = nil
		if _, err := in.Receive(t.Context(), Request{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		shown := k.events[0].AppendJSON(nil)
		if _, err := in.Receive(t.Context(), Request{Body: shown}); err != nil {
			t.Fatalf("%s: %v", shown, err)
		}
		if diff := cmp.Diff(k.events[0], k.events[1]); diff != "" {
			t.Errorf("sent again (-first +second):\n%s", diff)
		}
	}
}

func TestBodies(t *testing.T) {
	const e = `{"actor":{"id":"a"},"action":"x"}`
	for _, tt := range []struct {
		name, body string
		n          int
		want       string // a part of the error; "" means accepted
	}{
		{"object", e, 1, ""},
		{"object over lines", strings.ReplaceAll(e, ",", ",\n "), 1, ""},
		{"array", " [" + e + ",\n" + e + "] ", 2, ""},
		{"lines", e + "\n" + e + "\r\n\n" + e, 3, ""},
		{"empty", "", 0, "body must be"},
		{"white space", " \n", 0, "body must be"},
		{"text", `"x"`, 0, "body must be"},
		{"empty array", "[]", 0, "no events"},
		{"array of numbers", "[1]", 0, "event 0: an event must be an object"},
		{"trailing bytes", "[" + e + "] x", 0, "nothing may follow"},
		{"two on a line", e + e, 0, "event 0: only white space may follow"},
		{"trailing word", e + " x", 0, "event 0: only white space may follow"},
		{"broken line and wrong line", `{"a` + "\n" + e + "\n" + `{"action":1,"actor":{"id":"x"}}`, 0, "event 2: action: must be a string, not a number"},
		{"array unfinished", "[" + e, 0, "ends"},
		{"too many", strings.Repeat(e+"\n", MaxEvents+1), 0, "at most 10000"},
		{"as many as allowed", strings.Repeat(e+"\n", MaxEvents), MaxEvents, ""},
		{"large event", e + "\n" + `{"actor":{"id":"a"},"action":"x","extra":{"a":"` + strings.Repeat("x", annal.MaxEventBytes) + `"}}`, 0, "event 1: the event has"},
		{"numbers that grow", `{"actor":{"id":"a"},"action":"x","extra":{"a":[` + strings.Repeat("1e20,", 40000) + `1]}}`, 0, "extra: has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, k := newTest()
			_, err := in.Receive(t.Context(), Request{Body: []byte(tt.body)})
			if tt.want == "" && (err != nil || len(k.events) != tt.n) {
				t.Fatalf("got %d events (%v), want %d", len(k.events), err, tt.n)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestNativeProblems(t *testing.T) {
	event := func(more string) string { return `{"actor":{"id":"a"},"action":"x",` + more + `}` }
	for _, tt := range []struct{ name, body, want string }{
		{"no actor", `{"action":"x"}`, "event 0: actor.id: is required"},
		{"no action", `{"actor":{"id":"a"},"action":null}`, "event 0: action: is required"},
		{"unknown member", event(`"acton":"x"`), "event 0: acton: there is no such member"},
		{"unknown inner member", event(`"request":{"statsu":1}`), "event 0: request.statsu: there is no such member"},
		{"unknown outcome", event(`"outcome":"ok"`), "event 0: outcome: must be one of success, failure, denied, error"},
		{"unknown severity", event(`"severity":"ok"`), "event 0: severity: must be one of info, warning, error"},
		{"numeric time", event(`"time":1}`)[:len(event(`"time":1}`))-1], "event 0: time: must be ISO 8601 text"},
		{"bad time", event(`"time":"yesterday"`), "event 0: time: must be an ISO 8601 time"},
		{"bad tenant", event(`"tenant":"a b"`), "event 0: tenant: must be 1 to 128"},
		{"long tenant", event(`"tenant":"` + strings.Repeat("a", 129) + `"`), "event 0: tenant: must be 1 to 128"},
		{"long action", `{"actor":{"id":"a"},"action":"` + strings.Repeat("a", 257) + `"}`, "event 0: action: has 257 bytes; at most 256"},
		{"fraction of a status", event(`"request":{"status":1.5}`), "event 0: request.status: must be an integer"},
		{"negative duration", event(`"request":{"duration_ms":-1}`), "event 0: request.duration_ms: must be from 0"},
		{"long duration", event(`"request":{"duration_ms":8640000001}`), "event 0: request.duration_ms: must be from 0"},
		{"unknown flag", event(`"flags":["x"]`), "event 0: flags: may hold"},
		{"duplicate", event(`"action":"y"`), `event 0: action: the member name "action" occurs twice`},
		{"duplicate inside", event(`"source":{"ip":"1","\u0069p":"2"}`), `event 0: source.ip: the member name "ip" occurs twice`},
		{"duplicate in an array, and more", `[{"action":"x","action":"y"},{"actor":{"id":"a"},"action":"x","outcome":"?"}]`, "event 1: outcome: must be"},
		{"extra is text", event(`"extra":"x"`), "event 0: extra: must be an object, not a string"},
		{"duplicate in extra", event(`"extra":{"a":{"b":1,"b":2}}`), `event 0: extra.a.b: the member name "b" occurs twice`},
		{"large integer", event(`"extra":{"n":9007199254740993}`), "event 0: extra.n: the integer is too large"},
		{"two problems", `{"outcome":"x"}`, "outcome: must be one of success, failure, denied, error; event 0: actor.id: is required; event 0: action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := problems(t, Native, tt.body); !strings.Contains(got, tt.want) {
				t.Errorf("got  %s\nwant …%s…", got, tt.want)
			}
		})
	}
}

func TestGuesses(t *testing.T) {
	for _, tt := range []struct{ name, more, want string }{
		{"user", `"actor":{"id":"user:a"}`, "user success info"},
		{"service account", `"actor":{"id":"sa:a"}`, "service_account success info"},
		{"group", `"actor":{"id":"group:a"}`, "group success info"},
		{"system", `"actor":{"id":"system"}`, "system success info"},
		{"no type", `"actor":{"id":"systems"}`, " success info"},
		{"type given", `"actor":{"id":"sa:a","type":"robot"}`, "robot success info"},
		{"401", `"actor":{"id":"a"},"request":{"status":401}`, " denied warning"},
		{"403", `"actor":{"id":"a"},"request":{"status":403}`, " denied warning"},
		{"500", `"actor":{"id":"a"},"request":{"status":500}`, " failure warning"},
		{"error code", `"actor":{"id":"a"},"error_code":"E"`, " failure warning"},
		{"error", `"actor":{"id":"a"},"outcome":"error"`, " error error"},
		{"outcome given", `"actor":{"id":"a"},"outcome":"success","request":{"status":500}`, " success info"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, k := newTest()
			if _, err := in.Receive(t.Context(), Request{Body: []byte(`{"action":"x",` + tt.more + `}`)}); err != nil {
				t.Fatal(err)
			}
			e := k.events[0]
			if got := fmt.Sprint(e.Actor.Type, " ", e.Outcome, " ", e.Severity); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !e.Untimed || !e.Time.Equal(testNow) || e.Tenant != DefaultTenant {
				t.Errorf("got %v %v in %q, want now in %q", e.Untimed, e.Time, e.Tenant, DefaultTenant)
			}
		})
	}
}

func TestDurationsReadBack(t *testing.T) {
	for _, s := range []string{"0", "12.5", "0.000001", "1234.567891", "8640000000", "12", "1e3", "0.1", "99999.9"} {
		d, ok := parseMilliseconds(s)
		var f float64
		if _, err := fmt.Sscan(s, &f); err != nil || !ok || annal.Milliseconds(d) != f {
			t.Errorf("%s reads back as %v (%v)", s, annal.Milliseconds(d), ok)
		}
	}
	for _, s := range []string{"-1", "8640000000.000001", "1e300", "-0.5", "99999999999"} {
		if d, ok := parseMilliseconds(s); ok {
			t.Errorf("%s accepted as %v", s, d)
		}
	}
}

func TestClockSkewIsFlagged(t *testing.T) {
	for _, tt := range []struct {
		time time.Time
		want string
	}{
		{testNow, ""}, {testNow.Add(annal.ClockSkewAhead), ""}, {testNow.Add(-annal.ClockSkewPast), ""},
		{testNow.Add(annal.ClockSkewAhead + 1), `["clock_skew"]`}, {testNow.Add(-annal.ClockSkewPast - 1), `["clock_skew"]`},
	} {
		in, k := newTest()
		at := annal.FormatTime(tt.time, 9)
		if _, err := in.Receive(t.Context(), Request{Body: []byte(`{"actor":{"id":"a"},"action":"x","time":"` + at + `"}`)}); err != nil {
			t.Fatal(err)
		}
		if e := k.events[0]; e.Flags != tt.want || !e.Time.Equal(tt.time) {
			t.Errorf("%s: got flags %q at %v, want %q", at, e.Flags, e.Time, tt.want)
		}
	}
}

func TestTenantsAreAskedFor(t *testing.T) {
	in, k := newTest()
	var asked []string
	allow := func(tenant string) error {
		asked = append(asked, tenant)
		if tenant == "evil" {
			return &annal.ForbiddenError{Index: -1, Reason: "no rights over tenant evil"}
		}
		return nil
	}
	body := func(tenants ...string) []byte {
		var b bytes.Buffer
		for _, tenant := range tenants {
			fmt.Fprintf(&b, `{"actor":{"id":"a"},"action":"x","tenant":%q}`+"\n", tenant)
		}
		return b.Bytes()
	}
	_, err := in.Receive(t.Context(), Request{Body: body("a", "a", "", "b"), Tenant: "home", Allow: allow})
	if want := []string{"a", "home", "b"}; err != nil || !cmp.Equal(asked, want) {
		t.Errorf("asked for %v (%v), want %v", asked, err, want)
	}
	k.events = nil
	_, err = in.Receive(t.Context(), Request{Body: body("a", "evil", "b"), Allow: allow})
	var forbidden *annal.ForbiddenError
	if !errors.As(err, &forbidden) || forbidden.Index != 1 || len(k.events) != 0 {
		t.Errorf("got %v and %d events, want a refusal of event 1 and none", err, len(k.events))
	}
}

func TestKeyStandsForTheBody(t *testing.T) {
	in, k := newTest()
	digests := map[[32]byte]string{}
	for _, body := range []string{fullEvent, fullEvent + " ", fullEvent} {
		if _, err := in.Receive(t.Context(), Request{Body: []byte(body), Key: "k"}); err != nil || k.batch.Key != "k" {
			t.Fatalf("key %q, %v", k.batch.Key, err)
		}
		digests[k.batch.Digest] = body
	}
	if len(digests) != 2 {
		t.Errorf("%d digests, want one for each body", len(digests))
	}
}

func TestDuplicatesAreCounted(t *testing.T) {
	in, _ := newTest()
	res, err := in.Receive(t.Context(), Request{Body: []byte(`[{"actor":{"id":"a"},"action":"x","event_id":"again"},{"actor":{"id":"a"},"action":"x"}]`)})
	if err != nil || res.Accepted != 2 || res.Duplicates != 1 || len(res.Receipts) != 2 {
		t.Errorf("got %+v, %v; want 2 accepted with 1 duplicate", res, err)
	}
}

func TestFlagsAreBounded(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("redacted:extra.m%d", i))
	}
	long := []string{annal.FlagTruncated, "redacted:" + strings.Repeat("x", annal.MaxFlagBytes), "redacted:y"}
	for _, flags := range [][]string{many, long} {
		got := canonicalFlags(flags)
		if n := strings.Count(got, ",") + 1; n > annal.MaxFlags || len(got) > annal.MaxFlagBytes || !strings.Contains(got, flagMore) {
			t.Errorf("%d flags in %d bytes: %.100s", n, len(got), got)
		}
	}
	if got := canonicalFlags(long); got != `["redacted:more","redacted:y","truncated"]` {
		t.Errorf("got %s", got)
	}
}
