package api

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/auth"
	"annal/internal/identity"
)

// scan is CertifyClouds's own example.
func scan() annal.Event {
	return annal.Event{
		Time: time.Date(2025, 1, 15, 10, 30, 0, 0, time.UTC), Tenant: "acme", Action: "discovery.scan.completed",
		Actor: annal.Actor{Type: "user", ID: "user-456", Name: "admin@company.com"}, Resource: annal.Resource{Type: "scan", ID: "scan-789"},
		Message: "Discovery scan completed successfully", Extra: `{"duration_seconds":45,"mode":"full","secrets_found":234,"vaults_scanned":12}`,
		Source: annal.Source{IP: "192.0.2.50", UserAgent: "Mozilla/5.0..."},
	}
}

func TestS3_1_S3_3_S3_5_Entries(t *testing.T) {
	w := newWorld(t)
	r := w.put(scan())[0]
	acme, id := w.of("acme"), "audit-"+r.ID.UUID()
	want := `{"id":"` + id + `","timestamp":"2025-01-15T10:30:00Z","event_type":"discovery.scan.completed",` +
		`"actor":{"type":"user","id":"user-456","name":"admin@company.com"},"resource":{"type":"scan","id":"scan-789"},` +
		`"description":"Discovery scan completed successfully",` +
		`"details":{"duration_seconds":45,"mode":"full","secrets_found":234,"vaults_scanned":12},` +
		`"severity":"info","ip_address":"192.0.2.50","user_agent":"Mozilla/5.0..."}`
	for _, at := range []string{"", "/api"} {
		w.same(acme, "GET", at+"/audit/entries", "", 200, `{"entries":[`+want+`],"total":1,"limit":100,"offset":0}`)
		for _, form := range []string{id, r.ID.UUID(), r.ID.String(), strings.TrimPrefix(r.ID.String(), "log_")} {
			w.same(acme, "GET", at+"/audit/entries/"+form, "", 200, want)
		}
		w.same(acme, "GET", at+"/audit/entries/audit-123", "", 404, `{"error":"Not Found","detail":"there is no such entry","code":"entry_not_found"}`)
		w.same(acme, "GET", at+"/audit/export", "", 200, `{"entries":[`+want+`],"total":1}`)
	}
}

