package api

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"annal"
	"annal/internal/auth"
)

// Every route that changes something says in its dialect's table what event
// that is, and every event that a table names belongs to a route.
func TestEveryChangingRouteIsAudited(t *testing.T) {
	for _, d := range dialects() {
		routes := map[string]bool{}
		for _, r := range d.Routes {
			routes[r.Pattern] = true
			if !strings.HasPrefix(r.Pattern, "GET ") && d.Audits[r.Pattern] == "" {
				t.Errorf("%s: %s changes something, but the dialect's Audits do not name its event", d.Name, r.Pattern)
			}
		}
		for pattern := range d.Audits {
			if !routes[pattern] {
				t.Errorf("%s: Audits has %q, which is no route", d.Name, pattern)
			}
		}
	}
}

// Whatever a verb does or fails to do, a route in the table of a dialect leaves
// an event that says who, from where, and how it ended.
func TestEveryAuditedRouteRecords(t *testing.T) {
	w := newWorld(t)
	for i := range w.h.dialects {
		d := &w.h.dialects[i]
		for j := range d.Routes {
			r := &d.Routes[j]
			action := d.Audits[r.Pattern]
			if action == "" || action == itself {
				continue
			}
			for _, fail := range []error{nil, annal.ErrNotFound, annal.Invalid("x", "y"), &annal.ForbiddenError{Reason: "no"}, errors.New("disk")} {
				r.Do = func(*Call) error { return fail }
				c := &Call{Request: request(token{}, mustParse(t, "/v1/x"), ""), s: w.h, w: &sink{}, dialect: d, route: r, ctx: t.Context(), id: "req_1"}
				c.Caller = Caller{Subject: "root", TokenID: "tok_1"}
				before := w.log.End()
				if err := w.h.audited(c, func() error { return r.Do(c) }); !errors.Is(err, fail) {
					t.Fatalf("%s: got %v, want %v", r.Pattern, err, fail)
				}
				es := w.log.Events()[before:]
				if len(es) != 1 || es[0].Action != action || es[0].Actor.ID != "root" || (es[0].Outcome == annal.Success) != (fail == nil) {
					t.Errorf("%s, %v: recorded %+v", r.Pattern, fail, es)
				}
			}
		}
	}
}

func TestTokenChangesAreEvents(t *testing.T) {
	w := newWorld(t)
	root := w.super()
	made := w.ask(root, "POST", "/v1/tokens", `{"subject":"ada","tenant":"acme","scopes":["audit:read"]}`, "User-Agent", "curl/8", "X-Request-ID", "req_a").ok()
	w.ask(root, "DELETE", "/v1/tokens/"+made.text("id"), "").ok()
	w.ask(w.super(auth.ScopeRead), "POST", "/v1/tokens", `{}`).refused(403, "insufficient_scope")
	w.ask(root, "POST", "/v1/tokens", `{"subject":"x"}`).refused(422, "validation_error")
	w.ask(token{}, "POST", "/v1/tokens", `{}`).refused(401, "authentication_required") // nobody: not an event
	es := w.log.Events()
	if len(es) != 4 {
		t.Fatalf("%d events, want 4: %+v", len(es), es)
	}
	e := es[0]
	if e.Tenant != "acme" || e.Action != "token.created" || e.Actor.ID != "root" || e.Source.IP != "192.0.2.1" || e.Source.UserAgent != "curl/8" ||
		e.Request.ID != "req_a" || e.Request.Method != "POST" || e.Request.Status != 201 || e.Resource.Path != "tokens:"+made.text("id") || e.Message != "token created: ada" || e.Flags != "" {
		t.Errorf("created: %+v", e)
	}
	if want := `"new":{"scopes":["audit:read"],"subject":"ada","tenant":"acme"}`; !strings.Contains(e.Extra, want) || !strings.Contains(e.Extra, `"caller_id":"tok_`) {
		t.Errorf("extra is %s, want %s", e.Extra, want)
	}
	for i, want := range []struct {
		action, tenant string
		outcome        annal.Outcome
		status         int32
	}{
		{"token.created", "acme", annal.Success, 201}, {"token.revoked", "acme", annal.Success, 200},
		{"token.created", OwnTenant, annal.Denied, 403}, {"token.created", OwnTenant, annal.Failure, 422},
	} {
		if e := es[i]; e.Action != want.action || e.Tenant != want.tenant || e.Outcome != want.outcome || e.Request.Status != want.status {
			t.Errorf("event %d is %s in %s, %v %d; want %+v", i, e.Action, e.Tenant, e.Outcome, e.Request.Status, want)
		}
	}
	for _, e := range es {
		if strings.Contains(string(e.AppendJSON(nil)), made.text("token")) {
			t.Errorf("the token's secret is in %s", e.AppendJSON(nil))
		}
	}
	w.ask(root, "POST", "/v1/events", `{"tenant":"annal","actor":{"id":"a"},"action":"read"}`).refused(403, "tenant_access_denied")
}

