package api

import (
	"strings"
	"testing"
)

// Malformed entries are refused in the words of the dialect that they are
// written in, and nothing of their batch is kept.
func TestMalformedEntriesOfDialects(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	good := map[string]string{
		"/v1/audit": `{"principal":"users:a","action":"GET"}`, "/audit/entries": `{"actor":{"id":"a"},"event_type":"x"}`,
		"/api/audit/entries": `{"actor":{"id":"a"},"event_type":"x"}`, "/api/v1/admin/audit/": `{"actor_id":"a","action":"x"}`,
	}
	required := map[string]string{
		"/v1/audit": `"principal":["is required"]`, "/audit/entries": `event 0: actor.id: is required`,
		"/api/audit/entries": `event 0: actor.id: is required`, "/api/v1/admin/audit/": `"loc":["body",0,"actor_id"]`,
	}
	badKey := map[string]int{"/v1/audit": 400, "/audit/entries": 400, "/api/audit/entries": 400, "/api/v1/admin/audit/": 422}
	for target, entry := range good {
		for _, tt := range []struct {
			name, body string
			header     []string
			status     int
			says       string
		}{
			{"empty", ``, nil, 400, "must be a JSON object"},
			{"a number", `5`, nil, 400, "must be a JSON object"},
			{"cut short", entry[:len(entry)-1], nil, 400, "at byte"},
			{"two values on a line", entry + entry, nil, 400, "white space"},
			{"not UTF-8", "{\"z\":\"\xff\"}", nil, 400, "UTF-8"},
			{"no members", `{}`, nil, 422, required[target]},
			{"one bad of two", "[" + entry + `,{}]`, nil, 422, "is required"},
			{"a repeated member", `{"z":1,"z":2}`, nil, 400, "occurs twice"},
			{"media type", entry, []string{"Content-Type", "text/plain"}, 415, "Content-Type"},
			{"encoding", entry, []string{"Content-Encoding", "br"}, 415, "Content-Encoding"},
			{"not gzip", entry, []string{"Content-Encoding", "gzip"}, 400, "gzip"},
			{"no rights", entry, []string{"X-Tenant-ID", "other"}, 403, "no rights"},
			{"a bad key", entry, []string{"Idempotency-Key", ""}, badKey[target], "Idempotency-Key"},
		} {
			a := w.ask(acme, "POST", target, tt.body, tt.header...)
			body := strings.ReplaceAll(a.Body.String(), `events[0].`, "")
			if a.Code != tt.status || !strings.Contains(body, tt.says) {
				t.Errorf("%s, %s: %d %s; want %d …%s…", target, tt.name, a.Code, a.Body, tt.status, tt.says)
			}
		}
		if a := w.ask(token{}, "POST", target, entry); a.Code != 401 {
			t.Errorf("%s without a token: %d %s, want 401", target, a.Code, a.Body)
		}
		if w.log.End() != 0 {
			t.Fatalf("%s: something was kept of what was refused", target)
		}
	}
	for target, entry := range good {
		w.ask(acme, "POST", target, "["+entry+","+entry+"]").ok()
	}
	if n := w.log.End(); n != 8 {
		t.Errorf("%d events are kept, want 8", n)
	}
}
