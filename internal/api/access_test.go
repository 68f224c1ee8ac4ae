package api

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"annal"
)

// S0-32: reads of the log are not in it, but in a stream of their own.
// S0-33: health checks are in neither.
func TestS0_32_ReadsGoToTheAccessStream(t *testing.T) {
	w := newWorld(t)
	w.put(event("read", "user:a", "p", 0), event("read", "user:b", "p", 1))
	acme, end := w.of("acme"), w.log.End()
	w.get(acme, "/v1/audit/logs?identity_id=user:a&limit=5", "User-Agent", "curl/8", "X-Request-ID", "req_1").ok()
	w.get(acme, "/v1/events?action=read&action=write").ok()
	w.get(acme, "/v1/events", "Accept", "application/x-ndjson").ok()
	w.get(acme, "/v1/events/"+w.log.Events()[0].ID.String()).ok()
	w.get(acme, "/v1/events/log_00000000000000000000000000000000").refused(404, "event_not_found")
	w.get(acme, "/v1/tokens").ok()
	w.get(w.super("audit:write"), "/v1/events").refused(403, "insufficient_scope")
	w.get(token{}, "/v1/health").ok()
	w.get(token{}, "/v1/events").refused(401, "authentication_required")
	w.ask(acme, "POST", "/v1/events", `{"actor":{"id":"a"},"action":"x"}`).ok()
	first := w.get(w.super(), "/v1/access").ok()
	if again := w.get(w.super(), "/v1/access").ok(); again.Body.String() != first.Body.String() {
		t.Errorf("the access stream notes that it is read: %s", again.Body)
	}
	if n := w.log.End() - end; n != 1 {
		t.Errorf("%d events were added to the log, want 1", n)
	}
	type row struct {
		route, actor, tenant string
		status               int32
		extra                string
	}
	var got []row
	for _, e := range w.reads.Events() {
		got = append(got, row{e.Resource.ID, e.Actor.ID, e.Tenant, e.Request.Status, e.Extra[strings.Index(e.Extra, `"query"`):]})
	}
	tail := func(query, rows string) string {
		return `"query":` + query + `,"rows":` + rows + `,"tenants":["acme"]}`
	}
	want := []row{
		{"GET /v1/audit/logs", "user-of-acme", "acme", 200, tail(`{"identity_id":"user:a","limit":"5"}`, "1")},
		{"GET /v1/events", "user-of-acme", "acme", 200, tail(`{"action":"read & write"}`, "2")},
		{"GET /v1/events", "user-of-acme", "acme", 200, tail(`{}`, "2")},
		{"GET /v1/events/{id}", "user-of-acme", "acme", 200, tail(`{}`, "1")},
		{"GET /v1/events/{id}", "user-of-acme", "acme", 404, tail(`{}`, "0")},
		{"GET /v1/tokens", "user-of-acme", "acme", 200, tail(`{}`, "0")},
		{"GET /v1/events", "root", OwnTenant, 403, `"query":{},"rows":0,"tenants":"all"}`},
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted\n %+v\nwant\n %+v", got, want)
	}
	if e := w.reads.Events()[0]; e.Request.ID != "req_1" || e.Source.UserAgent != "curl/8" || e.Source.IP == "" || e.Action != actionReadLog || e.Resource.Path != "/v1/audit/logs" {
		t.Errorf("noted %+v", e)
	}
}

func TestAccessStreamIsForAdminsAndTheirTenants(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "mine", "acme")
	w.get(w.of("acme"), "/v1/events?text=insider").ok()
	w.get(w.of("acme"), "/v1/access").ok()
	for _, by := range []token{w.of("other"), w.partner("nobody")} {
		for _, q := range []string{"", "?count=true", "?tenant=acme", "?text=insider", "?order=asc"} {
			if a := w.get(by, "/v1/access"+q).ok(); a.text("events") != "[]" || strings.Contains(a.Body.String(), `"total":1`) {
				t.Errorf("%s shows a stranger %s", q, a.Body)
			}
		}
	}
	for _, by := range []token{w.of("acme"), w.partner("mine"), w.super("audit:admin")} {
		if a := w.get(by, "/v1/access?text=insider&tenant=acme&count=true").ok(); a.text("total") != "1" {
			t.Errorf("an admin sees %s", a.Body)
		}
	}
	w.get(w.super("audit:read"), "/v1/access").refused(403, "insufficient_scope")
	if a := w.get(w.of("acme"), "/v1/events?action=audit.read").ok(); a.text("events") != "[]" {
		t.Errorf("the log shows reads: %s", a.Body)
	}
}

func TestExpiredReadsAreNotShown(t *testing.T) {
	w := newWorld(t)
	w.cfg.AccessRetention = time.Hour
	w.restart()
	w.get(w.of("acme"), "/v1/events").ok()
	w.advance(time.Hour)
	if a := w.get(w.of("acme"), "/v1/access").ok(); len(a.at("events").([]any)) != 1 {
		t.Errorf("within its retention a read is not shown: %s", a.Body)
	}
	w.advance(time.Second)
	if a := w.get(w.of("acme"), "/v1/access?from=2020-01-01").ok(); a.text("events") != "[]" {
		t.Errorf("an expired read is shown: %s", a.Body)
	}
}

// What a read says stays within the limits of an event, whatever was asked.
func TestHugeQuestionsAreNoted(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	for _, target := range []string{
		"/v1/audit/logs?identity_id=" + strings.Repeat("a", MaxQueryBytes-20), "/v1/events?%zz", "/v1/audit/logs?x=%ff",
		"/v1/audit/secrets/" + strings.Repeat("b", 3*annal.Fields[annal.ResourcePath].Max), "/v1/audit/logs?password=hunter2-and-more",
	} {
		before := w.reads.End()
		w.get(acme, target, "User-Agent", strings.Repeat("u", 9000)+"\xff")
		if w.reads.End() != before+1 {
			t.Errorf("%.50s was noted %d times", target, w.reads.End()-before)
		}
	}
	for _, e := range w.reads.Events() {
		if strings.Contains(e.Extra, "hunter2") {
			t.Errorf("a secret was noted: %s", e.Extra)
		}
	}
}

// Notes wait in a queue: they keep nothing of the requests that they are of, which
// have headers of 64 KiB.
func TestNotesKeepNoHeaders(t *testing.T) {
	w := newWorld(t)
	held := &kept{AccessLog: w.cfg.Access}
	w.cfg.Access = held
	w.restart()
	agent := strings.Repeat("agent", 10_000)
	r := httptest.NewRequest("GET", "/v1/events?limit=1", nil)
	r.Header.Set("Authorization", "Bearer "+w.of("acme").secret)
	r.Header.Set("User-Agent", agent)
	w.send(r)
	for _, e := range held.notes {
		for f := range annal.NumTexts {
			for _, given := range []string{agent, r.URL.Path, r.RequestURI} {
				if v := *e.Text(f); v != "" && unsafe.StringData(v) == unsafe.StringData(given) {
					t.Errorf("%s lies in the request", f)
				}
			}
		}
	}
	if len(held.notes) != 1 || held.notes[0].Source.UserAgent == "" {
		t.Errorf("%d notes, want 1 with the user agent", len(held.notes))
	}
}

// kept is an AccessLog that remembers the notes.
type kept struct {
	AccessLog
	notes []annal.Event
}

func (k *kept) Note(e annal.Event) { k.notes = append(k.notes, e) }
