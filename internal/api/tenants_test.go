package api

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/auth"
	"annal/internal/identity"
)

func (a authority) SeeTenants(by *Caller) []identity.Tenant {
	return a.SeenTenants((*auth.Caller)(by))
}

func (a authority) SeeTenant(by *Caller, id string) (identity.Tenant, error) {
	return a.SeenTenant((*auth.Caller)(by), id)
}

func (a authority) MakeTenant(by *Caller, t identity.Tenant) (identity.Tenant, error) {
	return a.CreateTenant((*auth.Caller)(by), t)
}

func (a authority) EditTenant(by *Caller, t identity.Tenant) (old, changed identity.Tenant, err error) {
	return a.ChangeTenant((*auth.Caller)(by), t)
}

func (a authority) DropTenant(by *Caller, id string) (identity.Tenant, error) {
	return a.RemoveTenant((*auth.Caller)(by), id)
}

func (a authority) RankUser(by *Caller, tenant, user string, standing identity.Standing, reach identity.Reach) (identity.User, error) {
	return a.Rank((*auth.Caller)(by), tenant, user, standing, reach)
}

// signIn makes a user of acme's who has just signed in, to whom policies may give
// rights.
func (w *world) signIn(name string, standing identity.Standing, reach identity.Reach) token {
	w.t.Helper()
	return w.member("acme", name, standing, reach)
}

