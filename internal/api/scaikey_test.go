package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"annal"
)

const scaikey = "/api/v1/admin/audit/"

// keyEvent is an event with everything that ScaiKey shows.
func keyEvent() annal.Event {
	return annal.Event{
		Time: noon.Add(123456789 * time.Nanosecond), Tenant: "acme", Action: "user.login", Session: "ses_1", ErrorCode: "bad_password",
		Actor:    annal.Actor{Type: "user", ID: "u-1", Email: "ada@acme.example"},
		Resource: annal.Resource{Type: "session", ID: "s-9", Name: "Ada's"}, Outcome: annal.Denied,
		Source: annal.Source{IP: "10.0.0.1", UserAgent: "curl/8"}, Extra: `{"mfa":true}`,
		Request: annal.Request{ID: "req_1", Method: "POST", Status: 401, Duration: 12500 * time.Microsecond},
	}
}

func TestS4_1_S4_10_S4_11_S4_13_Entries(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "msp", "acme")
	id := w.put(keyEvent())[0].ID.UUID()
	plain := event("ping", "", "", 1)
	plain.Tenant, plain.Actor, plain.Resource = "lone", annal.Actor{}, annal.Resource{}
	lone := w.put(plain)[0].ID.UUID()
	shown := `{"id":"` + id + `","timestamp":"2026-04-23T12:00:00.123456Z","tenant_id":"acme","partner_id":"msp","actor_id":"u-1",` +
		`"actor_email":"ada@acme.example","actor_type":"user","action":"user.login","resource_type":"session","resource_id":"s-9",` +
		`"resource_name":"Ada's","result":"failure","ip_address":"10.0.0.1","user_agent":"curl/8","details":{"mfa":true}`
	w.same(w.of("acme"), "GET", scaikey, "", 200, `{"items":[`+shown+`}],"total":1,"page":1,"per_page":50,"pages":1}`)
	w.same(w.of("acme"), "GET", scaikey+id, "", 200, shown+`,"request_id":"req_1","session_id":"ses_1",`+
		`"http":{"method":"POST","status":401,"duration_ms":12.5},"error_code":"bad_password","seq":0}`)
	w.same(w.of("lone"), "GET", scaikey+"log_"+strings.ReplaceAll(lone, "-", ""), "", 200, `{"id":"`+lone+`","timestamp":"2026-04-23T12:00:01.000000Z",`+
		`"tenant_id":"lone","partner_id":null,"actor_id":null,"actor_email":null,"actor_type":null,"action":"ping","resource_type":null,"resource_id":null,`+
		`"resource_name":null,"result":"success","ip_address":null,"user_agent":null,"details":{},"request_id":null,"session_id":null,`+
		`"http":{"method":null,"status":null,"duration_ms":null},"error_code":null,"seq":0}`)
	for _, unknown := range []string{lone, "nonsense", "00000000-0000-7000-8000-000000000000", "%ff", "a%2Fb"} {
		want := `{"detail":"Audit log not found"}`
		if unknown == "%ff" {
			w.get(w.of("acme"), scaikey+unknown).refused(400, "invalid_path")
			continue
		}
		w.same(w.of("acme"), "GET", scaikey+unknown, "", 404, want)
	}
}

