package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annal"
	"annal/internal/corpus"
)

func receiveForm(t *testing.T, f Format, body string) annal.Event {
	t.Helper()
	in, k := newTest()
	if _, err := in.Receive(t.Context(), Request{Body: []byte(body), Format: f, Tenant: "home"}); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return k.events[0]
}

func TestS2_3_RecordOfDSV(t *testing.T) {
	got := receiveForm(t, DSV, `{"id":"00000000-1111-2222-8b1f-b94bb1fab746","tenant":"abcd1234567890jbo090","tenantName":"test","principal":"users:user",
		"principalItemId":"12345678-0000-41b8-8b02-0123456789ab","action":"POST","status":200,"path":"token","ipaddress":"10.10.10.10",
		"created":"2020-05-01T01:09:07.225694779Z","message":"login succeeded","requestId":"r1"}`)
	want := annal.Event{
		Time: time.Date(2020, 5, 1, 1, 9, 7, 225694779, time.UTC), Tenant: "abcd1234567890jbo090", Actor: annal.Actor{Type: "user", ID: "users:user"},
		Action: "auth.login.success", Resource: annal.Resource{Path: "token"}, Message: "login succeeded", Source: annal.Source{IP: "10.10.10.10"},
		Request: annal.Request{Method: "POST", Status: 200}, Extra: `{"principalItemId":"12345678-0000-41b8-8b02-0123456789ab","requestId":"r1"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestS2_11_DeedsOfTheCatalogue(t *testing.T) {
	for _, tt := range []struct{ method, path, status, action, outcome string }{
		{"POST", "token", "0", "auth.login.failed", "failure"}, // S2-6
		{"POST", "users", "201", "user.created", "success"}, {"PUT", "users:bob", "200", "user.updated", "success"},
		{"DELETE", "groups:g", "200", "group.deleted", "success"}, {"POST", "config:siem", "201", "siem.created", "success"},
		{"PUT", "config:policies:a:b", "404", "policy.updated", "failure"}, {"GET", "config:auth:x", "200", "auth_provider.read", "success"},
		{"GET", "secrets:a:b::description", "404", "read", "failure"}, {"POST", "secrets:a", "201", "write", "success"},
		{"DELETE", "home:users:a:x", "403", "delete", "denied"}, {"POST", "config", "500", "settings.created", "failure"},
		{"POST", "groups:g:members", "200", "group.member_added", "success"}, {"DELETE", "groups:g:members", "204", "group.member_removed", "success"},
		{"PUT", "config:policies:a:b:rollback:3", "200", "policy.rolled_back", "success"}, {"GET", "users:bob:restore", "200", "user.restored", "success"},
		{"GET", "clients", "200", "client.listed", "success"}, {"GET", "secrets", "200", "list", "success"}, {"GET", "config", "500", "settings.read", "failure"},
		{"rotate", "secrets:a", "200", "rotate", "success"},
	} {
		e := receiveForm(t, DSV, `{"principal":"users:a","action":"`+tt.method+`","path":"`+tt.path+`","status":`+tt.status+`}`)
		if e.Action != tt.action || e.Outcome.String() != tt.outcome || tt.method != "rotate" && e.Request.Method != tt.method {
			t.Errorf("%s %s %s became %s, %v, %+v; want %s, %s", tt.method, tt.path, tt.status, e.Action, e.Outcome, e.Request, tt.action, tt.outcome)
		}
	}
}

func TestS3_5_EntryOfCertifyClouds(t *testing.T) {
	got := receiveForm(t, CertifyClouds, `{"id":"audit-123","timestamp":"2025-01-15T10:30:00Z","event_type":"discovery.scan.completed",
		"actor":{"type":"user","id":"user-456","name":"admin@company.com"},"resource":{"type":"scan","id":"scan-789"},
		"description":"Discovery scan completed successfully","details":{"mode":"full","secrets_found":234},
		"severity":"info","ip_address":"192.0.2.50","user_agent":"Mozilla/5.0..."}`)
	want := annal.Event{
		Time: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC), Tenant: "home", Actor: annal.Actor{Type: "user", ID: "user-456", Name: "admin@company.com"},
		Action: "discovery.scan.completed", Resource: annal.Resource{Type: "scan", ID: "scan-789", Path: "scan-789"}, Message: "Discovery scan completed successfully",
		Source: annal.Source{IP: "192.0.2.50", UserAgent: "Mozilla/5.0..."}, Extra: `{"mode":"full","secrets_found":234}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestS3_6_OutcomesOfEventTypes(t *testing.T) {
	for _, tt := range []struct{ entry, want string }{
		{`"event_type":"auth.login.failed"`, "denied"}, {`"event_type":"auth.account.locked","severity":"warning"`, "denied"},
		{`"event_type":"rotation.failed"`, "failure"}, {`"event_type":"discovery.vault.error"`, "failure"},
		{`"event_type":"sync.completed"`, "success"}, {`"event_type":"sync.completed","severity":"error"`, "failure"},
	} {
		if e := receiveForm(t, CertifyClouds, `{"actor":{"id":"system"},`+tt.entry+`}`); e.Outcome.String() != tt.want || e.Actor.Type != "system" {
			t.Errorf("%s: got %v of %s, want %s", tt.entry, e.Outcome, e.Actor.Type, tt.want)
		}
	}
}

func TestEntryOfScaiKey(t *testing.T) {
	got := receiveForm(t, ScaiKey, `{"id":"x","timestamp":"2026-04-23T18:00:00.123456Z","tenant_id":"acme","partner_id":null,"actor_id":"user:a","actor_email":"a@acme.example",
		"actor_type":null,"action":"user.login","resource_type":"realm","resource_id":"r1","resource_name":"R","result":"failure","ip_address":"::1","user_agent":"ua",
		"details":{"a":1},"request_id":"req","session_id":"ses","http":{"method":"POST","status":401,"duration_ms":1.5},"error_code":"bad_password","seq":7}`)
	want := annal.Event{
		Time: time.Date(2026, 4, 23, 18, 0, 0, 123456000, time.UTC), Tenant: "acme", Actor: annal.Actor{Type: "user", ID: "user:a", Email: "a@acme.example"},
		Action: "user.login", Resource: annal.Resource{Type: "realm", ID: "r1", Path: "r1", Name: "R"}, Outcome: annal.Denied, Severity: annal.Warning, ErrorCode: "bad_password",
		Session: "ses", Source: annal.Source{IP: "::1", UserAgent: "ua"}, Extra: `{"a":1}`,
		Request: annal.Request{ID: "req", Method: "POST", Status: 401, Duration: 1500 * time.Microsecond},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Problems name the member as the dialect has it.
func TestFormProblems(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		format     Format
		body, want string
	}{
		{DSV, `{"action":"GET"}`, "event 0: principal: is required"},
		{DSV, `{"principal":"users:a"}`, "event 0: action: is required"},
		{DSV, `{"principal":"users:a","action":"GET","status":"200"}`, "event 0: status: must be a number, not a string"},
		{DSV, `{"principal":"users:a","action":"GET","status":1.5}`, "event 0: status: must be an integer"},
		{DSV, `{"principal":"users:a","action":"GET","path":"` + long + `"}`, "event 0: path: has 5000 bytes"},
		{DSV, `{"principal":"users:a","action":"GET","created":5}`, "event 0: created: must be ISO 8601"},
		{DSV, `{"principal":"a","action":"GET","tenant":"/"}`, "event 0: tenant: must be 1 to 128"},
		{DSV, `{"principal":"a","principal":"b","action":"GET"}`, `event 0: principal: the member name "principal" occurs twice`},
		{DSV, `{"principal":"a","action":"GET","principalItemId":5}`, "event 0: principalItemId: must be a string"},
		{CertifyClouds, `{"event_type":"x"}`, "event 0: actor.id: is required"},
		{CertifyClouds, `{"actor":{"id":"a"}}`, "event 0: event_type: is required"},
		{CertifyClouds, `{"actor":"a","event_type":"x"}`, "event 0: actor: must be an object, not a string"},
		{CertifyClouds, `{"actor":{"id":"a","role":"x"},"event_type":"x"}`, "event 0: actor.role: there is no such member"},
		{CertifyClouds, `{"actor":{"id":"a","id":"b"},"event_type":"x"}`, `event 0: actor.id: the member name "id" occurs twice`},
		{CertifyClouds, `{"actor":{"id":"a"},"event_type":"x","severity":"fatal"}`, "event 0: severity: must be one of info, warning, error"},
		{CertifyClouds, `{"actor":{"id":"a"},"event_type":"x","details":[]}`, "event 0: details: must be an object, not an array"},
		{CertifyClouds, `{"actor":{"id":"a"},"event_type":"x","resource":{"id":"` + long + `"}}`, "event 0: resource.id: has 5000 bytes"},
		{ScaiKey, `{"action":"x"}`, "event 0: actor_id: is required"},
		{ScaiKey, `{"actor_id":"a","action":"x","result":"denied"}`, "event 0: result: must be success or failure"},
		{ScaiKey, `{"actor_id":"a","action":"x","http":{"status":"200"}}`, "event 0: http.status: must be a number"},
		{ScaiKey, `{"actor_id":"a","action":"x","http":{"duration_ms":-1}}`, "event 0: http.duration_ms: must be from 0"},
		{ScaiKey, `{"actor_id":"a","action":"x","tenant_id":"a b"}`, "event 0: tenant_id: must be 1 to 128"},
		{ScaiKey, `[{"actor_id":"a","action":"x"},{"actor_id":"a","z":1,"z":2}]`, "event 1: z:"},
		{ScaiKey, `5`, "the body must be a JSON object"},
	} {
		if got := problems(t, tt.format, tt.body); !strings.Contains(got, tt.want) {
			t.Errorf("%.200s\n got %s\nwant …%s…", tt.body, got, tt.want)
		}
	}
}

// FuzzForms holds that what is received in a dialect's form may be stored, that
// what is shown of it is received as the same event, and that refusals name a
// problem.
func FuzzForms(f *testing.F) {
	corpus.Seed(f)
	f.Add(`{"principal":"users:a","action":"POST","path":"token","status":0,"principalItemId":"x","z":{"a":1}}`, uint8(DSV))
	f.Add(`{"actor":{"id":"a","name":"a"},"event_type":"x.failed","resource":{"id":"r"},"details":{"password":"x"}}`, uint8(CertifyClouds))
	f.Add(`{"actor_id":"a","action":"x","result":"failure","http":{"status":403},"details":{"z":1},"z":2}`, uint8(ScaiKey))
	f.Fuzz(func(t *testing.T, body string, format uint8) {
		in, k := newTest()
		if _, err := in.Receive(t.Context(), Request{Body: []byte(body), Format: DSV + Format(format)%3}); err != nil {
			var invalid *annal.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
				t.Fatalf("got %v, want an InvalidError", err)
			}
			return
		}
		checkShown(t, in, k)
	})
}
