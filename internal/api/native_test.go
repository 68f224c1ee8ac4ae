package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
)

func TestNativeShowsEveryField(t *testing.T) {
	w := newWorld(t)
	e := full()
	w.put(e)
	stored := w.log.Events()[0]
	want := string(stored.AppendJSON(nil))
	a := w.get(w.of("acme"), "/v1/events/"+stored.ID.String()).ok()
	if a.Body.String() != want {
		t.Errorf("one event is\n%s, want\n%s", a.Body, want)
	}
	if got := w.get(w.of("acme"), "/v1/events").ok(); !strings.Contains(got.Body.String(), `"events":[`+want+`]`) {
		t.Errorf("the page is %s", got.Body)
	}
	for _, id := range []string{stored.ID.UUID(), "audit-" + stored.ID.UUID(), stored.ID.String()[4:]} {
		w.get(w.of("acme"), "/v1/events/"+id).ok()
	}
	for _, id := range []string{"x", "log_00000000000000000000000000000000", "%2F"} {
		w.get(w.of("acme"), "/v1/events/"+id).refused(404, "event_not_found")
	}
}

// full returns an event in which every field is set.
func full() annal.Event {
	e := event("read", "user:a", "env/db", 0)
	for f := range annal.NumTexts {
		if *e.Text(f) == "" {
			*e.Text(f) = "value of " + f.String()
		}
	}
	e.Extra, e.Flags = `{"a":1}`, `["clock_skew"]`
	e.Outcome, e.Severity = annal.Denied, annal.Warning
	e.Request.Status, e.Request.Duration = 403, 12500*time.Microsecond
	return e
}

func TestNativeFiltersByEveryField(t *testing.T) {
	w := newWorld(t)
	e := full()
	w.put(e, event("write", "user:b", "other", 1))
	acme := w.of("acme")
	for f := range annal.NumFields {
		if f == annal.Tenant {
			continue // both have it
		}
		for query, want := range map[string]int64{f.String(): 0, f.String() + "!": 1} {
			if f == annal.ActorType || f == annal.ResourceType {
				want *= 0 // both have it, so nothing is left when it is excluded
			}
			target := "/v1/events?" + query + "=" + strings.NewReplacer(" ", "+", "\"", "%22").Replace(e.Value(f))
			got := w.get(acme, target).ok().column("events", "position")
			shared := f == annal.ActorType || f == annal.ResourceType
			switch {
			case shared && strings.HasSuffix(query, "!"):
				if len(got) != 0 {
					t.Errorf("%s selects %v, want nothing", target, got)
				}
			case shared:
				if len(got) != 2 {
					t.Errorf("%s selects %v, want both", target, got)
				}
			case !slices.Equal(got, []string{fmt.Sprint(want)}):
				t.Errorf("%s selects %v, want %d", target, got, want)
			}
		}
	}
}

func TestNativeStreamsAgreeWithPages(t *testing.T) {
	w := newWorld(t)
	for i := range 700 { // more than one chunk
		e := full()
		e.Time, e.EventID = noon.Add(time.Duration(i)*time.Second), fmt.Sprint("id-", i)
		w.put(e)
	}
	acme := w.of("acme")
	for _, query := range []string{"", "limit=5", "order=asc", "event_id=id-7", "outcome=success"} {
		page := w.get(acme, "/v1/events?limit=1000&"+strings.Replace(query, "limit=5", "event_id=id-699&event_id=id-698&event_id=id-697&event_id=id-696&event_id=id-695", 1)).ok()
		want := page.column("events", "id")
		a := w.get(acme, "/v1/events?"+query, "Accept", "application/x-ndjson").ok()
		var ids []string
		for line := range strings.Lines(a.Body.String()) {
			var e struct{ ID string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.ID)
		}
		if !slices.Equal(ids, want) && len(want) > 0 {
			t.Errorf("%q: NDJSON has %d events, want %d", query, len(ids), len(want))
		}
		c := w.get(acme, "/v1/events?"+query, "Accept", "text/csv").ok()
		rows, err := csv.NewReader(c.Body).ReadAll()
		if err != nil || len(rows) != len(want)+1 || len(rows[0]) != 5+int(annal.NumFields) {
			t.Fatalf("%q: CSV has %d rows, want %d: %v", query, len(rows), len(want)+1, err)
		}
		for i, id := range want {
			if rows[i+1][0] != id {
				t.Fatalf("%q: row %d is %s, want %s", query, i, rows[i+1][0], id)
			}
		}
		for f := range annal.NumFields {
			if rows[0][5+f] != f.String() {
				t.Errorf("column %d is %s, want %s", f, rows[0][5+f], f)
			}
		}
	}
}

