package api

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/corpus"
	"annal/internal/identity"
)

// question is one question spelled in both dialects.
type question struct{ scai, native url.Values }

func (q *question) add(scai, native, scaiValue, nativeValue string) {
	q.scai.Add(scai, scaiValue)
	q.native.Add(native, nativeValue)
}

// few draws from small sets, so that questions find something.
var few = struct{ actors, paths, actions, ips []string }{
	actors: []string{"user:a", "sa:b", "group:c,d"}, ips: []string{"10.0.0.1", "::1"},
	paths: []string{"env/prod/db", "env/prod", "env/production/x", "env:prod:y", ""}, actions: []string{"read", "write", "rotate"},
}

func drawEvent(t *rapid.T) annal.Event {
	pick := func(from []string) string { return rapid.SampledFrom(from).Draw(t, "value") }
	e := event(pick(few.actions), pick(few.actors), pick(few.paths), rapid.IntRange(-50, 50).Draw(t, "second"))
	e.Actor.Type = pick([]string{"user", "service_account", "group"})
	e.Source.IP = pick(few.ips)
	e.Request.ID = pick([]string{"r1", "r2"})
	e.Outcome = annal.Outcome(rapid.IntRange(0, 3).Draw(t, "outcome"))
	e.Tenant = pick([]string{"acme", "other"})
	return e
}

func drawQuestion(t *rapid.T) question {
	q := question{url.Values{}, url.Values{}}
	maybe := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	pick := func(from []string) string { return rapid.SampledFrom(from).Draw(t, "value") }
	second := func() string {
		return "2026-04-23T12:00:" + fmt.Sprintf("%02dZ", rapid.IntRange(0, 59).Draw(t, "second"))
	}
	if maybe("action") {
		v := strings.Join(rapid.SliceOfN(rapid.SampledFrom(few.actions), 1, 3).Draw(t, "actions"), ",")
		q.add("action", "action", v, v)
	}
	for scai, native := range map[string]string{"identity_id": "actor.id", "source_ip": "source.ip", "request_id": "request.id", "path_prefix": "path_prefix", "identity_type": "actor.type"} {
		if !maybe(scai) {
			continue
		}
		v := pick(map[string][]string{"identity_id": few.actors, "source_ip": few.ips, "request_id": {"r1", "r2", "r3"},
			"path_prefix": {"env", "env/prod", "env/"}, "identity_type": {"user", "group"}}[scai])
		q.add(scai, native, v, v)
	}
	if maybe("success") {
		if rapid.Bool().Draw(t, "succeeded") {
			q.add("success", "outcome", "true", "success")
		} else {
			q.add("success", "outcome", "false", "failure,denied,error")
		}
	}
	if maybe("to") {
		v := second()
		q.add("to", "to", v, v)
	}
	if maybe("from") && q.scai.Get("to") == "" {
		v := second()
		q.add("from", "from", v, v)
	}
	n := fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "limit"))
	q.add("limit", "limit", n, n)
	return q
}

// walk follows cursors to the end and returns the ids in order.
func (w *world) walk(by token, target, list string, params url.Values) []string {
	w.t.Helper()
	var ids []string
	for {
		a := w.get(by, target+"?"+params.Encode()).ok()
		ids = append(ids, a.column(list, "id")...)
		if a.at("has_more") != true {
			return ids
		}
		params.Set("cursor", a.text("cursor"))
	}
}

func TestDialectsAgree(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	annaltest.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 5).Draw(rt, "events") {
			w.put(drawEvent(rt))
		}
		q := drawQuestion(rt)
		scai, native := w.walk(acme, "/v1/audit/logs", "logs", q.scai), w.walk(acme, "/v1/events", "events", q.native)
		if !slices.Equal(scai, native) {
			rt.Errorf("%v: ScaiVault %d, native %d events", q, len(scai), len(native))
		}
		q.native.Del("cursor")
		counted := w.get(acme, "/v1/events?count=true&"+q.native.Encode()).ok()
		q.native.Del("limit")
		summary := w.get(acme, "/v1/events/summary?"+q.native.Encode()).ok()
		lines := w.get(acme, "/v1/events?"+q.native.Encode(), "Accept", "application/x-ndjson").ok()
		if n := fmt.Sprint(len(scai)); counted.text("total") != n || summary.text("total") != n || fmt.Sprint(strings.Count(lines.Body.String(), "\n")) != n {
			rt.Errorf("%v: %s listed, %s counted, %s summarized", q, n, counted.text("total"), summary.text("total"))
		}
	})
}

