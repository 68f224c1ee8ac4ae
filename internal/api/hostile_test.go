package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"annal/internal/auth"
	"annal/internal/identity"
)

// A caller of several tenants who names none administers none that is not theirs.
func TestNobodyAdministersATenantThatIsNotTheirs(t *testing.T) {
	w := newWorld(t)
	partnerOf(w, "p1", "acme", "beta")
	owner := w.tenantAdmin(DefaultTenant)
	w.ask(owner, "POST", "/v1/users", `{"userName":"victim","password":"`+alicesPassword+`"}`).ok()
	w.ask(owner, "POST", "/v1/roles", `{"name":"reader"}`).ok()
	siem := `{"siemType":"splunk","name":"main","host":"splunk.example","port":8088,"protocol":"https","endpoint":"/x","loggingFormat":"json","authMethod":"token","auth":"hec-1f0f7a1c"}`
	w.ask(owner, "POST", "/v1/config/siem", siem).ok()
	stranger := w.partner("p1")
	fill := strings.NewReplacer("{name}", "victim", "{id}", "victim", "{path...}", "victim", "{path}", "victim", "{version}", "0")
	for _, route := range dsv().Routes {
		if route.Scope != "audit:admin" {
			continue
		}
		method, path, _ := strings.Cut(route.Pattern, " ")
		w.ask(stranger, method, fill.Replace(path), `{}`).refused(403, "tenant_access_denied")
	}
	for _, x := range [][]string{
		{"GET", "/v1/users", ""}, {"GET", "/v1/users/victim", ""}, {"PUT", "/v1/users/victim", `{"password":"another password"}`},
		{"GET", "/v1/config/siem/main", ""}, {"DELETE", "/v1/config/siem/main", ""}, {"DELETE", "/v1/roles/reader", ""}, {"DELETE", "/v1/users/victim", ""},
	} {
		if a := w.ask(stranger, x[0], x[1], x[2]); a.Code < 400 {
			t.Errorf("%s %s answers %d %s", x[0], x[1], a.Code, a.Body)
		}
	}
	w.get(stranger, "/v1/users", "X-Tenant-ID", "acme").ok()
}

// A policy whose path looks like a pattern says no more than another.
func TestAPolicyPathIsNoPattern(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	ada := w.signIn("ada", "", "")
	for _, path := range []string{"<.*>", "x<.*>", "a>b", "a<b", "<"} {
		a := w.ask(admin, "POST", "/v1/config/policies", policyText(path, `{"subjects":["users:ada"],"effect":"allow","actions":["list"]}`))
		if a.Code < 400 || a.Code > 499 {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
	w.get(ada, "/v1/audit").refused(403, "")
	w.ask(admin, "POST", "/v1/config/policies", policyText("good", `{"subjects":["users:ada"],"effect":"allow","resources":["audit"],"actions":["list"]}`)).ok()
	w.get(ada, "/v1/audit").ok()
}

// A small document does not become a large one.
func TestAPolicyDoesNotGrow(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "a: &a %q\nb: &b [", strings.Repeat("x", 20_000))
	yaml.WriteString(strings.Repeat("*a,", 49) + "*a]\nc: [")
	yaml.WriteString(strings.Repeat("*b,", 999) + "*b]\npermissionDocument: []\n")
	body, err := json.Marshal(map[string]string{"path": "x", "policy": yaml.String(), "serialization": "yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			w.ask(admin, "POST", "/v1/config/policies", string(body)).refused(400, "")
		}
	}).AllocedBytesPerOp(); n > 64<<20 {
		t.Errorf("a body of %d bytes takes %d bytes of memory", len(body), n)
	}
}

// What a policy denies is denied however the name is written.
func TestADeniedNameIsDeniedInAnySpelling(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	for _, name := range []string{"boss", "eve"} {
		w.ask(admin, "POST", "/v1/users", `{"userName":"`+name+`","password":"`+alicesPassword+`"}`).ok()
	}
	w.ask(admin, "POST", "/v1/groups", `{"groupName":"chiefs"}`).ok()
	w.ask(admin, "POST", "/v1/roles", `{"name":"reader"}`).ok()
	client := w.ask(admin, "POST", "/v1/clients", `{"role":"reader"}`).ok().text("id")
	w.policy("all", "allow", []string{"users:eve"}, []string{"<.*>"}, []string{"<.*>"})
	w.policy("but", "deny", []string{"users:eve"}, []string{"users:boss", "groups:chiefs", "roles:reader", "clients:" + client, "tenants:acme:standings:boss"}, []string{"<.*>"})
	eve := w.login(`{"grant_type":"password","username":"eve","password":"` + alicesPassword + `"}`)
	for _, path := range []string{"/v1/users/BOSS", "/v1/groups/Chiefs", "/v1/roles/READER", "/v1/clients/" + strings.ToUpper(client)} {
		w.get(eve, path).refused(403, "policy_denied")
		w.ask(eve, "DELETE", path, "").refused(403, "policy_denied")
	}
	w.ask(eve, "PUT", "/v1/tenants/acme/standings/Boss", `{"standing":"auditor"}`).refused(403, "policy_denied")
	w.ask(eve, "POST", "/v1/groups/Chiefs/members", `{"memberNames":["eve"]}`).refused(403, "policy_denied")
}

