package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"annal/internal/auth"
)

const nativeEvent = `{"actor":{"id":"user:a"},"action":"read","time":"2026-04-23T11:00:00Z"}`

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := io.WriteString(zw, text); err != nil || zw.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, text string) string {
	t.Helper()
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(zw.EncodeAll([]byte(text), nil))
}

func TestReceiveEveryForm(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	two := nativeEvent + "\n" + nativeEvent
	for i, tt := range []struct {
		body   string
		header []string
		events int
	}{
		{nativeEvent, nil, 1},
		{nativeEvent, []string{"Content-Type", "application/json; charset=UTF-8"}, 1},
		{"[" + nativeEvent + "," + nativeEvent + "]", []string{"Content-Type", "application/json"}, 2},
		{two, []string{"Content-Type", "application/x-ndjson"}, 2},
		{gzipped(t, two), []string{"Content-Encoding", "gzip"}, 2},
		{zstded(t, two), []string{"Content-Encoding", "zstd"}, 2},
		{zstded(t, two), []string{"Content-Encoding", "ZSTD"}, 2}, // the decoder of the one before
		{two, []string{"Content-Encoding", "identity"}, 2},
	} {
		before := w.log.End()
		a := w.ask(acme, "POST", "/v1/events", tt.body, tt.header...).ok()
		if w.log.End()-before != uint64(tt.events) || a.text("accepted") != fmt.Sprint(tt.events) || a.text("duplicates") != "0" {
			t.Errorf("form %d stores %d events and answers %s", i, w.log.End()-before, a.Body)
		}
		if got := a.text("events.0.position"); got != fmt.Sprint(before) {
			t.Errorf("form %d: position %s, want %d", i, got, before)
		}
		if got := w.get(acme, "/v1/events/"+a.text("events.0.id")).ok().text("tenant"); got != "acme" {
			t.Errorf("form %d: tenant %s", i, got)
		}
	}
}

func TestReceiveChunkedBodies(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	body := strings.Repeat(nativeEvent+"\n", 3000)
	r := httptest.NewRequest("POST", "/v1/events", io.MultiReader(strings.NewReader(body[:1000]), strings.NewReader(body[1000:])))
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer "+acme.secret)
	w.send(r).ok()
	if w.log.End() != 3000 {
		t.Errorf("%d events, want 3000", w.log.End())
	}
}