func TestCSVCells(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"a,b", `"a,b"`}, {`say "x"`, `"say ""x"""`}, {"two\nlines", "\"two\nlines\""},
		{"=1+1", `"'=1+1"`}, {"+1", `"'+1"`}, {"-1", `"'-1"`}, {"@SUM(A1)", `"'@SUM(A1)"`}, {"\tx", "\"'\tx\""}, {" =1", `" =1"`}, {"a=1", "a=1"},
	} {
		if got := string(appendCell(nil, tt.in)); got != tt.want {
			t.Errorf("appendCell(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestNativeChoosesByAccept(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/*": "application/json", "text/*": "text/csv; charset=utf-8; header=present",
		"application/x-ndjson": "application/x-ndjson", "application/jsonl": "application/x-ndjson", "TEXT/CSV": "text/csv; charset=utf-8; header=present",
		"text/html, text/csv;q=0.5, application/json;q=0.9": "application/json", "application/json;q=0, application/ndjson": "application/x-ndjson",
	} {
		a := w.get(w.of("acme"), "/v1/events", "Accept", accept).ok()
		if got := a.Header().Get("Content-Type"); got != want {
			t.Errorf("Accept %q gives %q, want %q", accept, got, want)
		}
	}
	w.get(w.of("acme"), "/v1/events", "Accept", "text/html").refused(406, "not_acceptable")
}

func TestNativeSummary(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		e := event(actions[i%3], fmt.Sprint("user:", i%20), fmt.Sprint("p/", i%4), i*60)
		e.Outcome = annal.Outcome(i % 5 % 4)
		w.put(e)
	}
	a := w.get(w.of("acme"), "/v1/events/summary?breakdown=action,outcome&top=actor.id&distinct=resource.path,session&interval=30m").ok()
	for path, want := range map[string]string{
		"total": "100", "outcomes.success": "40", "outcomes.denied": "20", "distinct": "map[resource.path:4 session:0]",
		"breakdown.action.0.value": "read", "breakdown.action.0.count": "34", "first": "2026-04-23T12:00:00.000000000Z",
		"last": "2026-04-23T13:39:00.000000000Z", "histogram.0.count": "30", "histogram.3.count": "10", "histogram.3.start": "2026-04-23T13:30:00Z",
	} {
		if got := a.text(path); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	if n := len(a.at("top").(map[string]any)["actor.id"].([]any)); n != 10 {
		t.Errorf("%d top actors, want 10", n)
	}
	plain := w.get(w.of("acme"), "/v1/events/summary?action=read").ok()
	if plain.text("total") != "34" || plain.at("histogram") != nil {
		t.Errorf("summary %s", plain.Body)
	}
	if none := w.get(w.of("nobody"), "/v1/events/summary").ok(); none.at("first") != nil || none.text("total") != "0" {
		t.Errorf("nothing: %s", none.Body)
	}
	w.get(w.of("acme"), "/v1/events/summary?interval=1s").refused(400, "validation_error")
}

func TestNativeValues(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.put(event("read", fmt.Sprintf("user:%02d", i%7), "", i))
	}
	a := w.get(w.of("acme"), "/v1/events/values/actor.id?limit=5").ok()
	if got := a.column("values", "value"); !slices.Equal(got, []string{"user:00", "user:01", "user:02", "user:03", "user:04"}) || a.at("more") != true {
		t.Errorf("values %v, more %v", got, a.at("more"))
	}
	if a := w.get(w.of("acme"), "/v1/events/values/resource.path").ok(); a.text("values") != "[]" || a.at("more") != false {
		t.Errorf("absent values: %s", a.Body)
	}
}