func TestCursorWalkSeesEachEventOnceWhileTheLogGrows(t *testing.T) {
	w := newWorld(t)
	for i, target := range []string{"/v1/audit/logs", "/v1/events", "/v1/events?order=asc"} {
		by := w.of(fmt.Sprint("tenant", i))
		add := func(n int) {
			for range n {
				e := event("read", "user:a", "p", rand.IntN(9))
				e.Tenant = fmt.Sprint("tenant", i)
				w.put(e)
			}
		}
		add(50)
		var want []string
		for _, e := range w.log.Events() {
			if e.Tenant == fmt.Sprint("tenant", i) {
				want = append(want, e.ID.String())
			}
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		params, list := u.Query(), strings.TrimPrefix(u.Path, "/v1/audit/")
		list = strings.TrimPrefix(list, "/v1/")
		var got []string
		for done := false; !done; add(3) {
			params.Set("limit", fmt.Sprint(1+rand.IntN(9)))
			a := w.get(by, u.Path+"?"+params.Encode()).ok()
			got = append(got, a.column(list, "id")...)
			params.Set("cursor", a.text("cursor"))
			done = a.at("has_more") == false
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the walk saw %d events, want each of %d once", target, len(got), len(want))
		}
	}
}

func TestHugeEventsMakeShortPages(t *testing.T) {
	w := newWorld(t)
	e := event("read", "user:a", "p", 0)
	e.Extra = `{"x":"` + strings.Repeat("x", annal.MaxEventBytes-100) + `"}`
	for range 40 {
		w.put(e)
	}
	acme := w.of("acme")
	for target, list := range map[string]string{"/v1/audit/logs": "logs", "/v1/events": "events", "/v1/audit/secrets/p": "logs"} {
		first := w.get(acme, target).ok()
		if n := first.Body.Len(); n > MaxPageBytes+annal.MaxEventBytes {
			t.Errorf("%s: a page of %d bytes", target, n)
		}
		ids := w.walk(acme, target, list, url.Values{})
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 40 {
			t.Errorf("%s: %d events, want 40", target, len(ids))
		}
	}
}

func TestEveryByteOfACursorCounts(t *testing.T) {
	w := newWorld(t)
	for i := range 9 {
		w.put(event("read", "user:a", "p", i))
	}
	acme := w.of("acme")
	for _, target := range []string{"/v1/audit/logs?limit=2", "/v1/events?limit=2"} {
		good := w.get(acme, target).ok().text("cursor")
		w.get(acme, target+"&cursor="+good).ok()
		for i := range good {
			for _, c := range []byte{good[i] ^ 1, 'A', '_', '=', '\n', 0xff} {
				bad := good[:i] + string([]byte{c}) + good[i+1:]
				if bad != good && c != 0xff {
					w.get(acme, target+"&cursor="+url.QueryEscape(bad)).refused(400, "invalid_cursor")
				}
			}
		}
		for _, bad := range []string{good[:len(good)-1], good + "A", good + "=", good + good, "x", "eyJpZCI6MTc4fQ", base64.StdEncoding.EncodeToString([]byte(good))} {
			w.get(acme, target+"&cursor="+url.QueryEscape(bad)).refused(400, "invalid_cursor")
		}
		for _, other := range []string{"&action=read", "&from=2020-01-01", "&to=2030-01-01", "&path_prefix=p"} {
			w.get(acme, target+other+"&cursor="+good).refused(400, "invalid_cursor")
		}
	}
	asc := w.get(acme, "/v1/events?limit=2&order=asc").ok().text("cursor")
	w.get(acme, "/v1/events?limit=2&cursor="+asc).refused(400, "invalid_cursor")
	w.cfg.CursorKey = []byte("the key of quite another server.")
	w.restart()
	w.get(acme, "/v1/events?limit=2&order=asc&cursor="+asc).refused(400, "invalid_cursor")
}

func TestCursorOfOneTenantShowsAnotherNothing(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.put(event("read", "user:a", "p", i))
	}
	stolen := w.get(w.of("acme"), "/v1/audit/logs?limit=2").ok().text("cursor")
	if a := w.get(w.of("other"), "/v1/audit/logs?cursor="+stolen).ok(); a.text("logs") != "[]" {
		t.Errorf("another tenant sees %s", a.Body)
	}
}

// targets returns a request for every route that needs a token, with the
// wildcards filled in so that they would find acme's events.
func targets(w *world) map[string][]string {
	id := ""
	if es := w.log.Events(); len(es) > 0 {
		id = es[0].ID.String()
	}
	fill := strings.NewReplacer("{path...}", "env/secret-path", "{identity_id...}", "user:insider", "{id}", id, "{log_id}", id, "{field}", "actor.id")
	out := map[string][]string{}
	for _, d := range dialects() {
		for _, route := range d.Routes {
			method, path, _ := strings.Cut(route.Pattern, " ")
			if route.Scope != "" {
				out[route.Pattern] = []string{method, fill.Replace(path), route.Scope}
			}
		}
	}
	return out
}