func TestS4_2_Pages(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	w.same(acme, "GET", scaikey+"?page=3", "", 200, `{"items":[],"total":0,"page":3,"per_page":50,"pages":0}`)
	for i := range 205 {
		w.put(event("read", fmt.Sprint("u", i), "p", i))
	}
	for query, want := range map[string]string{
		"": "50 205 1 50 5", "page=5": "5 205 5 50 5", "page=6": "0 205 6 50 5", "per_page=200&page=2": "5 205 2 200 2", "per_page=1": "1 205 1 1 205",
		"page=1.0&per_page=%205%20": "5 205 1 5 41", "page=0_2&per_page=1_00": "100 205 2 100 3", "page=1&page=2": "50 205 2 50 5",
		"page=%2B2": "50 205 2 50 5", "page=99999999999999999999": "0 205 99999999999999999999 50 5", "page=9223372036854775807": "0 205 9223372036854775807 50 5",
	} {
		a := w.get(acme, scaikey+"?"+query).ok()
		got := fmt.Sprint(len(a.column("items", "id")), " ", a.text("total"))
		tail := a.Body.String()[strings.LastIndex(a.Body.String(), `,"total":`):]
		got += " " + strings.NewReplacer(`"page":`, "", `"per_page":`, "", `"pages":`, "", "}", "", ",", " ").Replace(tail[strings.Index(tail, `"page":`):])
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestS4_3_S4_13_TenantsAndPartnersOnlyNarrow(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "msp", "acme", "beta")
	partnerOf(w, "rival", "gamma")
	for _, tenant := range []string{"acme", "beta", "gamma", "lone"} {
		e := keyEvent()
		e.Tenant = tenant
		w.put(e)
	}
	beyond := func(name string) string {
		return `{"detail":"this token has no rights over the ` + name + ` that the request names"}`
	}
	for _, tt := range []struct {
		by    token
		query string
		total string // or the parameter that is refused
	}{
		{w.super(), "", "4"}, {w.super(), "tenant_id=acme", "1"}, {w.super(), "partner_id=msp", "2"}, {w.super(), "partner_id=nobody", "0"},
		{w.super(), "tenant_id=nobody", "0"}, {w.super(), "tenant_id=gamma&partner_id=msp", "0"}, {w.super(), "tenant_id=beta&partner_id=msp", "1"},
		{w.super(), "tenant_id=&partner_id=", "4"}, {w.super(), "tenant_id=" + strings.Repeat("a", 129), "422"},
		{w.partner("msp"), "", "2"}, {w.partner("msp"), "tenant_id=beta", "1"}, {w.partner("msp"), "partner_id=msp", "2"},
		{w.partner("msp"), "tenant_id=gamma", "tenant_id"}, {w.partner("msp"), "partner_id=rival", "partner_id"}, {w.partner("msp"), "partner_id=nobody", "partner_id"},
		{w.partner("msp"), "tenant_id=nobody", "tenant_id"},
		{w.of("acme"), "", "1"}, {w.of("acme"), "tenant_id=acme", "1"}, {w.of("acme"), "tenant_id=beta", "tenant_id"}, {w.of("acme"), "partner_id=msp", "partner_id"},
		{w.of("acme"), "tenant_id=beta&tenant_id=acme", "1"},
	} {
		for _, path := range []string{scaikey, scaikey + "stats"} {
			if path != scaikey && strings.Contains(tt.query, "partner_id") {
				continue
			}
			switch target := path + "?" + tt.query; tt.total {
			case "tenant_id", "partner_id":
				w.same(tt.by, "GET", target, "", 403, beyond(tt.total))
			case "422":
				w.get(tt.by, target).refused(422, "")
			default:
				if got := w.get(tt.by, target).ok().text("total"); got != tt.total {
					t.Errorf("%s counts %s, want %s", target, got, tt.total)
				}
			}
		}
	}
	if got := w.get(w.super(), scaikey+"?partner_id=msp", "X-Tenant-ID", "acme").ok().text("total"); got != "1" {
		t.Errorf("header and partner count %s, want 1", got)
	}
}

func TestS4_4_S4_5_S4_6_Filters(t *testing.T) {
	w := newWorld(t)
	other := event("secret.read", "u-2", "env/prod/db", 60)
	other.Source.IP = "::1"
	failed := event("secret.read", "u-3", "env/prod", 120)
	failed.Outcome = annal.Error
	w.put(keyEvent(), other, failed)
	for query, want := range map[string]string{
		"": "3", "actor_id=u-1": "1", "actor_id=u-": "0", "actor_email=ada@acme.example": "1", "action=secret.read": "2", "action=nothing": "0",
		"resource_type=secret": "2", "resource_id=s-9": "1", "resource_id=env/prod": "1", "result=success": "1", "result=failure": "2", "result=denied": "0",
		"ip_address=::1": "1", "start_time=2026-04-23T12:01:00Z": "2", "end_time=2026-04-23T12:01:00Z": "2", "end_time=2026-04-23T12:00:59.999999Z": "1",
		"start_time=1776945660": "2", "start_time=2026-04-24": "0", "end_time=2026-04-23": "0", "end_time=9999-12-31T23:59:59Z": "3",
		"actor_id=&action=&result=&resource_id=&unknown=7": "3", "action=secret.read&result=failure&resource_id=env/prod": "1",
	} {
		if got := w.get(w.of("acme"), scaikey+"?"+query).ok().text("total"); got != want {
			t.Errorf("%s finds %s, want %s", query, got, want)
		}
	}
}

func TestS4_7_TokensAndRoles(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"", "actions", "resource-types", "stats", "x"} {
		w.same(token{}, "GET", scaikey+path, "", 401, `{"detail":"Not authenticated"}`)
		w.same(token{}, "GET", scaikey+path+"?page=x", "", 401, `{"detail":"Not authenticated"}`)
		w.same(w.super("audit:read"), "GET", scaikey+path, "", 403, `{"detail":"this is for admins and auditors"}`)
		w.same(w.super("audit:write"), "GET", scaikey+path, "", 403, `{"detail":"this needs a token with the scope audit:read"}`)
	}
}