// failing is an Ingester whose log takes nothing while broken.
type failing struct {
	Ingester
	broken bool
}

func (f *failing) Receive(ctx context.Context, r IngestRequest) (IngestResult, error) {
	if f.broken {
		return IngestResult{}, annal.ErrUnavailable
	}
	return f.Ingester.Receive(ctx, r)
}

// A change that was made although it could not be recorded is reported, recorded
// as soon as the log works, and the last one until then.
func TestUnrecordedChanges(t *testing.T) {
	w := newWorld(t)
	log := &failing{Ingester: w.cfg.Ingest}
	w.cfg.Ingest = log
	w.restart()
	root := w.super()
	tokens := func() int {
		list, err := w.auth.List(&auth.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	body := `{"subject":"ada","scopes":["audit:read"]}`
	before := tokens()
	log.broken = true
	a := w.ask(root, "POST", "/v1/tokens", body).refused(503, "not_recorded")
	if a.Header().Get("Retry-After") == "" || strings.Contains(a.Body.String(), "annal_") {
		t.Errorf("answer is %s", a.Body)
	}
	for range 3 {
		w.ask(root, "POST", "/v1/tokens", body).refused(503, "service_unavailable")
	}
	if n := tokens() - before; n != 1 {
		t.Errorf("%d tokens were made while nothing could be recorded, want 1", n)
	}
	w.get(root, "/v1/events").ok() // reads go on
	log.broken = false
	w.ask(root, "POST", "/v1/tokens", body).ok()
	if es := w.log.Events(); len(es) != 2 || es[0].Request.Status != 201 || es[0].ID == es[1].ID {
		t.Errorf("recorded %+v, want both changes", es)
	}
}

// Whatever secrets go through the routes that change something, none of them is
// in an event, be it that the change was made or refused.
func TestOwnEventsHoldNoSecrets(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	const password, next, auth = "Correct-Horse-7-Staple", "Battery-Mount-8-Window", "hec-1f0f7a1c"
	secrets := []string{password, next, auth}
	keep := func(a answer, names ...string) {
		t.Helper()
		var body map[string]any
		if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if v, ok := body[name].(string); ok && v != "" {
				secrets = append(secrets, v)
			} else {
				t.Errorf("no %s in %s", name, a.Body)
			}
		}
	}
	keep(w.ask(acme, "POST", "/v1/tokens", `{"subject":"ci","scopes":["audit:read"],"tenant":"acme"}`), "token")
	w.ask(acme, "POST", "/v1/users", `{"userName":"bob","password":"`+password+`"}`).ok()
	w.ask(acme, "POST", "/v1/users", `{"userName":"bob","password":"`+next+`"}`) // taken
	w.ask(acme, "PUT", "/v1/users/bob", `{"password":"`+next+`"}`)
	w.ask(acme, "POST", "/v1/roles", `{"name":"reader"}`).ok()
	client := w.ask(acme, "POST", "/v1/clients", `{"role":"reader"}`).ok()
	keep(client, "clientSecret")
	siem := `{"siemType":"splunk","name":"main","host":"splunk.example","port":8088,"protocol":"https","endpoint":"/x","loggingFormat":"json","authMethod":"token","auth":"` + auth + `"}`
	w.ask(acme, "POST", "/v1/config/siem", siem)
	w.ask(acme, "POST", "/v1/config/siem", siem)
	for _, p := range []string{password, next, "wrong-" + password} {
		w.ask(token{}, "POST", "/v1/token", `{"grant_type":"password","username":"bob","password":"`+p+`"}`)
		w.ask(token{}, "POST", "/auth/login", `{"username":"bob","password":"`+p+`"}`)
	}
	in := w.ask(token{}, "POST", "/v1/token", `{"grant_type":"client_credentials","client_id":"`+client.text("clientId")+`","client_secret":"`+client.text("clientSecret")+`"}`).ok()
	keep(in, "accessToken")
	events := w.log.Events()
	if len(events) < 12 {
		t.Errorf("only %d events", len(events))
	}
	for _, e := range events {
		shown := string(e.AppendJSON(nil))
		for _, secret := range secrets {
			if strings.Contains(shown, secret) {
				t.Errorf("%s is in %s", secret, shown)
			}
		}
		if strings.Contains(shown, "$argon2") || strings.Contains(strings.ToLower(shown), `"hash"`) {
			t.Errorf("a hash is in %s", shown)
		}
	}
}