// To restore or roll back a policy is to change it, also where it is a GET.
func TestRestoringIsUpdating(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	permission := `{"subjects":["users:nobody"],"effect":"allow","actions":["list"]}`
	w.ask(admin, "POST", "/v1/config/policies", policyText("gone", permission)).ok()
	w.ask(admin, "DELETE", "/v1/config/policies/gone", "").ok()
	w.ask(admin, "POST", "/v1/config/policies", policyText("kept", permission)).ok()
	w.policy("readers", "allow", []string{"users:eve"}, []string{"config:policies:<.*>"}, []string{"read", "list"})
	eve := w.signIn("eve", "", "")
	w.get(eve, "/v1/config/policies/kept").ok()
	w.get(eve, "/v1/config/policies/kept/version/0").ok()
	w.get(eve, "/v1/config/policies/gone/restore").refused(403, "insufficient_scope")
	w.policy("writers", "allow", []string{"users:eve"}, []string{"config:policies:<.*>"}, []string{"update"})
	w.policy("but", "deny", []string{"users:eve"}, []string{"config:policies:gone", "config:policies:kept"}, []string{"update"})
	w.get(eve, "/v1/config/policies/gone/restore").refused(403, "policy_denied")
	w.ask(eve, "PUT", "/v1/config/policies/gone/restore", "").refused(403, "policy_denied")
	w.ask(eve, "PUT", "/v1/config/policies/kept/rollback/0", "").refused(403, "policy_denied")
}

// Whom a policy lets make tokens gives no rights that they do not have.
func TestATokenMadeByPolicyHasNoMoreRights(t *testing.T) {
	w := newWorld(t)
	w.tenantAdmin("acme")
	w.policy("tokens", "allow", []string{"users:eve"}, []string{"tokens"}, []string{"create"})
	eve := w.signIn("eve", "", "")
	for _, scope := range auth.AllScopes() {
		w.ask(eve, "POST", "/v1/tokens", `{"subject":"eve","tenant":"acme","scopes":["`+scope+`"]}`).refused(403, "tenant_access_denied")
	}
	auditor := w.signIn("olga", identity.Auditor, "")
	w.policy("more", "allow", []string{"users:olga"}, []string{"tokens"}, []string{"create"})
	w.ask(auditor, "POST", "/v1/tokens", `{"subject":"olga","tenant":"acme","scopes":["audit:read"]}`).ok()
	w.ask(auditor, "POST", "/v1/tokens", `{"subject":"olga","tenant":"acme","scopes":["audit:write"]}`).refused(403, "tenant_access_denied")
}

// A slow body is a request of the moment when it ends.
func TestRightsThatEndWhileTheBodyArrivesAreGone(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	for _, x := range [][]string{
		{"POST", "/v1/tokens", `{"subject":"eve","tenant":"acme","scopes":["audit:admin"]}`},
		{"POST", "/v1/users", `{"userName":"eve","password":"` + alicesPassword + `"}`},
	} {
		made, secret, err := w.auth.Create(&auth.Caller{}, auth.TokenSpec{Subject: "brief", Tenant: "acme", Scopes: auth.AllScopes()})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(x[0], x[1], &slowBody{text: x[2], before: func() {
			w.ask(admin, "DELETE", "/v1/tokens/"+made.ID, "").ok()
		}})
		r.Header.Set("Authorization", "Bearer "+secret)
		if a := w.send(r); a.Code != http.StatusUnauthorized {
			t.Errorf("%s %s answers %d %s", x[0], x[1], a.Code, a.Body)
		}
	}
}

// A slowBody does something before it is read.
type slowBody struct {
	text   string
	before func()
	r      *strings.Reader
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.r == nil {
		b.before()
		b.r = strings.NewReader(b.text)
	}
	return b.r.Read(p)
}