func TestNoRouteAnswersAnotherTenant(t *testing.T) {
	w := newWorld(t)
	e := event("unheard_of", "user:insider", "env/secret-path", 0)
	e.Request.ID, e.Extra = "req_insider", `{"note":"insider"}`
	w.put(e, e, e)
	partnerOf(w, "mine", "acme")
	partnerOf(w, "theirs", "other")
	acmes := w.of("acme")
	strangers := map[string]token{
		"tenant": w.of("other"), "partner": w.partner("theirs"), "partner of none": w.partner("nobody"),
		"auditor": w.member("other", "tr", identity.Auditor, ""), "admin": w.member("other", "ta", identity.Admin, ""),
		"partner's auditor": w.member("other", "pr", identity.Auditor, identity.OwnPartner), "partner's admin": w.member("other", "pa", identity.Admin, identity.OwnPartner),
		"whom a policy allows all": w.member("other", "all", "", identity.Everywhere),
	}
	if _, err := w.auth.CreatePolicy("root", "other", identity.Policy{Path: "all", Permissions: []identity.Permission{
		{Effect: "allow", Subjects: []string{"users:all"}, Resources: []string{"<.*>"}, Actions: []string{"<.*>"}},
	}}); err != nil {
		t.Fatal(err)
	}
	queries := []string{"", "?from=2020-01-01", "?action=unheard_of", "?limit=1", "?tenant=acme", "?count=true", "?text=insider", "?startDate=2020-01-01&endDate=2030-01-01", "?search=insider", "?format=csv", "?breakdown=actor.id&top=tenant&distinct=actor.id&interval=1h"}
	for pattern, x := range targets(w) {
		if x[0] != "GET" || strings.HasSuffix(pattern, "/tail") || x[2] != "audit:read" && x[2] != "audit:export" {
			continue
		}
		for _, query := range queries[:annaltest.Cases(len(queries))] {
			for _, accept := range []string{"", "application/x-ndjson", "text/csv"} {
				if own := w.get(acmes, x[1]+query, "Accept", accept); own.Code == 200 && !strings.Contains(query, "limit") {
					own.unzip()
					found := strings.Contains(own.Body.String(), "insider") || strings.Contains(own.Body.String(), `:3`) ||
						strings.Contains(own.Body.String(), `["unheard_of"]`) || strings.Contains(own.Body.String(), `["secret"]`)
					if !found {
						t.Errorf("%s%s does not even answer its own tenant: %s", x[1], query, own.Body)
					}
				}
				for who, stranger := range strangers {
					a := w.get(stranger, x[1]+query, "Accept", accept)
					a.unzip()
					body := strings.NewReplacer("user:insider", "", "env/secret-path", "", `"limit":1,`, "", `"page":1,`, "").Replace(a.Body.String()) // what was asked
					if strings.HasPrefix(a.Body.String(), `{"identity_id"`) || strings.HasPrefix(a.Body.String(), `{"secret_path"`) || strings.HasPrefix(a.Body.String(), `{"cursor":"",`) ||
						strings.HasPrefix(a.Body.String(), `{"items":[]`) || strings.HasPrefix(a.Body.String(), `{"entries":[]`) {
						a.Body.Reset()
						a.Body.WriteString(body)
					}
					for _, leak := range []string{"insider", "unheard_of", "secret-path", "log_", `:3`, `:1,`, "2026-04-23"} {
						if strings.Contains(a.Body.String(), leak) && a.Code == 200 {
							t.Errorf("%s shows a %s of another tenant %q: %s", x[1]+query, who, leak, a.Body)
						}
					}
					if code := unseen(pattern); code != "" && (a.Code != 403 || who != "whom a policy allows all") { // some need a standing
						a.refused(404, code)
					}
				}
			}
		}
	}
}

// unseen is how a route of one event says that it is not there; "" for others.
func unseen(pattern string) string {
	switch {
	case strings.HasSuffix(pattern, "/events/{id}"):
		return "event_not_found"
	case strings.HasSuffix(pattern, "/entries/{id}"):
		return "entry_not_found"
	case strings.HasSuffix(pattern, "/{log_id}"):
		return "audit_log_not_found"
	}
	return ""
}

