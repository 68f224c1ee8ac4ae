package api

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"annal"
	"annal/internal/annaltest"
)

// dsvEvent is the record of the seed's table.
func dsvEvent() annal.Event {
	return annal.Event{
		Time: time.Date(2020, 5, 1, 1, 9, 7, 225694779, time.UTC), Tenant: "acme", Action: "login", Message: "login succeeded",
		Actor: annal.Actor{Type: "user", ID: "users:user"}, Resource: annal.Resource{Path: "token"},
		Request: annal.Request{Method: "POST", Status: 200}, Source: annal.Source{IP: "10.10.10.10"},
		Extra: `{"a":{"principalItemId":"not this"},"principalItemId":"12345678-0000-41b8-8b02-0123456789ab"}`,
	}
}

func TestS2_1_S2_3_S2_4_ARecordHasTheSeedsMembers(t *testing.T) {
	w := newWorld(t)
	w.cfg.TenantName = func(id string) string { return "the name of " + id }
	w.restart()
	id := w.put(dsvEvent())[0].ID.UUID()
	a := w.get(w.of("acme"), "/v1/audit?startDate=2020-04-20").ok()
	want := `{"cursor":"","data":[{"id":"` + id + `","tenant":"acme","tenantName":"the name of acme","principal":"users:user",` +
		`"principalItemId":"12345678-0000-41b8-8b02-0123456789ab","action":"POST","status":200,"path":"token",` +
		`"ipaddress":"10.10.10.10","created":"2020-05-01T01:09:07.225694779Z","message":"login succeeded"}],"length":1,"limit":25,"totalItems":1}`
	if a.Body.String() != want {
		t.Errorf("answer is\n%s, want\n%s", a.Body, want)
	}
}

func TestS2_2_TheTokenMayComeAloneOnDSVRoutesOnly(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	for _, header := range []string{acme.secret, "Bearer " + acme.secret, "bearer " + acme.secret, " " + acme.secret + " "} {
		w.get(token{}, "/v1/audit", "Authorization", header).ok()
	}
	w.get(token{}, "/v1/events", "Authorization", acme.secret).refused(401, "authentication_required")
	w.get(token{}, "/v1/audit/logs", "Authorization", acme.secret).refused(401, "authentication_required")
	for _, header := range []string{"", "Basic " + acme.secret, "Bearer", "annal_x", "Bearer " + acme.secret + " x"} {
		w.get(token{}, "/v1/audit", "Authorization", header).refused(401, "")
	}
}

func TestS2_5_PathsAndPrincipalsAreShownDSVsWay(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ actorType, id, path, principal, shown string }{
		{"user", "alice", "secrets/prod/db", "users:alice", "secrets:prod:db"},
		{"", "alice", "secrets:a/b", "users:alice", "secrets:a/b"},
		{"service_account", "ci", "secrets/a//b", "clients:ci", "secrets:a::b"},
		{"group", "ops", "", "groups:ops", ""},
		{"system", "annal", "secrets:{path}::description", "system:annal", "secrets:{path}::description"},
		{"service_account", "sa:ci", "token", "sa:ci", "token"},
		{"robot", "r2", "/", "users:r2", ":"},
	} {
		e := event("read", tt.id, tt.path, 0)
		e.Actor.Type = tt.actorType
		w.put(e)
		a := w.get(w.of("acme"), "/v1/audit?limit=1").ok()
		if a.text("data.0.principal") != tt.principal || a.text("data.0.path") != tt.shown {
			t.Errorf("%+v is shown as %s", tt, a.Body)
		}
	}
}