// Who only knocks does not fill the log: beyond the pace that is allowed,
// attempts to sign in leave one event until the next is allowed.
func TestAFloodOfLoginsDoesNotFillTheLog(t *testing.T) {
	w := newWorld(t)
	w.tenantAdmin("acme")
	const attempts = 400
	for i := range attempts {
		user := fmt.Sprintf("user%d", i)
		w.ask(token{}, "POST", "/v1/token", `{"grant_type":"password","username":"`+user+`","password":"wrong words"}`)
		w.ask(token{}, "POST", "/v1/token", `{"grant_type":"refresh_token","refresh_token":"annal_refresh_x"}`)
		w.ask(token{}, "POST", "/auth/login", `{"username":"`+user+`","password":"wrong words"}`)
	}
	if n := len(w.log.Events()); n < 60 || n > 70 {
		t.Errorf("%d attempts left %d events", 3*attempts, n)
	}
}

// No user passes for a role, a client or somebody whom an issuer knows.
func TestAUserIsNobodyElse(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	for _, name := range []string{"roles:reader", "clients:x", "groups:chiefs", "users:ada", "Roles:Reader"} {
		w.ask(admin, "POST", "/v1/users", `{"userName":"`+name+`","password":"`+alicesPassword+`"}`).refused(400, "")
	}
}

// What is added to a group of any size is in the event.
func TestAChangeOfALargeGroupIsRecorded(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.ask(admin, "POST", "/v1/groups", `{"groupName":"big"}`).ok()
	for i := range 8 {
		var names []string
		for j := range 240 {
			names = append(names, fmt.Sprintf("%s-%d-%d", strings.Repeat("n", 230), i, j))
		}
		body, err := json.Marshal(map[string]any{"memberNames": names})
		if err != nil {
			t.Fatal(err)
		}
		w.ask(admin, "POST", "/v1/groups/big/members", string(body)).ok()
	}
	w.ask(admin, "POST", "/v1/groups/big/members", `{"memberNames":["mallory"]}`).ok()
	es := w.log.Events()
	if last := es[len(es)-1]; !strings.Contains(last.Extra, "mallory") || last.Tenant != "acme" {
		t.Errorf("the event says %s in %s", last.Extra, last.Tenant)
	}
}

// A tenant that cannot be one hides nothing of what was changed.
func TestAnImpossibleTenantHidesNothing(t *testing.T) {
	w := newWorld(t)
	root := w.super()
	a := w.ask(root, "POST", "/v1/tokens", `{"subject":"eve","scopes":["audit:admin"]}`, "X-Tenant-ID", "no tenant!")
	es := w.log.Events()
	if last := es[len(es)-1]; a.Code < 400 && (last.Tenant != OwnTenant || !strings.Contains(last.Extra, "audit:admin")) {
		t.Errorf("answer %d; the event in %s says %s", a.Code, last.Tenant, last.Extra)
	}
	// Nor does one that the token has nothing to do with.
	w.ask(root, "POST", "/v1/tokens", `{"subject":"eve","scopes":["audit:admin"]}`, "X-Tenant-ID", "acme").ok()
	es = w.log.Events()
	if last := es[len(es)-1]; last.Tenant != OwnTenant {
		t.Errorf("a token for everything is an event of %s", last.Tenant)
	}
}

// Whatever a request looks like, that somebody read is noted. (A note that is
// refused panics here.)
func TestEveryReadIsNoted(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	long := strings.Repeat("%C3%A9", 1000)
	for _, query := range []string{"=x", "a=%00", "%00=1", "%7F=1", "a=%E2%80%A8", "__proto__=1", "a=1&a=2&A=3", "text=" + long, long + "=1", "password=hunter2", strings.Repeat("a=b&", 2000), "text=%5C%22%7D"} {
		for _, agent := range []string{"x", "\x01\x02", "\xff\xfe", strings.Repeat("u", 5000), "\u2028"} {
			before := len(w.reads.Events())
			w.get(acme, "/v1/audit/logs?"+query, "User-Agent", agent, "X-Request-ID", "r")
			if n := len(w.reads.Events()); n != before+1 {
				t.Errorf("%.40q by %.10q leaves %d notes", query, agent, n-before)
			}
		}
	}
}

// A change that ends when its tenant is gone does not bring the tenant back.
func TestARecordDoesNotBringATenantBack(t *testing.T) {
	w := newWorld(t)
	w.tenantAdmin("acme")
	r := httptest.NewRequest("POST", "/v1/roles", &slowBody{text: `{"name":"reader"}`, before: func() {
		if err := w.auth.DeleteTenant("acme"); err != nil {
			t.Fatal(err)
		}
	}})
	r.Header.Set("Authorization", "Bearer "+w.of("acme").secret)
	if a := w.send(r); a.Code < 400 {
		t.Errorf("answer is %d %s", a.Code, a.Body)
	}
	if _, known := w.auth.Tenant("acme"); known {
		t.Error("the tenant is back")
	}
}
