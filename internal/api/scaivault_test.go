package api

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
)

// actions are the twenty-two that ScaiVault documents (S1-2).
var actions = strings.Fields(`read write delete list rotate policy_create policy_update policy_delete policy_bind
	policy_unbind pki_issue pki_sign pki_revoke pki_ca_create dynamic_generate dynamic_renew dynamic_revoke
	webhook_delivery subscription_event federation_sync identity_sync export_created`)

const entry = `{"timestamp":"2026-04-23T11:59:00.123456Z","action":"read","secret_path":"environments/production/salesforce/api-credentials",
	"identity_type":"service_account","identity_id":"sa:reporting-service","source_ip":"10.0.1.50","user_agent":"scaivault-python/1.0.0",
	"success":true,"duration_ms":12,"request_id":"req_xyz"}`

func TestS0_1_BaseAndBearer(t *testing.T) {
	w := newWorld(t)
	w.get(w.of("acme"), "/v1/audit/logs").ok()
	w.get(token{}, "/v1/audit/logs").refused(401, "authentication_required")
	w.get(token{}, "/v1/audit/logs", "Authorization", "Basic abc").refused(401, "authentication_required")
}

func TestS0_2_to_6_EntryAsPosted(t *testing.T) {
	w := newWorld(t)
	w.ask(w.of("acme"), "POST", "/v1/audit/logs", entry).ok()
	a := w.get(w.of("acme"), "/v1/audit/logs").ok()
	if a.at("cursor") != nil || a.at("has_more") != false {
		t.Errorf("cursor %v, has_more %v", a.at("cursor"), a.at("has_more"))
	}
	for member, want := range map[string]string{
		"timestamp": "2026-04-23T11:59:00.123456Z", "action": "read", "secret_path": "environments/production/salesforce/api-credentials",
		"identity_type": "service_account", "identity_id": "sa:reporting-service", "source_ip": "10.0.1.50",
		"user_agent": "scaivault-python/1.0.0", "success": "true", "duration_ms": "12", "request_id": "req_xyz", "extra_data": "map[]",
	} {
		if got := a.text("logs.0." + member); got != want {
			t.Errorf("%s = %s, want %s", member, got, want)
		}
	}
	if id := a.text("logs.0.id"); !regexp.MustCompile(`^log_[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("id = %s", id)
	}
}

func TestS0_5_SixDigitsWhateverWasGiven(t *testing.T) {
	w := newWorld(t)
	for _, at := range []string{"2026-04-23T11:00:00Z", "2026-04-23T11:00:00.1Z", "2026-04-23T11:00:00.123456789Z", "2026-04-23"} {
		w.ask(w.of("acme"), "POST", "/v1/audit/logs", strings.Replace(entry, "2026-04-23T11:59:00.123456Z", at, 1)).ok()
	}
	want := []string{"2026-04-23T11:00:00.123456Z", "2026-04-23T11:00:00.100000Z", "2026-04-23T11:00:00.000000Z", "2026-04-23T00:00:00.000000Z"}
	if got := w.get(w.of("acme"), "/v1/audit/logs").ok().column("logs", "timestamp"); !slices.Equal(got, want) {
		t.Errorf("timestamps %v, want %v", got, want)
	}
}

func TestS0_7_BoundsAreInclusiveInstants(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.put(event("read", fmt.Sprint("user:", i), "p", i))
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"from=2026-04-23T12:00:01Z&to=2026-04-23T12:00:03Z", []string{"user:3", "user:2", "user:1"}},
		{"to=2026-04-23T12:00:02.999999999Z", []string{"user:2", "user:1", "user:0"}},
		{"from=2026-04-23T12:00:03.000000001Z", []string{"user:4"}},
		{"from=2026-04-23T14:00:04%2B02:00", []string{"user:4"}},
		{"from=2026-04-23T14:00:04+02:00", []string{"user:4"}}, // the '+' was not escaped
		{"from=2026-04-23&to=9999-12-31", []string{"user:4", "user:3", "user:2", "user:1", "user:0"}},
		{"to=2026-04-23", []string{}},
		{"from=20260423T120004Z", []string{"user:4"}},
		{"from=20260423T140004+0200", []string{"user:4"}}, // the '+' was not escaped
		{"from=2026-113T12:00:04&to=20260424", []string{"user:4"}},
		{"from=2026-W17-4T120004,0Z&to=2026113T24", []string{"user:4"}},
		{"from=2026W174T12&to=2026-04-23T1200", []string{"user:0"}},
		{"from=2026-04-24T00:00:00.000000001Z&to=20260423T24:00", nil}, // 1 ns too late
		{"from=2026-04-23T25Z", nil}, {"from=2026-W54-1", nil}, {"from=2026-W17", nil}, {"from=2026-W174", nil}, {"from=2026-366", nil},
		{"from=0000-W01-1", nil}, {"from=2026-04-23T24:00:01Z", nil}, {"from=202604", nil},
	} {
		a := w.get(w.of("acme"), "/v1/audit/logs?"+tt.query)
		if tt.want == nil {
			a.refused(422, "validation_error")
			continue
		}
		if got := a.ok().column("logs", "identity_id"); !slices.Equal(got, tt.want) {
			t.Errorf("%s selects %v, want %v", tt.query, got, tt.want)
		}
	}
}

func TestS0_8_S1_1_S1_2_Actions(t *testing.T) {
	w := newWorld(t)
	for i, action := range actions {
		w.put(event(action, "user:a", "p", i))
	}
	acme := w.of("acme")
	for _, action := range actions {
		if got := w.get(acme, "/v1/audit/logs?action="+action).ok().column("logs", "action"); !slices.Equal(got, []string{action}) {
			t.Errorf("action=%s selects %v", action, got)
		}
	}
	for query, want := range map[string]int{
		"action=read,write,rotate": 3, "action=read&action=write": 2, "action=no_such_action": 0, "action=read,no_such_action": 1,
		"action=": len(actions), "action=read,read": 1,
	} {
		if got := len(w.get(acme, "/v1/audit/logs?"+query).ok().at("logs").([]any)); got != want {
			t.Errorf("%s selects %d, want %d", query, got, want)
		}
	}
}

func TestS0_9_to_12_Filters(t *testing.T) {
	w := newWorld(t)
	a := event("read", "sa:x", "environments/production/db", 0)
	a.Actor.Type, a.Source.IP, a.Request.ID = "service_account", "10.0.0.1", "req_1"
	b := event("read", "user:alice@acme.example", "environments/production2/db", 1)
	b.Source.IP, b.Request.ID, b.Outcome = "10.0.0.2", "req_2", annal.Denied
	c := event("read", "group:ops", "environments:production:db", 2)
	c.Actor.Type, c.Outcome = "group", annal.Failure
	w.put(a, b, c)
	for query, want := range map[string][]string{
		"identity_id=sa:x":                        {"sa:x"},
		"identity_id=sa":                          {},
		"identity_type=service_account":           {"sa:x"},
		"identity_type=group":                     {"group:ops"},
		"path_prefix=environments/production":     {"sa:x"},
		"path_prefix=environments/":               {"user:alice@acme.example", "sa:x"},
		"path_prefix=environments":                {"group:ops", "user:alice@acme.example", "sa:x"},
		"success=true":                            {"sa:x"},
		"success=false":                           {"group:ops", "user:alice@acme.example"},
		"source_ip=10.0.0.2":                      {"user:alice@acme.example"},
		"request_id=req_1":                        {"sa:x"},
		"request_id=req_1&source_ip=10.0.0.2":     {},
		"no_such_parameter=1&request_id=req_1":    {"sa:x"},
		"identity_id=user%3Aalice%40acme.example": {"user:alice@acme.example"},
	} {
		if got := w.get(w.of("acme"), "/v1/audit/logs?"+query).ok().column("logs", "identity_id"); !slices.Equal(got, want) {
			t.Errorf("%s selects %v, want %v", query, got, want)
		}
	}
}

func TestS0_13_LimitAndPages(t *testing.T) {
	w := newWorld(t)
	for i := range 1005 {
		w.put(event("read", "user:a", "p", i%7))
	}
	acme := w.of("acme")
	for query, want := range map[string]int{"": 100, "?limit=1": 1, "?limit=1000": 1000} {
		if got := len(w.get(acme, "/v1/audit/logs"+query).ok().at("logs").([]any)); got != want {
			t.Errorf("%q: %d entries, want %d", query, got, want)
		}
	}
	a := w.get(acme, "/v1/audit/logs?limit=1001").refused(422, "validation_error")
	if a.at("error.details.fields.limit") == nil {
		t.Errorf("no details.fields.limit in %s", a.Body)
	}
}

func TestS0_14_SecretPathsSurvive(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ path, target string }{
		{"environments/production/salesforce/api-credentials", "environments/production/salesforce/api-credentials"},
		{"a/b", "a%2Fb"},
		{"a//b", "a//b"},
		{"a/../b", "a/../b"},
		{"a/./b/", "a/./b/"},
		{"/a", "/a"},
		{"ö ?#%", "%C3%B6%20%3F%23%25"},
		{"logs", "logs"},
	} {
		w.put(event("read", "user:a", tt.path, 0))
		a := w.get(w.of("acme"), "/v1/audit/secrets/"+tt.target).ok()
		if a.text("secret_path") != tt.path || len(a.at("logs").([]any)) != 1 {
			t.Errorf("%s answers %s", tt.target, a.Body)
		}
	}
	w.get(w.of("acme"), "/v1/audit/secrets/").refused(400, "invalid_path")
	w.get(w.of("acme"), "/v1/audit/secrets/%ff").refused(400, "invalid_path")
	w.get(w.of("acme"), "/v1/audit/secrets").refused(404, "not_found")
}

// month stores a month of trails: reads by two, one write, and what is older.
func month(w *world) {
	old := event("read", "user:old", "db", -31*86400)
	denied := event("read", "user:b", "db", -50)
	denied.Outcome = annal.Denied
	w.put(old, event("read", "user:a", "db", -100), denied, event("write", "user:a", "db", -200),
		event("list", "user:a", "", -20), event("read", "user:a", "other", -300), event("read", "user:a", "db/below", -10))
}

func TestS0_15_SecretTrailSummary(t *testing.T) {
	w := newWorld(t)
	month(w)
	a := w.get(w.of("acme"), "/v1/audit/secrets/db").ok()
	for path, want := range map[string]string{
		"secret_path": "db", "summary.total_reads_30d": "2", "summary.total_writes_30d": "1", "summary.unique_accessors_30d": "2",
		"summary.last_read": "2026-04-23T11:59:10.000000Z", "summary.last_write": "2026-04-23T11:56:40.000000Z",
	} {
		if got := a.text(path); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	if n := len(a.at("logs").([]any)); n != 4 {
		t.Errorf("%d entries, want 4", n)
	}
	none := w.get(w.of("acme"), "/v1/audit/secrets/nothing/here").ok()
	if none.at("summary.last_read") != nil || none.text("summary.total_reads_30d") != "0" || none.text("logs") != "[]" {
		t.Errorf("nothing there answers %s", none.Body)
	}
}

func TestS0_16_TrailTakesTheListFilters(t *testing.T) {
	w := newWorld(t)
	month(w)
	for query, want := range map[string]int{
		"action=read": 3, "action=read,write": 4, "from=2026-04-23T11:59:00Z": 1, "success=false": 1, "identity_id=user:a": 2, "limit=2": 2,
	} {
		if got := len(w.get(w.of("acme"), "/v1/audit/secrets/db?"+query).ok().at("logs").([]any)); got != want {
			t.Errorf("%s selects %d, want %d", query, got, want)
		}
	}
	first := w.get(w.of("acme"), "/v1/audit/secrets/db?limit=3").ok()
	rest := w.get(w.of("acme"), "/v1/audit/secrets/db?limit=3&cursor="+first.text("cursor")).ok()
	if got := append(first.column("logs", "identity_id"), rest.column("logs", "identity_id")...); len(got) != 4 || got[3] != "user:old" {
		t.Errorf("two pages hold %v", got)
	}
	w.get(w.of("acme"), "/v1/audit/secrets/other?cursor="+first.text("cursor")).refused(400, "invalid_cursor")
}

func TestS0_17_SummaryIgnoresFrom(t *testing.T) {
	w := newWorld(t)
	month(w)
	want := w.get(w.of("acme"), "/v1/audit/secrets/db").ok().text("summary")
	for _, query := range []string{"from=2026-04-23T11:59:59Z", "from=2020-01-01", "to=2026-01-01", "action=write", "identity_id=user:b"} {
		if got := w.get(w.of("acme"), "/v1/audit/secrets/db?"+query).ok().text("summary"); got != want {
			t.Errorf("%s: summary %s, want %s", query, got, want)
		}
	}
}

func TestS0_18_S0_19_IdentityTrail(t *testing.T) {
	w := newWorld(t)
	month(w)
	a := w.get(w.of("acme"), "/v1/audit/identities/user:a?from=2026-04-23T11:59:45Z").ok()
	for path, want := range map[string]string{
		"identity_id": "user:a", "summary.total_actions_30d": "5", "summary.secrets_accessed_30d": "3",
		"summary.last_activity": "2026-04-23T11:59:50.000000Z",
	} {
		if got := a.text(path); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	if n := len(a.at("logs").([]any)); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	for _, id := range []string{"user:alice@acme.example", "arn:aws:iam::1:role/x", "a b+c"} {
		w.put(event("read", id, "p", 0))
		for _, spelled := range []string{strings.ReplaceAll(id, " ", "%20"), url.PathEscape(id)} {
			a := w.get(w.of("acme"), "/v1/audit/identities/"+spelled).ok()
			if a.text("identity_id") != id || a.text("summary.total_actions_30d") != "1" {
				t.Errorf("%s answers %s", spelled, a.Body)
			}
		}
	}
	if a := w.get(w.of("acme"), "/v1/audit/identities/nobody").ok(); a.at("summary.last_activity") != nil {
		t.Errorf("nobody answers %s", a.Body)
	}
}

func TestS0_20_SummaryAddsUp(t *testing.T) {
	w := newWorld(t)
	for i := range 200 {
		e := event(actions[i%len(actions)], fmt.Sprint("user:", i*i%13), fmt.Sprint("path/", i*i%17), i)
		e.Outcome = annal.Outcome(i % 4)
		if i%10 == 0 {
			e.Resource.Path = "" // in most events, but no resource
		}
		w.put(e)
	}
	a := w.get(w.of("acme"), "/v1/audit/summary?from=2026-04-23T12:00:00Z&to=2026-04-23T12:01:39Z").ok()
	sum := 0.0
	for _, n := range a.at("actions_breakdown").(map[string]any) {
		sum += n.(float64)
	}
	total := a.at("total_events").(float64)
	if total != 100 || sum != total || a.at("successful_events").(float64)+a.at("failed_events").(float64) != total || a.text("failed_events") != "75" {
		t.Errorf("summary %s", a.Body)
	}
	for list, member := range map[string]string{"top_identities": "identity_id", "top_resources": "path"} {
		counts := a.at(list).([]any)
		if len(counts) == 0 || len(counts) > 10 || slices.Contains(a.column(list, member), "") {
			t.Errorf("%s is %v", list, counts)
		}
		if !slices.IsSortedFunc(counts, func(x, y any) int {
			return int(y.(map[string]any)["count"].(float64) - x.(map[string]any)["count"].(float64))
		}) {
			t.Errorf("%s is not in order: %v", list, counts)
		}
	}
	if all := w.get(w.of("acme"), "/v1/audit/summary").ok(); all.text("total_events") != "200" {
		t.Errorf("without bounds: %s", all.Body)
	}
}

func TestS0_30_S1_3_EverythingRecorded(t *testing.T) {
	w := newWorld(t)
	full := strings.Replace(entry, `"success":true`, `"success":false,"session_id":"ses_1","method":"GET","status":403,"error_code":"denied_by_policy",
		"extra_data":{"rotation_reason":"leak","policy_violation_condition":"ip"}`, 1)
	w.ask(w.of("acme"), "POST", "/v1/audit/logs", full).ok()
	a := w.get(w.of("acme"), "/v1/audit/logs?success=false").ok()
	for member, want := range map[string]string{
		"session_id": "ses_1", "method": "GET", "status": "403", "error_code": "denied_by_policy", "success": "false", "tenant_id": "acme",
		"extra_data": "map[policy_violation_condition:ip rotation_reason:leak]",
	} {
		if got := a.text("logs.0." + member); got != want {
			t.Errorf("%s = %s, want %s", member, got, want)
		}
	}
}

func TestS0_31_SecretsStayOut(t *testing.T) {
	w := newWorld(t)
	w.ask(w.of("acme"), "POST", "/v1/audit/logs", strings.Replace(entry, `"success"`, `"extra_data":{"password":"hunter2-hunter2"},"success"`, 1)).ok()
	a := w.get(w.of("acme"), "/v1/audit/logs").ok()
	if strings.Contains(a.Body.String(), "hunter2") || a.text("logs.0.secret_path") != "environments/production/salesforce/api-credentials" {
		t.Errorf("the log shows %s", a.Body)
	}
}

func TestS0_32_to_34_ReadsAndProbesAreNotRecorded(t *testing.T) {
	w := newWorld(t)
	month(w)
	before := w.log.End()
	for _, target := range []string{"/v1/audit/logs", "/v1/audit/summary", "/v1/audit/secrets/db", "/v1/audit/identities/user:a", "/v1/health", "/v1/health/ready", "/v1/events"} {
		w.get(w.of("acme"), target).ok()
	}
	if w.log.End() != before {
		t.Errorf("the log grew from %d to %d", before, w.log.End())
	}
}

func TestS0_35_CommonQuestions(t *testing.T) {
	w := newWorld(t)
	month(w)
	ago := func(d time.Duration) string { return annal.FormatTime(noon.Add(-d), 0) }
	for _, tt := range []struct {
		question, target string
		want             int
	}{
		{"who accessed this secret in the last week", "/v1/audit/secrets/db?action=read&from=" + ago(7*24*time.Hour), 2},
		{"did this policy change break anyone", "/v1/audit/logs?action=read&success=false&from=" + ago(time.Hour) + "&to=" + ago(0), 1},
		{"what did this ex-employee touch", "/v1/audit/identities/user:old?from=" + ago(365*24*time.Hour), 1},
		{"what happened in these ten minutes", "/v1/audit/logs?from=" + ago(10*time.Minute) + "&to=" + ago(0), 6},
	} {
		if got := len(w.get(w.of("acme"), tt.target).ok().at("logs").([]any)); got != tt.want {
			t.Errorf("%s: %d entries, want %d", tt.question, got, tt.want)
		}
	}
}

// administers reports whether a route is not about events.
func administers(pattern string) bool {
	for _, part := range []string{"/tokens", "/v1/access", "/v1/config/", "/v1/tenants", "/v1/users", "/v1/groups", "/v1/roles", "/v1/clients"} {
		if strings.Contains(pattern, part) {
			return true
		}
	}
	return false
}

func TestS1_4_ScopeOfEveryRoute(t *testing.T) {
	for _, d := range dialects() {
		for _, route := range d.Routes {
			want := "audit:read"
			switch {
			case strings.Contains(route.Pattern, "/docs"), strings.Contains(route.Pattern, "/openapi.yaml"):
				want = ""
			case strings.Contains(route.Pattern, "/health"), route.Pattern == "GET /v1/heartbeat", route.Pattern == "POST /v1/token", strings.Contains(route.Pattern, "/auth/"):
				want = ""
			case administers(route.Pattern):
				want = "audit:admin"
			case strings.HasPrefix(route.Pattern, "POST"):
				want = "audit:write"
			case strings.HasSuffix(route.Pattern, "/export"):
				want = "audit:export"
			}
			if route.Scope != want {
				t.Errorf("%s needs %q, want %q", route.Pattern, route.Scope, want)
			}
		}
	}
}

func TestS1_11_TenantOfARequest(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{"acme", "beta", "gamma"} {
		e := event("read", "user:of-"+tenant, "p", 0)
		e.Tenant = tenant
		w.put(e)
	}
	partnerOf(w, "p", "acme", "beta")
	for _, tt := range []struct {
		name, target, header string
		by                   token
		want                 []string // nil: tenant_access_denied
	}{
		{"tenant", "/v1/audit/logs", "", w.of("acme"), []string{"acme"}},
		{"tenant names itself", "/v1/t/acme/audit/logs", "acme", w.of("acme"), []string{"acme"}},
		{"tenant names another", "/v1/audit/logs", "beta", w.of("acme"), nil},
		{"tenant names another in the path", "/v1/t/beta/audit/logs", "", w.of("acme"), nil},
		{"partner", "/v1/audit/logs", "", w.partner("p"), []string{"beta", "acme"}},
		{"partner names one", "/v1/audit/logs", "beta", w.partner("p"), []string{"beta"}},
		{"the path wins over the header", "/v1/t/acme/audit/logs", "beta", w.partner("p"), []string{"acme"}},
		{"partner names a stranger", "/v1/audit/logs", "gamma", w.partner("p"), nil},
		{"partner without tenants", "/v1/audit/logs", "", w.partner("q"), []string{}},
		{"super admin", "/v1/audit/logs", "", w.super(), []string{"gamma", "beta", "acme"}},
		{"super admin names one", "/v1/t/gamma/audit/logs", "", w.super(), []string{"gamma"}},
		{"native too", "/v1/t/gamma/events", "", w.partner("p"), nil},
	} {
		a := w.get(tt.by, tt.target, "X-Tenant-ID", tt.header)
		if tt.want == nil {
			a.refused(403, "tenant_access_denied")
			continue
		}
		if got := a.ok().column("logs", "tenant_id"); !slices.Equal(got, tt.want) {
			t.Errorf("%s sees %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestS1_11_TokenErrors(t *testing.T) {
	w := newWorld(t)
	brief := w.token(specExpiring(w.now().Add(time.Hour)))
	gone := w.super()
	revokeRoot(w)
	w.advance(time.Hour)
	w.get(brief, "/v1/audit/logs").refused(401, "token_expired")
	w.get(gone, "/v1/audit/logs").refused(401, "token_revoked")
	w.get(token{"annal_000000000000000000000000000000000000000000000000"}, "/v1/audit/logs").refused(401, "token_invalid")
	w.get(token{"eyJhbGciOiJIUzI1NiJ9.e30.x"}, "/v1/audit/logs").refused(401, "token_invalid")
	a := w.get(w.super("audit:write"), "/v1/audit/logs").refused(403, "insufficient_scope")
	if !strings.Contains(a.Body.String(), "audit:read") {
		t.Errorf("the error does not name the scope: %s", a.Body)
	}
}

func TestScaiVaultHealthNeedsNoToken(t *testing.T) {
	w := newWorld(t)
	w.cfg.Version = "1.2.3"
	w.restart()
	if a := w.get(token{}, "/v1/health").ok(); a.text("status") != "ok" || a.text("version") != "1.2.3" {
		t.Errorf("health is %s", a.Body)
	}
	w.get(token{}, "/v1/health/ready").ok()
	w.cfg.Ready = func(context.Context) error { return annal.ErrUnavailable }
	w.restart()
	if a := w.get(token{}, "/v1/health/ready").refused(503, "service_unavailable"); a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.get(token{}, "/v1/health").ok()
}