func TestS4_8_ActionsAndResourceTypes(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	w.same(acme, "GET", scaikey+"actions", "", 200, `{"actions":[]}`)
	bare := event("b", "u", "", 0)
	bare.Resource.Type = ""
	foreign := event("z", "u", "", 0)
	foreign.Tenant, foreign.Resource.Type = "other", "zz"
	w.put(keyEvent(), event("a", "u", "p", 0), bare, foreign)
	w.same(acme, "GET", scaikey+"actions", "", 200, `{"actions":["a","b","user.login"]}`)
	w.same(acme, "GET", scaikey+"resource-types", "", 200, `{"resource_types":["secret","session"]}`)
}

func TestS4_9_Stats(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	w.same(acme, "GET", scaikey+"stats", "", 200, `{"total":0,"by_action":{},"by_resource_type":{},"by_result":{"success":0,"failure":0},"by_day":[],"unique_actors":0}`)
	bare := event("read", "u-1", "", 2*86400)
	bare.Resource.Type = ""
	w.put(keyEvent(), event("read", "u-2", "p", 0), bare)
	w.same(acme, "GET", scaikey+"stats", "", 200, `{"total":3,"by_action":{"read":2,"user.login":1},"by_resource_type":{"secret":1,"session":1},`+
		`"by_result":{"success":2,"failure":1},"by_day":[{"date":"2026-04-23","count":2},{"date":"2026-04-25","count":1}],"unique_actors":2}`)
	w.same(acme, "GET", scaikey+"stats?end_time=2026-04-24", "", 200, `{"total":2,"by_action":{"read":1,"user.login":1},"by_resource_type":{"secret":1,"session":1},`+
		`"by_result":{"success":1,"failure":1},"by_day":[{"date":"2026-04-23","count":2}],"unique_actors":2}`)
	for _, year := range []int{1, 1970, 9000} { // mistakes of clocks
		e := event("read", "u-9", "p", 0)
		e.Time = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		w.put(e)
	}
	w.advance(3 * day)
	for query, want := range map[string]string{"": "6", "?start_time=2026-01-01": "4", "?end_time=2026-04-24": "4", "?end_time=1971-01-01": "2"} {
		a := w.get(acme, scaikey+"stats"+query).ok()
		if a.text("total") != want {
			t.Errorf("%s: %s, want %s", query, a.Body, want)
		}
		if days := a.column("by_day", "count"); query == "" && fmt.Sprint(days) != "[2 1]" {
			t.Errorf("days are %v", days)
		}
	}
}