func TestReceiveLimitsAndTypes(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	huge := strings.Repeat(" ", MaxBody+1)
	for _, target := range []string{"/v1/events", "/v1/audit/logs"} {
		for _, tt := range []struct {
			name, body string
			header     []string
			status     int
			code       string
		}{
			{"too large", huge, nil, 413, "payload_too_large"},
			{"too large unpacked from gzip", gzipped(t, huge), []string{"Content-Encoding", "gzip"}, 413, "payload_too_large"},
			{"too large unpacked from zstd", zstded(t, huge), []string{"Content-Encoding", "zstd"}, 413, "payload_too_large"},
			{"form", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"},
			{"other charset", nativeEvent, []string{"Content-Type", "application/json; charset=latin1"}, 415, "unsupported_media_type"},
			{"nonsense type", nativeEvent, []string{"Content-Type", ";"}, 415, "unsupported_media_type"},
			{"other packing", nativeEvent, []string{"Content-Encoding", "br"}, 415, "unsupported_media_type"},
			{"not gzip", nativeEvent, []string{"Content-Encoding", "gzip"}, 400, "invalid_request"},
			{"cut gzip", gzipped(t, nativeEvent)[:40], []string{"Content-Encoding", "gzip"}, 400, "invalid_request"},
			{"not zstd", nativeEvent, []string{"Content-Encoding", "zstd"}, 400, "invalid_request"},
			{"cut zstd", zstded(t, nativeEvent)[:40], []string{"Content-Encoding", "zstd"}, 400, "invalid_request"},
			{"empty", "", nil, 400, "invalid_request"},
			{"empty array", "[]", nil, 400, "invalid_request"},
			{"no JSON", "hello", nil, 400, "invalid_request"},
			{"a number", "5", nil, 400, "invalid_request"},
			{"cut JSON", nativeEvent[:20], nil, 400, "invalid_request"},
			{"trailing bytes", nativeEvent + "x", nil, 400, "invalid_request"},
			{"duplicate member", `{"action":"a","action":"b"}`, nil, 400, "invalid_request"},
			{"invalid UTF-8", "{\"action\":\"\xff\"}", nil, 400, "invalid_request"},
			{"no members", "{}", nil, 422, "validation_error"},
			{"an array of numbers", "[5]", nil, 400, "invalid_request"},
		} {
			a := w.ask(acme, "POST", target, tt.body, tt.header...)
			if a.Code != tt.status || !strings.Contains(a.Body.String(), `"code":"`+tt.code+`"`) {
				t.Errorf("%s, %s: %d %s, want %d %s", target, tt.name, a.Code, a.Body, tt.status, tt.code)
			}
		}
	}
	for _, key := range []string{strings.Repeat("k", MaxIdempotencyKey+1), "tab\tkey", "ü"} {
		w.ask(acme, "POST", "/v1/events", nativeEvent, "Idempotency-Key", key).refused(400, "validation_error")
	}
	if w.log.End() != 0 {
		t.Errorf("%d events were stored", w.log.End())
	}
}

func TestReceiveNamesTheEventThatIsWrong(t *testing.T) {
	w := newWorld(t)
	body := nativeEvent + "\n" + `{"actor":{"id":"a"},"action":"read","outcome":"fine"}`
	a := w.ask(w.of("acme"), "POST", "/v1/events", body).refused(422, "validation_error")
	if a.text("problems.0.index") != "1" || a.text("problems.0.field") != "outcome" {
		t.Errorf("problems %s", a.Body)
	}
	b := w.ask(w.of("acme"), "POST", "/v1/audit/logs", `{"action":"read","identity_id":"a","success":"maybe"}`).refused(422, "validation_error")
	if b.at("error.details.fields.events[0]") == nil && !strings.Contains(b.Body.String(), `"events[0].success"`) {
		t.Errorf("details %s", b.Body)
	}
}

func TestReceiveIsIdempotent(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	first := w.ask(acme, "POST", "/v1/events", nativeEvent, "Idempotency-Key", "k1").ok()
	again := w.ask(acme, "POST", "/v1/events", nativeEvent, "Idempotency-Key", "k1").ok()
	if w.log.End() != 1 || again.text("duplicates") != "1" || again.text("events.0.id") != first.text("events.0.id") || again.text("events.0.duplicate") != "true" {
		t.Errorf("the second answer is %s", again.Body)
	}
	w.ask(acme, "POST", "/v1/events", strings.Replace(nativeEvent, "read", "write", 1), "Idempotency-Key", "k1").refused(409, "conflict")
	w.ask(w.of("other"), "POST", "/v1/events", nativeEvent, "Idempotency-Key", "k1").ok() // another's key is another key
	for _, tenant := range []string{"acme", "other"} {                                    // a subject of the same name elsewhere is somebody else
		a := w.ask(w.token(auth.TokenSpec{Subject: "ci", Tenant: tenant}), "POST", "/v1/events", nativeEvent, "Idempotency-Key", "k2").ok()
		if a.text("duplicates") != "0" {
			t.Errorf("%s: answer %s", tenant, a.Body)
		}
	}
	own := strings.Replace(nativeEvent, "{", `{"event_id":"e1",`, 1)
	w.ask(acme, "POST", "/v1/events", own).ok()
	a := w.ask(acme, "POST", "/v1/events", nativeEvent+"\n"+strings.Replace(own, "read", "write", 1)).refused(409, "conflict")
	if a.text("problems.0.index") != "1" || a.text("problems.0.field") != "event_id" {
		t.Errorf("conflict %s", a.Body)
	}
}

func TestReceiveBringsTenantsForTheSuperAdminAlone(t *testing.T) {
	w := newWorld(t)
	root := w.super()
	in := func(tenant string) string { return strings.Replace(nativeEvent, "{", `{"tenant":"`+tenant+`",`, 1) }
	w.ask(root, "POST", "/v1/events", in("fresh")+"\n"+in("fresh2")+"\n"+in("fresh")).ok()
	w.ask(root, "POST", "/v1/events", in("never")+"\n{}").refused(422, "validation_error")
	var ids []string
	for _, tenant := range w.auth.Tenants() {
		ids = append(ids, tenant.ID)
	}
	if got := strings.Join(ids, " "); got != "fresh fresh2" {
		t.Errorf("tenants are %q, want those that were written to", got)
	}
	for _, tt := range []struct{ header, want string }{{"", DefaultTenant}, {"named", "named"}} {
		a := w.ask(root, "POST", "/v1/events", nativeEvent, "X-Tenant-ID", tt.header).ok()
		if got := w.get(root, "/v1/events/"+a.text("events.0.id")).ok().text("tenant"); got != tt.want {
			t.Errorf("X-Tenant-ID %q: tenant %s, want %s", tt.header, got, tt.want)
		}
	}
	for _, bad := range []string{"-x", "a b", strings.Repeat("x", 129)} {
		if a := w.ask(root, "POST", "/v1/events", nativeEvent, "X-Tenant-ID", bad); a.Code != 400 && a.Code != 422 {
			t.Errorf("X-Tenant-ID %.20q answers %d %s", bad, a.Code, a.Body)
		}
	}
	partnerOf(w, "p", "mine")
	w.ask(w.partner("p"), "POST", "/v1/events", in("mine")).ok()
	w.ask(w.partner("p"), "POST", "/v1/events", in("brand-new")).refused(403, "tenant_access_denied")
	w.ask(w.partner("p"), "POST", "/v1/events", nativeEvent).refused(403, "tenant_access_denied") // default is not theirs
	if _, known := w.auth.Tenant("brand-new"); known {
		t.Error("a partner brought a tenant")
	}
	w.ask(w.token(auth.TokenSpec{Subject: "x", Tenant: "mine"}), "POST", "/v1/events", in("fresh")).refused(403, "tenant_access_denied")
}

func TestMalformedTokenRequests(t *testing.T) {
	w := newWorld(t)
	root := w.super()
	for _, tt := range []struct {
		body   string
		status int
		code   string
	}{
		{"", 400, "invalid_request"},
		{"[]", 400, "invalid_request"},
		{`{"subject":"x"`, 400, "invalid_request"},
		{`{"subject":"x","subject":"y"}`, 400, "invalid_request"},
		{`{"subject":"x","scope":["audit:read"]}`, 422, "validation_error"},
		{`{"subject":5,"scopes":["audit:read"]}`, 422, "validation_error"},
		{`{"scopes":["audit:read"]}`, 422, "validation_error"},
		{`{"subject":"x","scopes":[]}`, 422, "validation_error"},
		{`{"subject":"x","scopes":["root"]}`, 422, "validation_error"},
		{`{"subject":"x","scopes":["audit:read"],"expires":"soon"}`, 422, "validation_error"},
		{`{"subject":"x","scopes":["audit:read"],"expires":"2020-01-01"}`, 422, "validation_error"},
		{`{"subject":"x","scopes":["audit:read"],"tenant":"a b"}`, 422, "validation_error"},
		{`{"subject":"` + strings.Repeat("x", maxSmallBody) + `"}`, 413, "payload_too_large"},
	} {
		a := w.ask(root, "POST", "/v1/tokens", tt.body)
		if a.Code != tt.status || a.text("code") != tt.code {
			t.Errorf("%.60s: %d %s, want %d %s", tt.body, a.Code, a.Body, tt.status, tt.code)
		}
	}
	w.ask(root, "POST", "/v1/tokens", "{}", "Content-Type", "text/plain").refused(415, "unsupported_media_type")
}