func TestNothingOfAnotherTenantCanBeWritten(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "theirs", "other")
	scai := strings.Replace(entry, `"action"`, `"tenant_id":"acme","action"`, 1)
	native := `{"tenant":"acme","actor":{"id":"a"},"action":"read"}`
	for _, by := range []token{w.of("other"), w.partner("theirs"), w.partner("nobody")} {
		w.ask(by, "POST", "/v1/audit/logs", scai).refused(403, "tenant_access_denied")
		a := w.ask(by, "POST", "/v1/events", `{"tenant":"other","actor":{"id":"a"},"action":"read"}`+"\n"+native)
		if a.Code != 403 {
			t.Errorf("answer is %d %s", a.Code, a.Body)
		}
		w.ask(by, "POST", "/v1/events", `{"actor":{"id":"a"},"action":"read"}`, "X-Tenant-ID", "acme").refused(403, "tenant_access_denied")
	}
	if w.log.End() != 0 {
		t.Errorf("%d events were stored", w.log.End())
	}
}

func TestNoRouteWorksWithoutItsScope(t *testing.T) {
	w := newWorld(t)
	w.put(event("read", "user:insider", "env/secret-path", 0))
	scopes := []string{"audit:read", "audit:write", "audit:export", "audit:admin"}
	byScope := map[string]token{}
	for _, s := range scopes {
		byScope[s] = w.super(s)
	}
	bad := map[string]token{
		"authentication_required": {}, "token_invalid": {"annal_" + strings.Repeat("0", 48)},
		"token_expired": w.token(specExpiring(w.now().Add(1))),
	}
	w.advance(2)
	for _, x := range targets(w) {
		for code, tok := range bad {
			a := w.ask(tok, x[0], x[1], entry).refused(401, code)
			if a.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%v: no WWW-Authenticate", x)
			}
		}
		for _, s := range scopes {
			if s != x[2] {
				w.ask(byScope[s], x[0], x[1], entry).refused(403, "insufficient_scope")
			}
		}
	}
}

func FuzzCursor(f *testing.F) {
	corpus.Seed(f)
	w := newWorld(f)
	page := annal.Page{Next: &annal.Mark{Time: 5, Position: 9}, Below: 12}
	q := annal.Query{Text: "x"}
	good := string(w.h.appendCursor(nil, &q, &page))
	f.Add(good)
	f.Add(strings.Repeat("A", len(good)))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := []byte(good)
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		into := annal.Query{Text: "x"}
		err := w.h.readCursor(&into, text)
		if (err == nil) != (text == good) {
			t.Errorf("readCursor(%q) = %v", text, err)
		}
	})
}

func FuzzParams(f *testing.F) {
	corpus.Seed(f)
	w := newWorld(f)
	w.put(event("read", "user:a", "p", 0))
	all := w.super()
	f.Add("/v1/audit/logs", "from=2026-04-23T12:00:00Z&to=&action=a,b&success=true&limit=5&cursor=x")
	f.Add("/v1/events", "outcome!=success&request.status=200,403&text=a+b&order=asc&count=true")
	f.Add("/v1/events/summary", "breakdown=action&top=actor.id&distinct=extra&interval=1h")
	f.Add("/v1/events/values/actor.id", "limit=0")
	f.Add("/v1/audit/secrets/a//b", "%zz&;")
	f.Add("/audit/entries", "event_type=a.*,b&actor=system&severity=info&search=x&limit=-1&offset=9&end_date=2026-04-23")
	f.Add("/audit/export", "format=csv&start_date=2026-04-23T12:00:00Z")
	f.Add("/audit/export", "format=pdf&event_type=rotation.*&search=%F0%9F%94%91")
	f.Add("/api/v1/admin/audit/", "page=1_0.0&per_page=+5&start_time=1776945600.5&end_time=2026-04-23&partner_id=p&tenant_id=acme")
	f.Add("/v1/audit", "startDate=2020-04-20&endDate=2030-01-01&principal=users%3Aa&action=GET&path=secrets%3Ap&limit=5&sort=asc&cursor=x")
	f.Add("/v1/download/audit", "startDate=2020-04-20T00:00:00Z&type=csv")
	f.Add("/v1/users", "searchTerm=a&limit=2&cursor=YQ")
	f.Add("/v1/access", "actor.id=root&from=-1d")
	f.Add("/api/v1/admin/audit/stats", "start_time=-20000000001&end_time=9999-12-31T23:59:59Z")
	f.Fuzz(func(t *testing.T, path, query string) {
		u, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(u.Path, "/tail") {
			return
		}
		w.t = t
		r := request(all, u, query)
		a := w.send(r)
		if a.Code >= 500 {
			t.Errorf("%s?%s answers %d %s", path, query, a.Code, a.Body)
		}
	})
}

func TestDialectsMayTakeOtherCredentials(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	for i := range w.h.dialects {
		w.h.dialects[i].Credential = func(r *http.Request) string { return "Bearer " + r.Header.Get("Authorization") }
	}
	w.get(token{}, "/v1/audit/logs", "Authorization", acme.secret).ok()
	w.get(token{}, "/v1/events", "Authorization", "Bearer "+acme.secret).refused(401, "authentication_required")
}