// Each answer of ScaiKey's to bad input, to the letter.
func TestMalformedScaikeyRequests(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	one := func(kind, name, msg, input, ctx string) string {
		if ctx != "" {
			ctx = `,"ctx":` + ctx
		}
		return fmt.Sprintf(`{"type":"%s","loc":["query","%s"],"msg":"%s","input":"%s"%s}`, kind, name, msg, input, ctx)
	}
	list := func(details ...string) string { return `{"detail":[` + strings.Join(details, ",") + `]}` }
	notInt := func(name, input string) string {
		return one("int_parsing", name, "Input should be a valid integer, unable to parse string as an integer", input, "")
	}
	least := func(name, input string) string {
		return one("greater_than_equal", name, "Input should be greater than or equal to 1", input, `{"ge":1}`)
	}
	most := func(input string) string {
		return one("less_than_equal", "per_page", "Input should be less than or equal to 200", input, `{"le":200}`)
	}
	notTime := func(name, input, why string) string {
		return one("datetime_from_date_parsing", name, "Input should be a valid datetime or date, "+why, input, `{"error":"`+why+`"}`)
	}
	const extra, short = "unexpected extra characters at the end of the input", "input is too short"
	long := func(name string, n int) string {
		return one("string_too_long", name, fmt.Sprintf("String should have at most %d characters", n), strings.Repeat("a", n+1), fmt.Sprintf(`{"max_length":%d}`, n))
	}
	huge := strings.Repeat("9", 4301)
	reversed := `{"detail":[{"type":"value_error","loc":["query","start_time"],"msg":"Value error, is later than end_time","input":null,"ctx":{"error":{}}}]}`
	garbled := `{"detail":[{"type":"value_error","loc":["query"],"msg":"Value error, the query string has a bad %-escape or a semicolon","input":null,"ctx":{"error":{}}}]}`
	for _, tt := range []struct {
		query string
		body  string
	}{
		{"page=x", list(notInt("page", "x"))},
		{"page=", list(notInt("page", ""))},
		{"page=1.5", list(notInt("page", "1.5"))},
		{"page=1e2", list(notInt("page", "1e2"))},
		{"page=0x10", list(notInt("page", "0x10"))},
		{"page=1__0", list(notInt("page", "1__0"))},
		{"page=null", list(notInt("page", "null"))},
		{"page=1,2", list(notInt("page", "1,2"))},
		{"page=%2B-1", list(notInt("page", "+-1"))},
		{"page=0", list(least("page", "0"))},
		{"page=-1", list(least("page", "-1"))},
		{"page=-99999999999999999999", list(least("page", "-99999999999999999999"))},
		{"page=" + huge, list(one("int_parsing_size", "page", "Unable to parse input string as an integer, exceeded maximum size", huge, ""))},
		{"page=1&page=x", list(notInt("page", "x"))},
		{"per_page=x", list(notInt("per_page", "x"))},
		{"per_page=0", list(least("per_page", "0"))},
		{"per_page=-5", list(least("per_page", "-5"))},
		{"per_page=201", list(most("201"))},
		{"per_page=1_000", list(most("1_000"))},
		{"per_page=1000.0", list(most("1000.0"))},
		{"per_page=99999999999999999999", list(most("99999999999999999999"))},
		{"page=x&per_page=y", list(notInt("page", "x"), notInt("per_page", "y"))},
		{"end_time=z&start_time=y&per_page=0&page=x", list(notInt("page", "x"), least("per_page", "0"), notTime("start_time", "y", short), notTime("end_time", "z", short))},
		{"start_time=", list(notTime("start_time", "", short))},
		{"start_time=yesterday", list(notTime("start_time", "yesterday", short))},
		{"start_time=not-a-date", list(notTime("start_time", "not-a-date", "invalid character in year"))},
		{"start_time=2026-13-01", list(notTime("start_time", "2026-13-01", "month value is outside expected range of 1-12"))},
		{"start_time=2026-02-30", list(notTime("start_time", "2026-02-30", "day value is outside expected range"))},
		{"start_time=2026/04/23", list(notTime("start_time", "2026/04/23", "invalid date separator, expected `-`"))},
		{"start_time=2026-04-23T25:00:00Z", list(notTime("start_time", "2026-04-23T25:00:00Z", extra))},
		{"start_time=2026-04-23T12:60:00Z", list(notTime("start_time", "2026-04-23T12:60:00Z", extra))},
		{"start_time=2026-04-23T12:00:00+02:00", list(notTime("start_time", "2026-04-23T12:00:00 02:00", extra))},
		{"start_time=2026-04-23T12:00:00Zz", list(notTime("start_time", "2026-04-23T12:00:00Zz", extra))},
		{"start_time=253402300800000", list(notTime("start_time", "253402300800000", "dates after 9999 are not supported as unix timestamps"))},
		{"start_time=-20000000000", list(notTime("start_time", "-20000000000", "dates before 1600 are not supported as unix timestamps"))},
		{"end_time=tomorrow", list(notTime("end_time", "tomorrow", short))},
		{"end_time=1e9", list(notTime("end_time", "1e9", short))},
		{"start_time=2026-04-24&end_time=2026-04-23", reversed},
		{"action=" + strings.Repeat("a", 257), list(long("action", 256))},
		{"actor_id=" + strings.Repeat("a", 1025), list(long("actor_id", 1024))},
		{"actor_email=" + strings.Repeat("a", 321), list(long("actor_email", 320))},
		{"resource_type=" + strings.Repeat("a", 129), list(long("resource_type", 128))},
		{"ip_address=" + strings.Repeat("a", 257), list(long("ip_address", 256))},
		{"tenant_id=" + strings.Repeat("a", 129), list(long("tenant_id", 128))},
		{"%zz", garbled},
		{"a;b", garbled},
		{"action=%ff", `{"detail":[{"type":"value_error","loc":["query","action"],"msg":"Value error, is not UTF-8","input":null,"ctx":{"error":{}}}]}`},
	} {
		w.same(acme, "GET", scaikey+"?"+tt.query, "", 422, tt.body)
	}
	w.same(acme, "GET", scaikey+"stats?start_time=x", "", 422, list(notTime("start_time", "x", short)))
	for target, detail := range map[string]string{
		"/api/v1/admin/audit": "Not Found", "/api/v1/admin/audit/a/b": "Not Found", "/api/v1/admin/audit//": "Not Found", "/api/v1/admin/audit/stats/": "Not Found",
	} {
		w.same(acme, "GET", target, "", 404, `{"detail":"`+detail+`"}`)
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS"} {
		w.same(acme, method, scaikey+"stats", "", 405, `{"detail":"Method Not Allowed"}`)
	}
	w.same(token{"annal_" + strings.Repeat("0", 48)}, "GET", scaikey, "", 401, `{"detail":"the token is not known here"}`)
	w.same(token{"x.y.z"}, "GET", scaikey, "", 401, `{"detail":"the token is not known here"}`)
	w.same(acme, "GET", scaikey, "", 401, `{"detail":"Not authenticated"}`, "Authorization", "Basic YTpi")
}