func TestNativeTokens(t *testing.T) {
	w := newWorld(t)
	root := w.super()
	made := w.ask(root, "POST", "/v1/tokens", `{"subject":"ci","tenant":"acme","scopes":["audit:read"],"expires":"2026-05-01"}`).ok()
	if made.Code != 201 {
		t.Errorf("status %d, want 201", made.Code)
	}
	ci := token{made.text("token")}
	w.put(event("read", "user:a", "p", 0))
	if n := len(w.get(ci, "/v1/events").ok().at("events").([]any)); n != 2 {
		t.Errorf("the new token sees %d events, want its own creation and one more", n)
	}
	listed := w.get(root, "/v1/tokens").ok()
	if !slices.Contains(listed.column("tokens", "id"), made.text("id")) || strings.Contains(listed.Body.String(), ci.secret) {
		t.Errorf("tokens %s", listed.Body)
	}
	w.ask(w.of("acme"), "DELETE", "/v1/tokens/"+made.text("id"), "").ok()
	w.get(ci, "/v1/events").refused(401, "token_revoked")
	w.ask(root, "DELETE", "/v1/tokens/tok_none", "").refused(404, "token_not_found")
	w.ask(w.of("acme"), "POST", "/v1/tokens", `{"subject":"x","scopes":["audit:admin"]}`).refused(403, "tenant_access_denied")
	other := w.ask(root, "POST", "/v1/tokens", `{"subject":"o","tenant":"other","scopes":["audit:read"]}`).ok()
	w.ask(w.of("acme"), "DELETE", "/v1/tokens/"+other.text("id"), "").refused(404, "token_not_found")
	if got := w.get(w.of("acme"), "/v1/tokens").ok().column("tokens", "tenant"); slices.Contains(got, "other") || slices.Contains(got, "<nil>") {
		t.Errorf("a tenant lists tokens of %v", got)
	}
}

func TestNearestNames(t *testing.T) {
	for name, want := range map[string]string{"actor": "actor.id", "user_agent": "source.user_agent", "form": "from", "ressource.path": "resource.path", "path": "resource.path", "outcom": "outcome"} {
		if got := near(name, maps.Keys(nativeFilters())); !slices.Contains(strings.Split(got, ", "), want) {
			t.Errorf("near(%q) = %v, want %s among them", name, got, want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	for given, kept := range map[string]bool{
		"req_1": true, "a-b_c.d:e/f+g=@": true, strings.Repeat("x", MaxRequestID): true,
		"": false, strings.Repeat("x", MaxRequestID+1): false, "a b": false, "a\"b": false, "ü": false,
	} {
		got := w.get(w.of("acme"), "/v1/events", "X-Request-ID", given).ok().Header().Get("X-Request-ID")
		if (got == given) != kept || !kept && !strings.HasPrefix(got, "req_") {
			t.Errorf("X-Request-ID %q becomes %q", given, got)
		}
	}
}

func TestObserveNamesRoutesNotPaths(t *testing.T) {
	w := newWorld(t)
	var seen []string
	w.cfg.Observe = func(route string, status int, _ time.Duration) { seen = append(seen, fmt.Sprint(route, " ", status)) }
	w.restart()
	acme := w.of("acme")
	w.get(acme, "/v1/audit/secrets/a/b").ok()
	w.get(acme, "/v1/events/x").refused(404, "event_not_found")
	w.get(acme, "/nowhere").refused(404, "not_found")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := request(acme, mustParse(t, "/v1/events"), "").WithContext(ctx)
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("the connection of a client that has gone is not cut: %v", p)
			}
		}()
		w.h.ServeHTTP(discard{}, r)
	}()
	want := []string{"GET /v1/audit/secrets/{path...} 200", "GET /v1/events/{id} 404", "other 404", "GET /v1/events 499"}
	if !slices.Equal(seen, want) {
		t.Errorf("observed %q, want %q", seen, want)
	}
}

// discard is a client that has gone.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