func TestS3_2_Filters(t *testing.T) {
	w := newWorld(t)
	nightly := event("rotation.failed", "system", "vault/db", 86400)
	nightly.Actor, nightly.Severity, nightly.Message = annal.Actor{Type: "system", ID: "system"}, annal.Severe, "Key vault locked"
	login := event("auth.login.failed", "user-1", "", 0)
	login.Actor, login.Severity, login.Resource = annal.Actor{Type: "user", ID: "user-1", Name: "Eve", Email: "eve@company.com"}, annal.Warning, annal.Resource{}
	done := event("rotation.completed", "user-1", "vault/db", 1)
	done.Actor.Name, done.Resource.Name = "Eve", "payroll"
	w.put(scan(), nightly, login, done)
	for query, want := range map[string]string{
		"":                             "rotation.failed rotation.completed auth.login.failed discovery.scan.completed",
		"event_type=auth.login.failed": "auth.login.failed",
		"event_type=auth.login.failed,rotation.failed": "rotation.failed auth.login.failed",
		"event_type=rotation.*":                        "rotation.failed rotation.completed",
		"event_type=rotation.*,auth.login.failed":      "rotation.failed rotation.completed auth.login.failed",
		"event_type=nothing.*":                         "",
		"event_type=rotation":                          "",
		"actor=Eve":                                    "rotation.completed auth.login.failed",
		"actor=user-1":                                 "rotation.completed auth.login.failed",
		"actor=eve@company.com":                        "auth.login.failed",
		"actor=system":                                 "rotation.failed",
		"actor=user":                                   "",
		"severity=error":                               "rotation.failed",
		"severity=warning,info":                        "rotation.completed auth.login.failed discovery.scan.completed",
		"search=payroll":                               "rotation.completed",
		"search=LOCKED+vault":                          "rotation.failed",
		"search=eve":                                   "rotation.completed auth.login.failed",
		"start_date=2026-04-23":                        "rotation.failed rotation.completed auth.login.failed",
		"end_date=2026-04-23":                          "rotation.completed auth.login.failed discovery.scan.completed",
		"start_date=2025-01-15&end_date=2025-01-15":    "discovery.scan.completed",
		"end_date=2025-01-15T10:30:00Z":                "discovery.scan.completed",
		"end_date=2025-01-15T10:29:59.999Z":            "",
		"limit=1":                                      "rotation.failed",
		"limit=1&offset=1":                             "rotation.completed",
		"offset=9":                                     "",
		"limit=0":                                      "rotation.failed",
		"limit=-7":                                     "rotation.failed",
		"offset=-7&limit=1":                            "rotation.failed",
		"unknown=1&event_type=&actor=":                 "rotation.failed rotation.completed auth.login.failed discovery.scan.completed",
	} {
		a := w.get(w.of("acme"), "/audit/entries?"+query).ok()
		if got := strings.Join(a.column("entries", "event_type"), " "); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	a := w.get(w.of("acme"), "/audit/entries?limit=5000&offset=99999999999999999999").ok()
	if a.text("limit") != "1000" || a.text("total") != "4" {
		t.Errorf("clamped to %s", a.Body)
	}
}

func TestS3_4_S3_12_Export(t *testing.T) {
	w := newWorld(t)
	odd := event("user.created", "=cmd|' /C calc'!A0", "a,b", 0)
	odd.Message, odd.Extra = "line\none \"two\"", `{"role":"admin"}`
	w.put(scan(), odd)
	a := w.get(w.of("acme"), "/audit/export?format=csv&start_date=2025-01-01&end_date=2026-12-31").ok()
	if got := a.Header().Get("Content-Disposition"); got != `attachment; filename="audit-from-2025-01-01-to-2026-12-31.csv"` {
		t.Errorf("Content-Disposition is %s", got)
	}
	rows, err := csv.NewReader(a.Body).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := strings.Join(rows[0], ","); got != certifyColumns {
		t.Errorf("columns are %s", got)
	}
	if got := rows[1]; got[4] != `'=cmd|' /C calc'!A0` || got[7] != "a,b" || got[8] != odd.Message || got[9] != odd.Extra {
		t.Errorf("row is %q", got)
	}
	if got := rows[2]; got[1] != "2025-01-15T10:30:00Z" || got[5] != "admin@company.com" || got[10] != "info" {
		t.Errorf("row is %q", got)
	}
	for query, want := range map[string]string{"": "2", "format=json&event_type=user.*": "1", "format=json&start_date=2025-01-01&end_date=2025-01-31": "1", "search=nowhere": "0"} {
		if got := w.get(w.of("acme"), "/audit/export?"+query).ok(); got.text("total") != want || fmt.Sprint(len(got.column("entries", "id"))) != want {
			t.Errorf("%s exports %s, want %s entries", query, got.Body, want)
		}
	}
	for range 300 { // more than one piece
		w.put(odd)
	}
	if got := len(w.get(w.of("acme"), "/audit/export").ok().column("entries", "id")); got != 302 {
		t.Errorf("%d entries exported, want 302", got)
	}
	w.get(w.super("audit:read"), "/audit/export").refused(403, "insufficient_scope")
}

func TestS3_7_SystemIsAnActor(t *testing.T) {
	w := newWorld(t)
	task := scan()
	task.Actor = annal.Actor{Type: "system", ID: "scheduler"}
	bare := scan()
	bare.Actor = annal.Actor{ID: "system"}
	w.put(task, bare)
	a := w.get(w.of("acme"), "/audit/entries?actor=system").ok()
	if a.text("entries.0.actor") != "map[id:system name:system type:system]" || a.text("entries.1.actor") != "map[id:scheduler name:system type:system]" {
		t.Errorf("actors are %s", a.Body)
	}
}

func TestS3_8_SeverityIsOneOfThree(t *testing.T) {
	w := newWorld(t)
	for s := range annal.NumSeverities {
		e := scan()
		e.Severity = s
		w.put(e)
	}
	if got := w.get(w.of("acme"), "/audit/entries").ok().column("entries", "severity"); !slices.Equal(got, []string{"error", "warning", "info"}) {
		t.Errorf("severities are %v", got)
	}
}

// S3-11: event type, actor name, description, resource name.
func TestS3_11_Search(t *testing.T) {
	w := newWorld(t)
	e := scan()
	e.Actor.Name, e.Resource.Name, e.Message = "Ada Lovelace", "Payroll vault", "All is well"
	w.put(e)
	for _, words := range []string{"discovery.SCAN", "lovelace", "payroll", "is well", "ada completed vault"} {
		if got := w.get(w.of("acme"), "/audit/entries?search="+url.QueryEscape(words)).ok().text("total"); got != "1" {
			t.Errorf("%q finds %s entries, want 1", words, got)
		}
	}
	if got := w.get(w.of("acme"), "/audit/entries?search=ada+babbage").ok().text("total"); got != "0" {
		t.Errorf("found %s entries, want 0", got)
	}
}

func TestS3_6_LoginAndLogout(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "", "acme", "other")
	if _, err := w.auth.CreateUser("root", "acme", identity.User{Name: "ada"}, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.auth.Rank(&auth.Caller{Scopes: auth.AllScopes(), Standing: identity.Admin}, "acme", "ada", identity.Auditor, identity.OwnTenant); err != nil {
		t.Fatal(err)
	}
	w.put(scan())
	for _, at := range []string{"", "/api"} {
		a := w.ask(token{}, "POST", at+"/auth/login", `{"username":"ada","password":"correct horse battery"}`).ok()
		if a.text("token_type") != "bearer" || a.text("expires_in") != "28800" {
			t.Errorf("answer is %s", a.Body)
		}
		by := token{a.text("access_token")}
		if got := w.get(by, "/audit/entries?event_type=discovery.*").ok().text("total"); got != "1" {
			t.Errorf("%s entries, want 1", got)
		}
		cookie := a.Result().Cookies()[0]
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != 28800 || cookie.Secure {
			t.Errorf("cookie is %v", cookie)
		}
		w.get(token{}, at+"/audit/entries", "Cookie", cookie.Name+"="+cookie.Value).ok()
		w.get(token{}, "/v1/events", "Cookie", cookie.Name+"="+cookie.Value).refused(401, "authentication_required")
		out := w.ask(token{}, "POST", at+"/auth/logout", "", "Cookie", cookie.Name+"="+cookie.Value, "X-Forwarded-Proto", "https").ok()
		w.get(by, "/audit/entries").refused(401, "token_revoked")
		if gone := out.Result().Cookies()[0]; gone.MaxAge >= 0 || gone.Value != "" || !gone.Secure {
			t.Errorf("cookie is %v", gone)
		}
	}
	w.ask(token{}, "POST", "/auth/logout", "").refused(401, "authentication_required")
	w.ask(w.of("acme"), "POST", "/auth/logout", "").ok()
	w.get(w.of("acme"), "/audit/entries").ok() // an opaque token is no login
	wrong := `{"username":"ada","password":"wrong"}`
	w.ask(token{}, "POST", "/auth/login", wrong, "X-Tenant-ID", "nowhere").refused(401, "invalid_credentials")
	for a := w.ask(token{}, "POST", "/auth/login", wrong); a.Code != 429; a = w.ask(token{}, "POST", "/auth/login", wrong) {
		a.refused(401, "invalid_credentials")
		w.advance(time.Second)
	}
	locked := w.ask(token{}, "POST", "/auth/login", `{"username":"ada","password":"correct horse battery"}`).refused(429, "account_locked")
	if locked.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	count := map[string]int{}
	for _, e := range w.log.Events() {
		if strings.HasPrefix(e.Action, "auth.") {
			count[e.Action+" in "+e.Tenant]++
		}
		if strings.Contains(string(e.AppendJSON(nil)), "wrong") || strings.Contains(string(e.AppendJSON(nil)), "horse") {
			t.Errorf("a password is in %s", e.AppendJSON(nil))
		}
	}
	if count["auth.login.success in acme"] != 2 || count["auth.logout in acme"] != 3 || count["auth.account.locked in acme"] != 1 ||
		count["auth.login.failed in acme"] < 3 || count["auth.login.failed in annal"] != 1 {
		t.Errorf("events are %v", count)
	}
}