func TestS2_6_S2_12_StatusZeroIsLegal(t *testing.T) {
	w := newWorld(t)
	failed := event("login", "users:alice", "token", 1)
	failed.Outcome, failed.Request.Method, failed.Message = annal.Failure, "POST", "user attempting login: alice"
	listed := event("list", "users:alice", "secrets:prod::listpaths", 0)
	listed.Outcome, listed.Request.Method = annal.Failure, "GET"
	denied := event("read", "users:alice", "secrets/x", -1)
	denied.Outcome = annal.Denied
	w.put(failed, listed, denied, event("read", "users:alice", "secrets/y", -2))
	a := w.get(w.of("acme"), "/v1/audit").ok()
	if got, want := a.column("data", "status"), []string{"0", "0", "403", "200"}; !slices.Equal(got, want) {
		t.Errorf("statuses are %v, want %v", got, want)
	}
	if got, want := a.column("data", "action"), []string{"POST", "GET", "read", "read"}; !slices.Equal(got, want) {
		t.Errorf("actions are %v, want %v", got, want)
	}
}

// catalog is the seed's table of audit logs: path, method, statuses, description.
func catalog(t *testing.T) [][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/dsv-catalog.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		rows = append(rows, strings.Split(line, "\t"))
	}
	return rows
}

func TestS2_11_EveryRowOfTheCatalogueIsShownAndFound(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	rows := catalog(t)
	if len(rows) != 91 {
		t.Fatalf("%d rows, want 91", len(rows))
	}
	for i, row := range rows {
		for _, status := range strings.Split(row[2], ",") {
			e := event("act", "users:alice", row[0], i)
			e.Request.Method, e.Message = row[1], row[3]
			if _, err := fmt.Sscan(status, &e.Request.Status); err != nil {
				t.Fatal(err)
			}
			if e.Request.Status == 0 || e.Request.Status >= 400 {
				e.Outcome = annal.Failure
			}
			w.put(e)
			for _, path := range []string{row[0], strings.ReplaceAll(row[0], ":", "/")} {
				a := w.get(acme, "/v1/audit?limit=1000&action="+row[1]+"&path="+url.QueryEscape(path)).ok()
				if strings.Contains(row[0], ":") && path != row[0] && a.at("totalItems") == 0.0 {
					t.Errorf("%s is not found as %s", row[0], path)
				}
			}
			a := w.get(acme, "/v1/audit?sort=desc&limit=1").ok()
			if got := []string{a.text("data.0.path"), a.text("data.0.action"), a.text("data.0.status"), a.text("data.0.message")}; !slices.Equal(got, []string{row[0], row[1], status, row[3]}) {
				t.Errorf("row %d is shown as %v, want %v", i, got, row)
			}
		}
	}
}

func TestS2_15_BoundsAreDSVs(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	midnight := time.Date(2026, 4, 24, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{midnight.Add(-1), midnight, midnight.Add(1)} {
		e := event("read", "users:alice", "p", 0)
		e.Time = at
		w.put(e)
	}
	for query, want := range map[string]int{
		"": 3, "endDate=2026-04-24": 1, "endDate=2026-04-24T00:00:00Z": 2, "startDate=2026-04-24": 2, "startDate=2026-04-23&endDate=2026-04-25": 3,
		"startDate=2026-04-24&endDate=2026-04-24": 0, "startDate=2026-04-24T00:00:00.000000001Z": 1, "endDate=": 3,
		"startDate=2026-04-24T02:00:00%2B02:00&endDate=2026-04-25": 2, "endDate=20260424": 1, "endDate=0001-01-01": 0, "endDate=0001-01-01T00:00:00Z": 0,
	} {
		a := w.get(acme, "/v1/audit?"+query).ok()
		if got := a.text("totalItems"); got != fmt.Sprint(want) || a.text("length") != got {
			t.Errorf("%s: %s, want %d", query, a.Body, want)
		}
	}
}

func TestS2_15_LimitsAreClamped(t *testing.T) {
	w := newWorld(t)
	for given, want := range map[string]string{"": "25", "1": "1", "0": "1", "-5": "1", "1000": "1000", "1001": "1000", "99999999999999999999": "1000", "-99999999999999999999": "1"} {
		if got := w.get(w.of("acme"), "/v1/audit?limit="+given).ok().text("limit"); got != want {
			t.Errorf("limit=%s is %s, want %s", given, got, want)
		}
	}
}

// drawRecord draws an event from small sets of what DSV's filters tell apart.
func drawRecord(t *rapid.T) annal.Event {
	pick := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "value") }
	e := event(pick("read", "POST"), pick("alice", "users:alice", "clients:alice", "bob", "sa:b", "system:alice"), pick("secrets/a/b", "secrets:a:b", "secrets:a/b", "secrets/ab", "token", ""), rapid.IntRange(-9, 9).Draw(t, "second"))
	family, _, ok := strings.Cut(e.Actor.ID, ":")
	e.Actor.Type = map[string]string{"users": "user", "clients": "client", "system": "system", "sa": "service_account"}[family]
	if !ok {
		e.Actor.Type = pick("user", "service_account", "group", "system", "robot", "")
	}
	e.Request.Method = pick("", "GET", "POST")
	return e
}