// Each answer of CertifyClouds's to bad input, to the letter.
func TestMalformedCertifyRequests(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	bad := func(field, problem string) string {
		return `{"error":"Bad Request","detail":"` + field + `: ` + problem + `","code":"validation_error"}`
	}
	const badTime, badNumber, twice = "must be an ISO 8601 date or date-time, such as 2026-04-23T18:00:00Z", "must be a whole number", "is given more than once"
	const badSeverity, badFormat = "must be one of info, warning, error", "must be json, csv or pdf"
	garbled := `{"error":"Bad Request","detail":"the query string has a bad %-escape or a semicolon","code":"validation_error"}`
	notFound := `{"error":"Not Found","detail":"there is nothing at this path","code":"not_found"}`
	for _, tt := range []struct {
		target string
		status int
		body   string
	}{
		{"/audit/entries?limit=ten", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=1.0", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=1e2", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=0x10", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=%205", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=--5", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=-", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=1_000", 400, bad("limit", badNumber)},
		{"/audit/entries?limit=5&limit=6", 400, bad("limit", twice)},
		{"/audit/entries?offset=x", 400, bad("offset", badNumber)},
		{"/audit/entries?offset=1.5", 400, bad("offset", badNumber)},
		{"/audit/entries?offset=NaN", 400, bad("offset", badNumber)},
		{"/audit/entries?offset=1&offset=2", 400, bad("offset", twice)},
		{"/audit/entries?start_date=yesterday", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=2026-02-30", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=2026-13-01", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=23.04.2026", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=1776945600", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=0000-01-01", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=10000-01-01", 400, bad("start_date", badTime)},
		{"/audit/entries?start_date=2026-04-23&start_date=2026-04-24", 400, bad("start_date", twice)},
		{"/audit/entries?end_date=tomorrow", 400, bad("end_date", badTime)},
		{"/audit/entries?end_date=2026-04-23T25:00:00Z", 400, bad("end_date", badTime)},
		{"/audit/entries?end_date=2026-04-23T18:00:00Zz", 400, bad("end_date", badTime)},
		{"/audit/entries?start_date=2026-04-24&end_date=2026-04-23", 400, bad("start_date", "is later than end_date")},
		{"/audit/entries?severity=fatal", 400, bad("severity", badSeverity)},
		{"/audit/entries?severity=INFO", 400, bad("severity", badSeverity)},
		{"/audit/entries?severity=info,fatal", 400, bad("severity", badSeverity)},
		{"/audit/entries?actor=a&actor=b", 400, bad("actor", twice)},
		{"/audit/entries?actor=" + strings.Repeat("a", 1025), 400, bad("actor", "must be at most 1024 bytes")},
		{"/audit/entries?event_type=" + strings.Repeat("a", 257), 400, bad("event_type", "must be at most 256 bytes, as action is")},
		{"/audit/entries?event_type=" + strings.Join(numbers(257), ","), 400, bad("event_type", "has more than 256 values")},
		{"/audit/entries?search=" + strings.Repeat("a", 1025), 400, bad("search", "must be at most 1024 bytes")},
		{"/audit/entries?search=a&search=b", 400, bad("search", twice)},
		{"/audit/entries?search=%ff", 400, bad("search", "is not UTF-8")},
		{"/audit/entries?%zz", 400, garbled},
		{"/audit/entries?a;b", 400, garbled},
		{"/audit/entries?limit=x&offset=y&severity=z", 400, `{"error":"Bad Request","detail":"limit: must be a whole number; offset: must be a whole number; severity: must be one of info, warning, error","code":"validation_error"}`},
		{"/audit/export?format=xlsx", 400, bad("format", badFormat)},
		{"/audit/export?format=JSON", 400, bad("format", badFormat)},
		{"/audit/export?format=json&format=csv", 400, bad("format", twice)},
		{"/audit/export?start_date=x", 400, bad("start_date", badTime)},
		{"/audit/export?start_date=2026-04-24&end_date=2026-04-23", 400, bad("start_date", "is later than end_date")},
		{"/audit/entries/audit-123", 404, `{"error":"Not Found","detail":"there is no such entry","code":"entry_not_found"}`},
		{"/audit/entries/%fe", 400, `{"error":"Bad Request","detail":"the path is empty, too long or not UTF-8","code":"invalid_path"}`},
		{"/audit/entries/", 404, notFound}, {"/audit/", 404, notFound}, {"/audit//entries", 404, notFound}, {"/audit/entries/a/b", 404, notFound},
		{"/api/audit/nothing", 404, notFound}, {"/auth/nothing", 404, notFound},
	} {
		w.same(acme, "GET", tt.target, "", tt.status, tt.body)
	}
	for target, allow := range map[string]string{"/audit/export": "GET, HEAD", "/auth/login": "POST"} {
		a := w.ask(acme, "DELETE", target, "").refused(405, "method_not_allowed")
		if a.Header().Get("Allow") != allow {
			t.Errorf("%s allows %s, want %s", target, a.Header().Get("Allow"), allow)
		}
	}
	w.same(token{}, "GET", "/audit/entries", "", 401, `{"error":"Unauthorized","detail":"a token is required: send Authorization: Bearer TOKEN","code":"authentication_required"}`)
	w.same(token{"annal_" + strings.Repeat("0", 48)}, "GET", "/audit/entries", "", 401, `{"error":"Unauthorized","detail":"the token is not known here","code":"token_invalid"}`)
	w.get(token{}, "/audit/entries", "Cookie", CertifyCookie+"="+url.QueryEscape("a b")).refused(401, "token_invalid")
	for body, code := range map[string]string{
		"": "invalid_request", "[]": "invalid_request", `{"username":"a"`: "invalid_request", `{"username":"a","password":7}`: "validation_error",
		`{"username":"a","password":"b","x":1}`: "validation_error", `{"username":"a","username":"b","password":"c"}`: "invalid_request",
	} {
		if a := w.ask(token{}, "POST", "/auth/login", body); a.Code != 400 && a.Code != 422 {
			t.Errorf("%s: %d %s, want %s", body, a.Code, a.Body, code)
		}
	}
	w.same(token{}, "POST", "/auth/login", `{"username":"a","password":""}`, 400, `{"error":"Bad Request","detail":"username and password are required","code":"validation_error"}`)
	w.ask(token{}, "POST", "/auth/login", "username=a", "Content-Type", "application/x-www-form-urlencoded").refused(415, "unsupported_media_type")
}
