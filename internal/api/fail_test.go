package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"annal"
)

func mustParse(t *testing.T, target string) *url.URL {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// broken is a Reader that always errs.
type broken struct {
	Reader
	err error
}

func (b broken) Search(context.Context, annal.Query) (annal.Page, error) {
	if b.err == nil {
		panic("a secret value")
	}
	return annal.Page{}, b.err
}

func TestEveryErrorHasOneTranslation(t *testing.T) {
	w := newWorld(t)
	var logged bytes.Buffer
	w.cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	for _, tt := range []struct {
		err        error
		status     int
		code       string
		retry, log bool
	}{
		{annal.ErrUnavailable, 503, "service_unavailable", true, true},
		{fmt.Errorf("append: %w", annal.ErrUnavailable), 503, "service_unavailable", true, true},
		{annal.ErrClosed, 503, "service_unavailable", true, true},
		{annal.ErrTooCostly, 422, "query_too_costly", false, false},
		{context.DeadlineExceeded, 504, "timeout", false, true},
		{errors.New("segment 7 is torn"), 500, "internal_error", false, true},
		{fmt.Errorf("segment 7 is torn: %w", annal.ErrDamaged), 500, "log_damaged", false, true},
		{nil, 500, "internal_error", false, true}, // a panic
	} {
		logged.Reset()
		w.cfg.Reader = broken{w.log, tt.err}
		w.restart()
		for _, target := range []string{"/v1/events", "/v1/audit/logs"} {
			a := w.get(w.of("acme"), target).refused(tt.status, tt.code)
			if (a.Header().Get("Retry-After") != "") != tt.retry {
				t.Errorf("%v: Retry-After %q", tt.err, a.Header().Get("Retry-After"))
			}
			if strings.Contains(a.Body.String(), "torn") || strings.Contains(a.Body.String(), "secret") {
				t.Errorf("%v shows its inside: %s", tt.err, a.Body)
			}
			if strings.Contains(logged.String(), a.Header().Get("X-Request-ID")) != tt.log {
				t.Errorf("%v: logged %q", tt.err, logged.String())
			}
		}
	}
}

// Damage that a question meets is said in each dialect's own shape, and no file
// is named.
func TestDamageIsSaidInEveryDialect(t *testing.T) {
	w := newWorld(t)
	w.put(event("read", "user:a", "p", 0))
	w.cfg.Reader = broken{w.log, fmt.Errorf("/data/segments/7.col: %w", annal.ErrDamaged)}
	w.restart()
	for target, want := range map[string]string{
		"/v1/events":                     `{"type":"urn:annal:problem:log_damaged","title":"Internal Server Error","status":500,"code":"log_damaged","detail":"` + damagedMessage + `","request_id":"r"}`,
		"/v1/audit/logs":                 `{"error":{"code":"log_damaged","message":"` + damagedMessage + `","details":{},"request_id":"r"}}`,
		"/audit/entries":                 `{"error":"Internal Server Error","detail":"` + damagedMessage + `","code":"log_damaged"}`,
		"/api/v1/admin/audit/":           `{"detail":"` + damagedMessage + `"}`,
		"/v1/audit?startDate=2026-04-23": `{"code":500,"message":"` + damagedMessage + `","errors":{}}`,
	} {
		w.same(w.of("acme"), "GET", target, "", 500, want)
	}
}

func TestQueriesHaveADeadline(t *testing.T) {
	w := newWorld(t)
	w.cfg.QueryTimeout, w.cfg.StreamTimeout = 1, 1
	w.restart()
	for _, x := range targets(w) {
		if x[0] == "GET" && x[2] == "audit:read" && !strings.HasSuffix(x[1], "/tail") && x[1] != "/v1/events/" && !strings.HasSuffix(x[1], "/entries/") && x[1] != "/v1/download/audit" {
			w.get(w.of("acme"), x[1]).refused(504, "timeout")
		}
	}
	w.get(w.of("acme"), "/v1/download/audit?startDate=2020-01-01&endDate=2030-01-01").refused(504, "timeout")
	w.get(w.of("acme"), "/v1/events", "Accept", "text/csv").refused(504, "timeout")
	w.ask(w.of("acme"), "POST", "/v1/events", nativeEvent).refused(504, "timeout")
	if w.log.End() != 0 {
		t.Error("what was refused was stored")
	}
}

func TestMalformedScaiVaultRequests(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	oneField := func(field, problem string) string {
		return `{"error":{"code":"validation_error","message":"` + field + `: ` + problem + `","details":{"fields":{"` + field + `":"` + problem + `"}},"request_id":"r"}}`
	}
	plain := func(code, message string) string {
		return `{"error":{"code":"` + code + `","message":"` + message + `","details":{},"request_id":"r"}}`
	}
	const badLimit, badTime, badBool = "must be a whole number from 1 to 1000", "must be an ISO 8601 date or date-time, such as 2026-04-23T18:00:00Z", "must be true or false"
	badCursor := plain("invalid_cursor", errInvalidCursor.message)
	for _, tt := range []struct {
		target string
		status int
		body   string
	}{
		{"/v1/audit/logs?limit=0", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=1001", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=-1", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=ten", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=1e2", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=1.0", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=%2B5", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=0x10", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=99999999999999999999", 422, oneField("limit", badLimit)},
		{"/v1/audit/logs?limit=5&limit=6", 422, oneField("limit", "is given more than once")},
		{"/v1/audit/logs?from=yesterday", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=2026-02-30", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=2026-04-23T25:00:00Z", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=1745409600", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=0000-01-01", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=10000-01-01", 422, oneField("from", badTime)},
		{"/v1/audit/logs?from=2026-04-23T18:00:00Zz", 422, oneField("from", badTime)},
		{"/v1/audit/logs?to=tomorrow", 422, oneField("to", badTime)},
		{"/v1/audit/logs?to=2026-04-23T18:00:00+0", 422, oneField("to", badTime)},
		{"/v1/audit/logs?from=2026-04-24&to=2026-04-23", 422, oneField("from", "is later than to")},
		{"/v1/audit/logs?from=2026-04-23&from=2026-04-24", 422, oneField("from", "is given more than once")},
		{"/v1/audit/logs?success=yes", 422, oneField("success", badBool)},
		{"/v1/audit/logs?success=1", 422, oneField("success", badBool)},
		{"/v1/audit/logs?success=TRUE", 422, oneField("success", badBool)},
		{"/v1/audit/logs?identity_type=robot", 422, oneField("identity_type", "must be one of user, service_account, group")},
		{"/v1/audit/logs?identity_type=USER", 422, oneField("identity_type", "must be one of user, service_account, group")},
		{"/v1/audit/logs?identity_type=user,group", 422, oneField("identity_type", "must be one of user, service_account, group")},
		{"/v1/audit/logs?identity_id=a&identity_id=b", 422, oneField("identity_id", "is given more than once")},
		{"/v1/audit/logs?identity_id=" + strings.Repeat("a", 1025), 422, oneField("identity_id", "must be at most 1024 bytes, as actor.id is")},
		{"/v1/audit/logs?path_prefix=" + strings.Repeat("a", 4097), 422, oneField("path_prefix", "must be at most 4096 bytes, as resource.path is")},
		{"/v1/audit/logs?action=" + strings.Repeat("a", 257), 422, oneField("action", "must be at most 256 bytes, as action is")},
		{"/v1/audit/logs?action=" + strings.Join(numbers(257), ","), 422, oneField("action", "has more than 256 values")},
		{"/v1/audit/logs?request_id=%ff", 422, oneField("request_id", "is not UTF-8")},
		{"/v1/audit/logs?request_id=%zz", 422, `{"error":{"code":"validation_error","message":"the query string has a bad %-escape or a semicolon","details":{"fields":{"request":"the query string has a bad %-escape or a semicolon"}},"request_id":"r"}}`},
		{"/v1/audit/logs?a;b", 422, `{"error":{"code":"validation_error","message":"the query string has a bad %-escape or a semicolon","details":{"fields":{"request":"the query string has a bad %-escape or a semicolon"}},"request_id":"r"}}`},
		{"/v1/audit/logs?cursor=x", 400, badCursor},
		{"/v1/audit/logs?cursor=eyJpZCI6MTc4fQ", 400, badCursor},
		{"/v1/audit/logs?cursor=a&cursor=b", 422, oneField("cursor", "is given more than once")},
		{"/v1/audit/logs?limit=0&success=x", 422, `{"error":{"code":"validation_error","message":"limit: ` + badLimit + `; and 1 more","details":{"fields":{"limit":"` + badLimit + `","success":"` + badBool + `"}},"request_id":"r"}}`},
		{"/v1/audit/summary?from=x", 422, oneField("from", badTime)},
		{"/v1/audit/summary?from=2026-04-24&to=2026-04-23", 422, oneField("from", "is later than to")},
		{"/v1/audit/secrets/a?limit=0", 422, oneField("limit", badLimit)},
		{"/v1/audit/secrets/", 400, plain("invalid_path", errInvalidPath.message)},
		{"/v1/audit/secrets/%fe", 400, plain("invalid_path", errInvalidPath.message)},
		{"/v1/audit/secrets/" + strings.Repeat("a", 4097), 400, plain("invalid_path", errInvalidPath.message)},
		{"/v1/audit/identities/", 400, plain("invalid_path", errInvalidPath.message)},
		{"/v1/audit/identities/a?cursor=zzz", 400, badCursor},
		{"/v1/audit/nowhere", 404, plain("not_found", errNoRoute.message)},
		{"/v1/audit/logs/", 404, plain("not_found", errNoRoute.message)},
		{"/v1/audit//logs", 404, plain("not_found", errNoRoute.message)},
	} {
		w.same(acme, "GET", tt.target, "", tt.status, tt.body)
	}
}

// same demands an exact answer.
func (w *world) same(by token, method, target, body string, status int, want string, header ...string) {
	w.t.Helper()
	a := w.ask(by, method, target, body, append(header, "X-Request-ID", "r")...)
	if len(target) > 80 {
		target = target[:80] + "…"
	}
	if a.Code != status || a.Body.String() != want {
		w.t.Errorf("%s %s answers\n%d %s, want\n%d %s", method, target, a.Code, a.Body, status, want)
	}
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

func TestMalformedNativeRequests(t *testing.T) {
	w := newWorld(t)
	w.put(event("read", "user:a", "p", 0), event("read", "user:a", "p", 86400*30))
	acme := w.of("acme")
	problem := func(status int, title, code, detail, rest string) string {
		return fmt.Sprintf(`{"type":"urn:annal:problem:%s","title":"%s","status":%d,"code":"%s","detail":"%s","request_id":"r"%s}`, code, title, status, code, detail, rest)
	}
	oneField := func(field, text string) string {
		return problem(400, "Bad Request", "validation_error", field+": "+text, `,"problems":[{"field":"`+field+`","problem":"`+text+`"}]`)
	}
	noPath := problem(404, "Not Found", "not_found", errNoRoute.message, "")
	const badTime = "must be an ISO 8601 date or date-time, such as 2026-04-23T18:00:00Z"
	const badInterval = "must be a length from 1s to 366d, such as 5m, 1h or 1d"
	badCursor := problem(400, "Bad Request", "invalid_cursor", errInvalidCursor.message, "")
	for _, tt := range []struct {
		target string
		status int
		body   string
	}{
		{"/v1/events?limit=0", 400, oneField("limit", "must be a whole number from 1 to 1000")},
		{"/v1/events?limit=1001", 400, oneField("limit", "must be a whole number from 1 to 1000")},
		{"/v1/events?limit=", 400, oneField("limit", "must be a whole number from 1 to 1000")},
		{"/v1/events?limit=1&limit=1", 400, oneField("limit", "is given more than once")},
		{"/v1/events?from=", 400, oneField("from", badTime)},
		{"/v1/events?from=x", 400, oneField("from", badTime)},
		{"/v1/events?to=2026-13-01", 400, oneField("to", badTime)},
		{"/v1/events?from=2026-04-24&to=2026-04-23", 400, oneField("from", "is later than to")},
		{"/v1/events?order=up", 400, oneField("order", "must be asc (oldest first) or desc")},
		{"/v1/events?order=", 400, oneField("order", "must be asc (oldest first) or desc")},
		{"/v1/events?count=yes", 400, oneField("count", "must be true or false")},
		{"/v1/events?cursor=", 200, ""},
		{"/v1/events?cursor=AAAA", 400, badCursor},
		{"/v1/events?cursor=" + strings.Repeat("A", 72), 400, badCursor},
		{"/v1/events?outcome=ok", 400, oneField("outcome", "must be one of success, failure, denied, error")},
		{"/v1/events?outcome=success,ok", 400, oneField("outcome", "must be one of success, failure, denied, error")},
		{"/v1/events?outcome!=no", 400, oneField("outcome!", "must be one of success, failure, denied, error")},
		{"/v1/events?severity=fatal", 400, oneField("severity", "must be one of info, warning, error")},
		{"/v1/events?request.status=two", 400, oneField("request.status", "must be a whole number of 32 bits")},
		{"/v1/events?request.status=99999999999", 400, oneField("request.status", "must be a whole number of 32 bits")},
		{"/v1/events?request.duration_ms=-1", 400, oneField("request.duration_ms", "must be a number of milliseconds from 0 to 8640000000")},
		{"/v1/events?request.duration_ms=NaN", 400, oneField("request.duration_ms", "must be a number of milliseconds from 0 to 8640000000")},
		{"/v1/events?actor.id=" + strings.Repeat("a", 1025), 400, oneField("actor.id", "must be at most 1024 bytes, as actor.id is")},
		{"/v1/events?tenant=" + strings.Repeat("a", 129), 400, oneField("tenant", "must be at most 128 bytes, as tenant is")},
		{"/v1/events?text=" + strings.Repeat("a", 1025), 400, oneField("text", "must be at most 1024 bytes")},
		{"/v1/events?text=a&text=b", 400, oneField("text", "is given more than once")},
		{"/v1/events?actoin=read", 400, oneField("actoin", "is not a parameter here; near to it are action, actor.id, count")},
		{"/v1/events?Action=read", 400, oneField("Action", "is not a parameter here; near to it are action, session, to")},
		{"/v1/events?position=1", 400, oneField("position", "is not a parameter here; near to it are action, session, count")},
		{"/v1/events?%ff=1", 400, oneField("?", "is not UTF-8")},
		{"/v1/events?text=%ff", 400, oneField("text", "is not UTF-8")},
		{"/v1/events?%", 400, problem(400, "Bad Request", "validation_error", "the query string has a bad %-escape or a semicolon", `,"problems":[{"problem":"the query string has a bad %-escape or a semicolon"}]`)},
		{"/v1/events?" + strings.Repeat("a", MaxQueryBytes+1), 400, problem(400, "Bad Request", "validation_error", "the query string is longer than 65536 bytes", `,"problems":[{"problem":"the query string is longer than 65536 bytes"}]`)},
		{"/v1/events?" + manyFilters(33), 400, problem(400, "Bad Request", "validation_error", "at most 32 filters may be combined", `,"problems":[{"problem":"at most 32 filters may be combined"}]`)},
		{"/v1/events/summary?interval=0s", 400, oneField("interval", badInterval)},
		{"/v1/events/summary?interval=1y", 400, oneField("interval", badInterval)},
		{"/v1/events/summary?interval=367d", 400, oneField("interval", badInterval)},
		{"/v1/events/summary?interval=1m", 400, oneField("interval", "gives more than 4000 buckets; take a longer one or narrower times")},
		{"/v1/events/summary?breakdown=actor", 400, oneField("breakdown", "names no field; near to it are actor.email, actor.id, actor.name")},
		{"/v1/events/summary?top=", 400, oneField("top", "names no field; near to it are extra, flags, action")},
		{"/v1/events/summary?limit=5", 400, oneField("limit", "is not a parameter here; near to it are text, action, distinct")},
		{"/v1/events/values/actr.id", 400, oneField("field", "names no field; near to it are actor.id, action, actor.email")},
		{"/v1/events/values/action?limit=10001", 400, oneField("limit", "must be a whole number from 1 to 10000")},
		{"/v1/events/values/", 404, noPath},
		{"/v1/events/values", 404, problem(404, "Not Found", "event_not_found", "there is no such event", "")},
		{"/v1/events/tail?position=-1", 400, oneField("position", "must be a position, a whole number")},
		{"/v1/events/tail?limit=5", 400, oneField("limit", "is not a parameter here; near to it are text, action, extra")},
		{"/v1/events/", 404, noPath},
		{"/v1/events/a/b", 404, noPath},
		{"/v1//events", 404, noPath},
		{"//v1/events", 404, noPath},
		{"/", 404, noPath},
		{"/v1/t/acme", 404, noPath},
		{"/v1/t//events", 404, noPath},
	} {
		if tt.status == 200 {
			w.get(acme, tt.target).ok()
			continue
		}
		w.same(acme, "GET", tt.target, "", tt.status, tt.body)
	}
}

// manyFilters spells n filters that are each legal.
func manyFilters(n int) string {
	var parts []string
	for f := range annal.NumFields {
		for _, suffix := range []string{"", "!"} {
			if f != annal.ResultOutcome && f != annal.SeverityLevel && len(parts) < n {
				parts = append(parts, f.String()+suffix+"=1")
			}
		}
	}
	return strings.Join(parts, "&")
}

func TestMethodsAreNamed(t *testing.T) {
	w := newWorld(t)
	for target, allow := range map[string]string{
		"/v1/events": "GET, HEAD, POST", "/v1/events/x": "GET, HEAD", "/v1/audit/logs": "GET, HEAD, POST", "/v1/audit/secrets/a/b": "GET, HEAD",
		"/v1/tokens/x": "DELETE", "/v1/health": "GET, HEAD", "/v1/tokens": "GET, HEAD, POST",
	} {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS", "get", "TRACE"} {
			a := w.ask(w.of("acme"), method, target, "").refused(405, "method_not_allowed")
			if got := a.Header().Get("Allow"); got != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, target, got, allow)
			}
		}
	}
	if a := w.ask(w.of("acme"), "HEAD", "/v1/events", "").ok(); a.Header().Get("Content-Length") == "" {
		t.Error("HEAD has no Content-Length")
	}
}