// The filters select exactly what is shown under their values.
func TestS2_15_FiltersSelectWhatTheyShow(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	annaltest.Check(t, func(rt *rapid.T) {
		for n := rapid.IntRange(0, 4).Draw(rt, "events"); n > 0 && w.log.End() < annal.MaxPage; n-- {
			w.put(drawRecord(rt))
		}
		name := rapid.SampledFrom([]string{"principal", "path"}).Draw(rt, "filter")
		value := rapid.SampledFrom(map[string][]string{
			"principal": {"users:alice", "clients:alice", "groups:alice", "system:alice", "sa:b", "users:bob", "groups:bob", "users:"},
			"path":      {"secrets", "secrets/a", "secrets:a", "secrets:a:b", "secrets/a/b", "token", "secrets:", "t"},
		}[name]).Draw(rt, "value")
		all := w.get(acme, "/v1/audit?limit=1000").ok()
		var want []string
		for _, record := range all.at("data").([]any) {
			r := record.(map[string]any)
			shown := r[name].(string)
			below := annal.Under(shown, value) || annal.Under(shown, strings.ReplaceAll(value, "/", ":")) || annal.Under(shown, strings.ReplaceAll(value, ":", "/"))
			if name == "path" && below || name == "principal" && shown == value {
				want = append(want, r["id"].(string))
			}
		}
		target := "/v1/audit?limit=1000&" + name + "=" + url.QueryEscape(value)
		if got := w.get(acme, target).ok().column("data", "id"); !slices.Equal(got, want) {
			rt.Errorf("%s selects %v, want %v", target, got, want)
		}
	})
}

func TestS2_15_CursorsWalkTheWholeLog(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	for i := range 60 {
		e := event("read", "users:alice", "secrets/a", i%7)
		e.Request.Method = "GET"
		w.put(e)
	}
	for _, sort := range []string{"asc", "desc"} {
		params := url.Values{"startDate": {"2026-04-01"}, "endDate": {"2026-05-01"}, "principal": {"users:alice"}, "path": {"secrets"}, "action": {"GET"}, "sort": {sort}, "limit": {"7"}}
		seen := map[string]bool{}
		var times []string
		for pages := 1; ; pages++ {
			a := w.get(acme, "/v1/audit?"+params.Encode()).ok()
			for _, id := range a.column("data", "id") {
				seen[id] = true
			}
			times = append(times, a.column("data", "created")...)
			if a.text("totalItems") != "60" {
				t.Errorf("page %d: totalItems is %s, want 60", pages, a.text("totalItems"))
			}
			w.put(event("read", "users:alice", "secrets/a", 3)) // does not move the walk
			if a.text("cursor") == "" {
				break
			}
			params.Set("cursor", a.text("cursor"))
		}
		if sort == "desc" {
			slices.Reverse(times)
		}
		if len(seen) != 60 || len(times) != 60 || !slices.IsSorted(times) {
			t.Errorf("%s: %d records of %d, in order: %v", sort, len(times), len(seen), slices.IsSorted(times))
		}
	}
}

