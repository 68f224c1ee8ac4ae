package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annal"
)

func receiveFlat(t *testing.T, body string) annal.Event {
	t.Helper()
	in, k := newTest()
	if _, err := in.Receive(t.Context(), Request{Body: []byte(body), Format: ScaiVault, Tenant: "home"}); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return k.events[0]
}

// S0-6, S0-30, S1-3
func TestFlatEntry(t *testing.T) {
	got := receiveFlat(t, `{"id":"log_abc","timestamp":"2026-04-23T18:00:00.123456Z","action":"read","secret_path":"environments/production/salesforce/api-credentials",`+
		`"identity_type":"service_account","identity_id":"sa:reporting-service","source_ip":"10.0.1.50","user_agent":"sdk","success":true,"duration_ms":12,"request_id":"req_xyz",`+
		`"tenant_id":"acme","session_id":"ses_1","method":"GET","status":200,"error_code":"","extra_data":{"rotation_reason":"scheduled"},"region":"eu"}`)
	want := annal.Event{
		Time: time.Date(2026, 4, 23, 18, 0, 0, 123456000, time.UTC), Tenant: "acme", Action: "read",
		Actor:    annal.Actor{Type: "service_account", ID: "sa:reporting-service"},
		Resource: annal.Resource{Path: "environments/production/salesforce/api-credentials"},
		Session:  "ses_1", Source: annal.Source{IP: "10.0.1.50", UserAgent: "sdk"},
		Request: annal.Request{ID: "req_xyz", Method: "GET", Status: 200, Duration: 12 * time.Millisecond},
		Extra:   `{"region":"eu","rotation_reason":"scheduled"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFlatOutcomes(t *testing.T) {
	for _, tt := range []struct{ more, want string }{
		{`"success":true`, "success"},
		{`"success":false`, "failure"},
		{`"success":false,"status":500`, "failure"},
		{`"success":false,"status":401`, "denied"},
		{`"success":false,"status":403`, "denied"},
		{`"success":false,"error_code":"access_denied"`, "denied"},
		{`"success":true,"status":403`, "success"},
		{`"status":403`, "denied"},
		{`"error_code":"x"`, "failure"},
		{`"success":null`, "success"},
	} {
		e := receiveFlat(t, `{"action":"read","identity_id":"user:a",`+tt.more+`}`)
		if e.Outcome.String() != tt.want || e.Actor.Type != "user" || e.Tenant != "home" {
			t.Errorf("%s: got %v %q in %q, want %s", tt.more, e.Outcome, e.Actor.Type, e.Tenant, tt.want)
		}
	}
}

func TestFlatFurtherMembers(t *testing.T) {
	for _, tt := range []struct{ more, want string }{
		{`"a":1`, `{"a":1}`},
		{`"extra_data":{},"a":1`, `{"a":1}`},
		{`"extra_data":{"b":2},"a":1`, `{"a":1,"b":2}`},
		{`"extra_data":{"a":2},"a":1,"c":3`, `{"a":2,"entry":{"a":1,"c":3}}`},
		{`"a":1,"extra_data":{"a":2,"entry":3}`, `{"a":2,"entry":3,"entry_":{"a":1}}`},
		{`"extra_data":{},"x":{}`, `{"x":{}}`},
		{`"extra_data":{}`, ``},
		{`"api_key":"k"`, `{"api_key":"[redacted:api_key]"}`},
	} {
		if e := receiveFlat(t, `{"action":"read","identity_id":"user:a",`+tt.more+`}`); e.Extra != tt.want {
			t.Errorf("%s: got %s, want %s", tt.more, e.Extra, tt.want)
		}
	}
}

func TestFlatProblems(t *testing.T) {
	nest := strings.Repeat(`{"a":`, annal.MaxExtraDepth) + "1" + strings.Repeat("}", annal.MaxExtraDepth)
	for _, tt := range []struct{ body, want string }{
		{`{"action":"read"}`, "event 0: identity_id: is required"},
		{`{"identity_id":"a"}`, "event 0: action: is required"},
		{`{"identity_id":"a","action":"x","success":"yes"}`, "event 0: success: must be a boolean, not a string"},
		{`{"identity_id":"a","action":"x","timestamp":5}`, "event 0: timestamp: must be ISO 8601 text"},
		{`{"identity_id":"a","action":"x","tenant_id":"/"}`, "event 0: tenant_id: must be 1 to 128"},
		{`{"identity_id":"a","action":"x","extra_data":[]}`, "event 0: extra_data: must be an object, not an array"},
		{`{"identity_id":"a","action":"x","z":1,"z":2}`, `event 0: z: the member name "z" occurs twice`},
		{`{"identity_id":"a","identity_id":"b"}`, `event 0: identity_id: the member name "identity_id" occurs twice`},
		{`{"identity_id":"a","action":"x","secret_path":"` + strings.Repeat("x", 5000) + `"}`, "event 0: secret_path: has 5000 bytes"},
		{`{"identity_id":"a","action":"x","deep":` + nest + `}`, "event 0: extra_data: nests too deeply"},
	} {
		if got := problems(t, ScaiVault, tt.body); !strings.Contains(got, tt.want) {
			t.Errorf("%.200s\n got %s\nwant …%s…", tt.body, got, tt.want)
		}
	}
}

// S1-2
func TestFlatActions(t *testing.T) {
	for _, action := range strings.Split("read write delete list rotate policy_create policy_update policy_delete policy_bind policy_unbind pki_issue pki_sign pki_revoke pki_ca_create "+
		"dynamic_generate dynamic_renew dynamic_revoke webhook_delivery subscription_event federation_sync identity_sync export_created", " ") {
		if e := receiveFlat(t, fmt.Sprintf(`{"action":%q,"identity_id":"user:a"}`, action)); e.Action != action || e.Flags != "" {
			t.Errorf("%s became %s with flags %s", action, e.Action, e.Flags)
		}
	}
}

// Secrets never show in what a refusal says.
func TestProblemsQuoteNoValues(t *testing.T) {
	const secret = "hunter2-and-more"
	for _, body := range []string{
		`{"outcome":"` + secret + `"}`, `{"time":"` + secret + `"}`, `{"tenant":"` + secret + ` "}`, `{"severity":"` + secret + `"}`, `{"flags":["` + secret + `"]}`,
		`{"extra":"` + secret + `"}`, `{"action":"` + secret + "\n" + `"}`, `{"extra":{"a":["` + secret + `\x"]}}`, `"` + secret + `"`,
	} {
		if got := problems(t, Native, body); got == "" || strings.Contains(got, secret) {
			t.Errorf("%s: %q", body, got)
		}
	}
}