// member is signIn for a user of any tenant.
func (w *world) member(tenant, name string, standing identity.Standing, reach identity.Reach) token {
	w.t.Helper()
	if err := w.auth.Register([]string{tenant}); err != nil {
		w.t.Fatal(err)
	}
	u := identity.User{Name: name, Standing: standing, Reach: reach}
	if _, err := w.auth.CreateUser("root", tenant, u, "correct horse"); err != nil {
		w.t.Fatal(err)
	}
	g, err := w.auth.GrantPassword(w.t.Context(), identity.Login{Tenant: tenant, Name: name, Secret: "correct horse", Remote: "10.0.0.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token{g.Access}
}

// policy puts a policy of acme's into force.
func (w *world) policy(path, effect string, subjects, resources, actions []string) {
	w.t.Helper()
	_, err := w.auth.CreatePolicy("root", "acme", identity.Policy{Path: path, Permissions: []identity.Permission{
		{Effect: effect, Subjects: subjects, Resources: resources, Actions: actions},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// readingRoutes are the routes that read the log.
func readingRoutes(w *world) map[string][]string {
	routes := targets(w)
	for pattern, x := range routes {
		if x[0] != "GET" || x[2] != "audit:read" || strings.HasSuffix(pattern, "/tail") {
			delete(routes, pattern)
		}
	}
	return routes
}

func TestS2_7_APolicyLetsAGroupReadTheLogAndNoOneElse(t *testing.T) {
	w := newWorld(t)
	w.put(event("read", "user:a", "env/secret-path", 0))
	ada, bob := w.signIn("ada", "", ""), w.signIn("bob", "", "")
	if _, err := w.auth.CreateGroup("root", "acme", identity.Group{Name: "audit-readers", Members: []string{"ada"}}); err != nil {
		t.Fatal(err)
	}
	status := func(by token, x []string) int {
		r := httptest.NewRequest(x[0], x[1], nil)
		r.Header.Set("Authorization", "Bearer "+by.secret)
		return w.send(r).Code
	}
	routes := readingRoutes(w)
	for pattern, x := range routes {
		if a, b := status(ada, x), status(bob, x); a != 403 || b != 403 {
			t.Errorf("%s without a policy: %d and %d", pattern, a, b)
		}
	}
	w.policy("audit", "allow", []string{"groups:audit-readers"}, []string{"audit"}, []string{"list"})
	for pattern, x := range routes {
		a, b := status(ada, x), status(bob, x)
		standing := strings.Contains(pattern, "/admin/") // wants an admin or an auditor whatever policies say
		if b != 403 || !standing && (a == 403 || a == 401) || standing && a != 403 {
			t.Errorf("%s with a policy: the member gets %d, the other %d", pattern, a, b)
		}
	}
	w.ask(ada, "POST", "/v1/events", `{"actor":{"id":"a"},"action":"read"}`).refused(403, "insufficient_scope")
	w.get(ada, "/v1/tokens").refused(403, "insufficient_scope")
	w.policy("audit:not-ada", "deny", []string{"users:ada"}, []string{"audit"}, []string{"<.*>"})
	for pattern, x := range routes {
		if a := status(ada, x); a != 403 {
			t.Errorf("%s although it is denied: %d", pattern, a)
		}
	}
	w.get(ada, "/v1/events").refused(403, "policy_denied")
}

// A policy of one tenant never gives rights over another, whoever it is about.
func TestPoliciesEndWithTheirTenant(t *testing.T) {
	w := newWorld(t)
	e := event("unheard_of", "user:insider", "p", 0)
	e.Tenant = "other"
	w.put(e, event("read", "user:a", "p", 0))
	partnerOf(w, "mine", "acme", "other")
	w.policy("all", "allow", []string{"<.*>"}, []string{"<.*>"}, []string{"<.*>"})
	for name, by := range map[string]token{
		"ordinary": w.signIn("a", "", ""), "ordinary, everywhere": w.signIn("b", "", identity.Everywhere), "ordinary, partner": w.signIn("c", "", identity.OwnPartner),
	} {
		a := w.get(by, "/v1/events?count=true").ok()
		if a.text("total") != "1" || strings.Contains(a.Body.String(), "unheard_of") {
			t.Errorf("%s sees %s", name, a.Body)
		}
		w.get(by, "/v1/events", "X-Tenant-ID", "other").refused(403, "tenant_access_denied")
	}
	auditor := w.signIn("d", identity.Auditor, identity.OwnPartner)
	if a := w.get(auditor, "/v1/events?count=true").ok(); a.text("total") != "2" {
		t.Errorf("a partner's auditor sees %s", a.Body)
	}
	made := w.ask(auditor, "POST", "/v1/tokens", `{"subject":"x","partner":"mine","scopes":["audit:admin"]}`)
	if made.Code != 403 {
		t.Errorf("an auditor whom a policy of one tenant allows everything made a token for all: %d %s", made.Code, made.Body)
	}
	if a := w.get(auditor, "/v1/tenants").ok(); !slices.Equal(a.column("tenants", "id"), []string{"acme"}) {
		t.Errorf("by the policy of acme an auditor administers %s", a.Body)
	}
}

// Each kind of standing sees what it reaches, changes only what it may, and no
// more.
func TestStandings(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "mine", "acme", "second")
	partnerOf(w, "theirs", "foreign")
	for _, tenant := range []string{"acme", "second", "foreign"} {
		e := event("read", "user:a", "p", 0)
		e.Tenant = tenant
		w.put(e)
	}
	for _, tt := range []struct {
		name     string
		standing identity.Standing
		reach    identity.Reach
		sees     string
	}{
		{"ta", identity.Admin, identity.OwnTenant, "1"}, {"tr", identity.Auditor, identity.OwnTenant, "1"},
		{"pa", identity.Admin, identity.OwnPartner, "2"}, {"pr", identity.Auditor, identity.OwnPartner, "2"},
		{"sa", identity.Admin, identity.Everywhere, "3"}, {"sr", identity.Auditor, identity.Everywhere, "3"},
	} {
		by := w.signIn(tt.name, tt.standing, tt.reach)
		if a := w.get(by, "/v1/events?count=true&action=read").ok(); a.text("total") != tt.sees {
			t.Errorf("%s sees %s events, want %s", tt.name, a.text("total"), tt.sees)
		}
		if tt.standing == identity.Auditor {
			for pattern, x := range targets(w) {
				if x[2] == "audit:write" || x[2] == "audit:admin" {
					if a := w.ask(by, x[0], x[1], "{}"); a.Code != 403 {
						t.Errorf("%s, an auditor, gets %d from %s", tt.name, a.Code, pattern)
					}
				}
			}
			continue
		}
		tenants := w.get(by, "/v1/tenants").ok()
		if n := len(tenants.column("tenants", "id")); tt.sees != "3" && n != map[string]int{"1": 1, "2": 2}[tt.sees] {
			t.Errorf("%s lists %s", tt.name, tenants.Body)
		}
	}
}

func TestTenantRoutes(t *testing.T) {
	w := newWorld(t)
	root, mine, theirs := w.super(), w.partner("mine"), w.partner("theirs")
	made := w.ask(mine, "POST", "/v1/tenants", `{"id":"acme","name":"Acme Inc.","profile":"dsv"}`).ok()
	if made.Code != 201 || made.text("partner") != "mine" || made.text("name") != "Acme Inc." {
		t.Errorf("made %d %s", made.Code, made.Body)
	}
	for _, by := range []token{theirs, w.partner("nobody"), w.token(auth.TokenSpec{Subject: "x", Tenant: "other"})} {
		w.get(by, "/v1/tenants/acme").refused(404, "tenant_not_found")
		w.get(by, "/v1/tenants/nowhere").refused(404, "tenant_not_found")
		w.ask(by, "PUT", "/v1/tenants/acme", `{"name":"x"}`).refused(404, "tenant_not_found")
		w.ask(by, "DELETE", "/v1/tenants/acme", "").refused(404, "tenant_not_found")
		w.ask(by, "PUT", "/v1/tenants/acme/standings/ada", `{"standing":"admin"}`).refused(404, "user_not_found")
		if a := w.get(by, "/v1/tenants").ok(); strings.Contains(a.Body.String(), "acme") {
			t.Errorf("a stranger lists %s", a.Body)
		}
	}
	acme := w.of("acme")
	w.get(acme, "/v1/tenants/acme").ok()
	w.ask(acme, "PUT", "/v1/tenants/acme", `{"partner":""}`).refused(403, "tenant_access_denied")
	w.ask(acme, "POST", "/v1/tenants", `{"id":"b"}`).refused(403, "tenant_access_denied")
	w.ask(mine, "POST", "/v1/tenants", `{"id":"acme"}`).refused(409, "conflict")
	w.ask(mine, "PUT", "/v1/tenants/acme", `{"partner":"theirs"}`).refused(403, "tenant_access_denied")
	w.ask(root, "POST", "/v1/tenants", `{"id":"a b"}`).refused(422, "validation_error")
	w.ask(root, "POST", "/v1/tenants", `{"id":"b","profile":"x"}`).refused(422, "validation_error")
	w.ask(root, "POST", "/v1/tenants", `{"id":"b","x":1}`).refused(422, "validation_error")
	w.ask(root, "POST", "/v1/tenants", `[`).refused(400, "invalid_request")
	if a := w.ask(root, "PUT", "/v1/tenants/acme", `{"name":"Acme","partner":"theirs"}`).ok(); a.text("partner") != "theirs" {
		t.Errorf("moved: %s", a.Body)
	}
	w.get(mine, "/v1/tenants/acme").refused(404, "tenant_not_found")
	w.ask(theirs, "DELETE", "/v1/tenants/acme", "").ok()
	w.get(acme, "/v1/events").refused(401, "token_revoked")
	w.ask(mine, "POST", "/v1/tenants", `{"id":"acme"}`).refused(409, "conflict")
	var actions []string
	for _, e := range w.log.Events() {
		if e.Outcome == annal.Success {
			actions = append(actions, e.Action+" "+e.Tenant)
		}
	}
	if want := []string{"tenant.created acme", "tenant.updated acme", "tenant.deleted annal"}; !slices.Equal(actions, want) {
		t.Errorf("events are %v, want %v", actions, want)
	}
}

func TestStandingsAreGivenAndTaken(t *testing.T) {
	w := newWorld(t)
	ada := w.signIn("ada", "", "")
	w.get(ada, "/v1/events").refused(403, "insufficient_scope")
	if a := w.ask(w.of("acme"), "PUT", "/v1/tenants/acme/standings/ada", `{"standing":"auditor"}`).ok(); a.text("user") != "users:ada" || a.text("standing") != "auditor" {
		t.Errorf("%s", a.Body)
	}
	w.get(ada, "/v1/events").ok()
	w.ask(w.of("acme"), "PUT", "/v1/tenants/acme/standings/ada", `{"standing":"auditor","reach":"all"}`).refused(403, "tenant_access_denied")
	w.ask(w.super(), "PUT", "/v1/tenants/acme/standings/ada", `{"standing":"king"}`).refused(422, "validation_error")
	w.ask(w.super(), "PUT", "/v1/tenants/acme/standings/eve", `{"standing":"admin"}`).refused(404, "user_not_found")
	w.ask(w.super(), "PUT", "/v1/tenants/acme/standings/ada", `{}`).ok()
	w.get(ada, "/v1/events").refused(403, "insufficient_scope")
}

// A new password would give a standing away, so that only who stands as high
// sets one.
func TestNobodyTakesOverAHigherStanding(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "mine", "acme")
	for name, reach := range map[string]identity.Reach{"own": "", "partners": identity.OwnPartner, "super": identity.Everywhere} {
		w.signIn(name, identity.Admin, reach)
	}
	w.policy("all", "allow", []string{"users:clerk"}, []string{"<.*>"}, []string{"<.*>"})
	callers := map[string]token{"clerk": w.signIn("clerk", "", ""), "own": w.of("acme"), "partners": w.partner("mine"), "super": w.super()}
	may := map[string]string{"clerk": "", "own": "own", "partners": "own partners", "super": "own partners super"}
	for caller, by := range callers {
		for _, user := range []string{"own", "partners", "super"} {
			want := 403
			if slices.Contains(strings.Fields(may[caller]), user) {
				want = 200
			}
			if a := w.ask(by, "PUT", "/v1/users/"+user, `{"displayName":"x"}`, "X-Tenant-ID", "acme", "Content-Type", "application/json"); a.Code != want {
				t.Errorf("%s changes %s: %d %s, want %d", caller, user, a.Code, a.Body, want)
			}
			if a := w.ask(by, "DELETE", "/v1/users/"+user, "", "X-Tenant-ID", "acme"); want == 403 && a.Code != 403 {
				t.Errorf("%s deletes %s: %d %s", caller, user, a.Code, a.Body)
			} else if a.Code < 300 {
				w.signIn(user, identity.Admin, map[string]identity.Reach{"partners": identity.OwnPartner, "super": identity.Everywhere}[user])
			}
		}
	}
	w.ask(callers["clerk"], "PUT", "/v1/users/clerk", `{"displayName":"x"}`, "Content-Type", "application/json").ok()
}

func TestRefusalsSayWhenToTryAgain(t *testing.T) {
	d := native()
	for _, tt := range []struct {
		err    error
		status int
		code   string
		after  int
	}{
		{&auth.RateError{After: 1500 * time.Millisecond}, 429, "rate_limited", 2},
		{&auth.RateError{After: time.Nanosecond}, 429, "rate_limited", 1},
		{&auth.RateError{After: 15 * time.Minute, Locked: true}, 429, "account_locked", 900},
		{&auth.UnreachableError{}, 503, "issuer_unavailable", 5},
		{auth.ErrExpired, 401, "token_expired", 0},
		{auth.ErrInvalid, 401, "token_invalid", 0},
		{identity.ErrExists, 409, "conflict", 0},
	} {
		f := statusOf(fmt.Errorf("save: %w", tt.err), &d)
		if f.Status != tt.status || f.Code != tt.code || f.retryAfter != tt.after {
			t.Errorf("%v: %d %s after %d, want %d %s after %d", tt.err, f.Status, f.Code, f.retryAfter, tt.status, tt.code, tt.after)
		}
	}
}