func TestS2_16_DownloadIsAZipOfTheRecords(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	for i := range 3000 {
		w.put(event("read", "users:alice", "secrets/a", i))
	}
	const bounds = "?startDate=2026-04-01&endDate=2026-05-01"
	a := w.get(acme, "/v1/download/audit"+bounds).ok()
	if got := a.Header().Get("Content-Disposition"); got != "attachment; filename=audit.zip" {
		t.Errorf("Content-Disposition is %q", got)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(a.unzip().Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 3000 {
		t.Errorf("%d records, want 3000", len(all))
	}
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(w.get(acme, "/v1/audit"+bounds).ok().Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	for i := range page.Data {
		if string(page.Data[i]) != string(all[i]) {
			t.Errorf("record %d is %s in the list, %s in the zip", i, page.Data[i], all[i])
		}
	}
	if got := w.get(acme, "/v1/download/audit?startDate=1999-01-01&endDate=2000-01-01").ok().unzip().Body.String(); got != "[\n]\n" {
		t.Errorf("nothing is %q", got)
	}
}

func TestDSVHeartbeat(t *testing.T) {
	w := newWorld(t)
	if got := w.get(token{}, "/v1/heartbeat").ok().Body.String(); got != `{"StatusCode":1,"Message":"ok"}` {
		t.Errorf("heartbeat is %s", got)
	}
}

func TestMalformedDSVRequests(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	plain := func(status int, message string) string {
		return fmt.Sprintf(`{"code":%d,"message":"%s","errors":{}}`, status, message)
	}
	oneField := func(field, problem string) string {
		return fmt.Sprintf(`{"code":400,"message":"%s: %s","errors":{"%s":["%s"]}}`, field, problem, field, problem)
	}
	const badTime, badLimit, badSort, twice = "must be an ISO 8601 date or date-time, such as 2026-04-23T18:00:00Z", "must be a whole number", "must be asc (oldest first) or desc", "is given more than once"
	badQuery := `{"code":400,"message":"the query string has a bad %-escape or a semicolon","errors":{"request":["the query string has a bad %-escape or a semicolon"]}}`
	both := `{"code":400,"message":"startDate: is required; and 1 more","errors":{"startDate":["is required"],"endDate":["is required"]}}`
	for _, tt := range []struct {
		method, target string
		status         int
		body           string
	}{
		{"GET", "/v1/audit?startDate=yesterday", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=2026-02-30", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=2026-13-01", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=23.04.2026", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=0000-01-01", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=2026-04-23T25:00:00Z", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=1745409600", 400, oneField("startDate", badTime)},
		{"GET", "/v1/audit?startDate=2026-04-23&startDate=2026-04-24", 400, oneField("startDate", twice)},
		{"GET", "/v1/audit?endDate=tomorrow", 400, oneField("endDate", badTime)},
		{"GET", "/v1/audit?endDate=2026-04-31", 400, oneField("endDate", badTime)},
		{"GET", "/v1/audit?endDate=2026-04-23T18:00:00%2B0", 400, oneField("endDate", badTime)},
		{"GET", "/v1/audit?endDate=a&endDate=b", 400, oneField("endDate", twice)},
		{"GET", "/v1/audit?startDate=2026-04-24&endDate=2026-04-23", 400, oneField("startDate", "is later than endDate")},
		{"GET", "/v1/audit?startDate=2026-04-24T00:00:01Z&endDate=2026-04-24", 400, oneField("startDate", "is later than endDate")},
		{"GET", "/v1/audit?limit=ten", 400, oneField("limit", badLimit)},
		{"GET", "/v1/audit?limit=1.5", 400, oneField("limit", badLimit)},
		{"GET", "/v1/audit?limit=1e2", 400, oneField("limit", badLimit)},
		{"GET", "/v1/audit?limit=0x10", 400, oneField("limit", badLimit)},
		{"GET", "/v1/audit?limit=+", 400, oneField("limit", badLimit)},
		{"GET", "/v1/audit?limit=1&limit=2", 400, oneField("limit", twice)},
		{"GET", "/v1/audit?sort=up", 400, oneField("sort", badSort)},
		{"GET", "/v1/audit?sort=ASC", 400, oneField("sort", badSort)},
		{"GET", "/v1/audit?sort=asc&sort=desc", 400, oneField("sort", twice)},
		{"GET", "/v1/audit?action=GET&action=PUT", 400, oneField("action", twice)},
		{"GET", "/v1/audit?action=" + strings.Repeat("a", 65), 400, oneField("action", "must be at most 64 bytes, as request.method is")},
		{"GET", "/v1/audit?principal=" + strings.Repeat("a", 1025), 400, oneField("principal", "must be at most 1024 bytes, as actor.id is")},
		{"GET", "/v1/audit?principal=a&principal=b", 400, oneField("principal", twice)},
		{"GET", "/v1/audit?path=" + strings.Repeat("a", 4097), 400, oneField("path", "must be at most 4096 bytes, as resource.path is")},
		{"GET", "/v1/audit?path=a&path=b", 400, oneField("path", twice)},
		{"GET", "/v1/audit?path=%ff", 400, oneField("path", "is not UTF-8")},
		{"GET", "/v1/audit?principal=%c3%28", 400, oneField("principal", "is not UTF-8")},
		{"GET", "/v1/audit?%", 400, badQuery},
		{"GET", "/v1/audit?path=a;b", 400, badQuery},
		{"GET", "/v1/audit?limit=x&sort=y", 400, `{"code":400,"message":"limit: ` + badLimit + `; and 1 more","errors":{"limit":["` + badLimit + `"],"sort":["` + badSort + `"]}}`},
		{"GET", "/v1/audit?cursor=x", 400, plain(400, errInvalidCursor.message)},
		{"GET", "/v1/audit?cursor=" + strings.Repeat("A", 72), 400, plain(400, errInvalidCursor.message)},
		{"GET", "/v1/audit?cursor=a&cursor=b", 400, oneField("cursor", twice)},
		{"GET", "/v1/download/audit", 400, both},
		{"GET", "/v1/download/audit?startDate=&endDate=", 400, both},
		{"GET", "/v1/download/audit?startDate=2026-04-23", 400, oneField("endDate", "is required")},
		{"GET", "/v1/download/audit?endDate=2026-04-23", 400, oneField("startDate", "is required")},
		{"GET", "/v1/download/audit?startDate=x&endDate=2026-04-23", 400, oneField("startDate", badTime)},
		{"GET", "/v1/download/audit?startDate=2026-04-24&endDate=2026-04-23", 400, oneField("startDate", "is later than endDate")},
		{"GET", "/v1/download/", 404, plain(404, errNoRoute.message)},
		{"GET", "/v1/download/audit/x", 404, plain(404, errNoRoute.message)},
		{"GET", "/v1/heartbeat/", 404, plain(404, errNoRoute.message)},
		{"PUT", "/v1/audit", 405, ""},
		{"DELETE", "/v1/audit", 405, ""},
		{"POST", "/v1/heartbeat", 405, plain(405, "this path answers to GET, HEAD")},
		{"POST", "/v1/download/audit", 405, plain(405, "this path answers to GET, HEAD")},
	} {
		if tt.body == "" {
			w.ask(acme, tt.method, tt.target, "").refused(tt.status, "")
			continue
		}
		w.same(acme, tt.method, tt.target, "", tt.status, tt.body)
	}
	w.same(token{}, "GET", "/v1/audit", "", 401, plain(401, "a token is required: send Authorization: Bearer TOKEN"))
	w.same(w.super("audit:write"), "GET", "/v1/audit", "", 403, plain(403, "this needs a token with the scope audit:read"))
	w.same(acme, "GET", "/v1/audit", "", 403, plain(403, "this token has no rights over the tenant that the request names"), "X-Tenant-ID", "other")
}

func BenchmarkDSVPage(b *testing.B) {
	w := newWorld(b)
	for i := range 1000 {
		w.put(event("read", "users:alice", "secrets/a", i))
	}
	r := httptest.NewRequest("GET", "/v1/audit?limit=100", nil)
	r.Header.Set("Authorization", w.of("acme").secret)
	for b.Loop() {
		w.h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
