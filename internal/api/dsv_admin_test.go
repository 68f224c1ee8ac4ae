package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"annal"
	"annal/internal/auth"
	"annal/internal/identity"
)

// tenantAdmin makes a tenant and returns who administers it.
func (w *world) tenantAdmin(tenant string) token {
	w.t.Helper()
	if err := w.auth.Register([]string{tenant}); err != nil {
		w.t.Fatal(err)
	}
	return w.of(tenant)
}

// login signs in over HTTP.
func (w *world) login(body string, header ...string) token {
	w.t.Helper()
	return token{w.ask(token{}, "POST", "/v1/token", body, header...).ok().text("accessToken")}
}

const alicesPassword = "correct horse battery"

// policyText is the body that makes a policy of one permission.
func policyText(path, permission string) string {
	text, err := json.Marshal(`{"permissionDocument":[` + permission + `]}`)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"path":%q,"policy":%s,"serialization":"json"}`, path, text)
}

func TestS2_7_APolicyLetsAGroupReadAndNobodyElse(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.put(event("read", "users:x", "secrets/a", 0))
	for _, name := range []string{"alice", "bob"} {
		w.ask(admin, "POST", "/v1/users/", `{"userName":"`+name+`","password":"`+alicesPassword+`"}`).ok()
	}
	w.ask(admin, "POST", "/v1/groups/", `{"groupName":"audit-readers","members":["alice"]}`).ok()
	alice := w.login(`{"grant_type":"password","username":"alice","password":"` + alicesPassword + `"}`)
	bob := w.login(`{"grant_type":"password","username":"bob","password":"` + alicesPassword + `"}`)
	w.get(alice, "/v1/audit").refused(403, "")
	permission := `{"id":"","description":"","subjects":["groups:audit-readers"],"effect":"allow","resources":["audit"],"actions":["list"],"conditions":null}`
	made := w.ask(admin, "POST", "/v1/config/policies/", policyText("audit", permission)).ok()
	if got := fmt.Sprint(made.at("permissionDocument")); !strings.Contains(got, "groups:audit-readers") || made.text("version") != "0" || made.text("path") != "audit" {
		t.Errorf("the policy is %s", made.Body)
	}
	for _, target := range []string{"/v1/audit", "/v1/audit/logs", "/v1/events"} {
		w.get(alice, target, "Authorization", "Bearer "+alice.secret).ok()
		w.get(bob, target, "Authorization", "Bearer "+bob.secret).refused(403, "insufficient_scope")
	}
	w.get(alice, "/v1/users").refused(403, "")
	w.ask(admin, "DELETE", "/v1/groups/audit-readers/members", `{"memberNames":["alice"]}`)
	w.get(alice, "/v1/audit").refused(403, "")
	w.ask(admin, "POST", "/v1/groups/audit-readers/members", `{"memberNames":["alice"]}`).ok()
	w.get(alice, "/v1/audit").ok()
	deny := `{"subjects":["users:alice"],"effect":"deny","resources":["audit"],"actions":["<.*>"],"conditions":{"remoteIP":{"type":"CIDRCondition","options":{"cidr":"192.0.2.0/24"}}}}`
	w.ask(admin, "POST", "/v1/config/policies", policyText("denials", deny)).ok()
	w.get(alice, "/v1/audit").refused(403, "")
	w.ask(admin, "DELETE", "/v1/config/policies/denials?force=false", "").ok()
	w.get(alice, "/v1/audit").ok()
	w.ask(admin, "PUT", "/v1/config/policies/denials/restore", "").ok()
	w.get(alice, "/v1/audit").refused(403, "")
}

func TestS2_7_PoliciesHaveVersions(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	permission := func(action string) string {
		return `{"subjects":["users:a"],"effect":"allow","actions":["` + action + `"]}`
	}
	w.ask(admin, "POST", "/v1/config/policies/", policyText("a/b", permission("read"))).ok()
	w.ask(admin, "POST", "/v1/config/policies/", policyText("a:b", permission("read"))).same(400, `{"code":400,"message":"a policy with this path already exists","errors":{}}`)
	w.ask(admin, "PUT", "/v1/config/policies/a/b", policyText("", permission("list"))).ok() // the client updates with slashes
	got := w.get(admin, "/v1/config/policies/a:b").ok()
	if got.text("version") != "1" || got.text("permissionDocument.0.actions.0") != "list" || got.at("permissionDocument.0.resources") != nil || got.at("permissionDocument.0.conditions") != nil {
		t.Errorf("after the update: %s", got.Body)
	}
	if v := w.get(admin, "/v1/config/policies/a:b/version/0").ok(); v.text("permissionDocument.0.actions.0") != "read" {
		t.Errorf("version 0 is %s", v.Body)
	}
	if v := w.ask(admin, "PUT", "/v1/config/policies/a:b/rollback/0", "").ok(); v.text("permissionDocument.0.actions.0") != "read" || v.text("version") != "2" {
		t.Errorf("rolled back: %s", v.Body)
	}
	yaml := `{"policy":"permissionDocument:\n- subjects: [\"users:a\"]\n  effect: deny\n  actions: [delete]\n","serialization":"yaml"}`
	if v := w.ask(admin, "PUT", "/v1/config/policies/a:b", yaml).ok(); v.text("permissionDocument.0.effect") != "deny" {
		t.Errorf("from YAML: %s", v.Body)
	}
	for _, target := range []string{"/v1/config/policies/a:b/version/9", "/v1/config/policies/a:b/version/x", "/v1/config/policies/none", "/v1/config/policies/none/version/0"} {
		w.get(admin, target).same(404, `{"code":404,"message":"unable to find item with specified identifier","errors":{}}`)
	}
	w.ask(admin, "PUT", "/v1/config/policies/a:b/rollback/9", "").refused(404, "")
	w.ask(admin, "DELETE", "/v1/config/policies/a:b", "").ok()
	w.get(admin, "/v1/config/policies/a:b").refused(404, "")
	w.get(admin, "/v1/config/policies/a:b/restore").ok()
	w.ask(admin, "DELETE", "/v1/config/policies/a:b?force=true", "").ok()
	w.ask(admin, "PUT", "/v1/config/policies/a:b/restore", "").refused(404, "")
}

// same demands an exact answer.
func (a answer) same(status int, body string) {
	a.t.Helper()
	if a.Code != status || a.Body.String() != body {
		a.t.Errorf("answer is %d %s, want %d %s", a.Code, a.Body, status, body)
	}
}

func TestDSVGrants(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.ask(admin, "POST", "/v1/users", `{"userName":"Alice","password":"`+alicesPassword+`"}`).ok()
	w.ask(admin, "POST", "/v1/roles", `{"name":"reader","description":"reads"}`).ok()
	client := w.ask(admin, "POST", "/v1/clients/", `{"role":"reader","description":"ci"}`).ok()
	w.ask(admin, "POST", "/v1/config/policies", policyText("audit", `{"subjects":["roles:reader","users:alice"],"effect":"allow","actions":["list"]}`)).ok()

	first := w.ask(token{}, "POST", "/v1/token", `{"grant_type":"password","username":"alice","password":"`+alicesPassword+`","provider":""}`, "Authorization", "").ok()
	if first.text("tokenType") != "bearer" || first.at("expiresIn").(float64) < 60 {
		t.Errorf("the grant is %s", first.Body)
	}
	w.get(token{first.text("accessToken")}, "/v1/audit").ok()
	second := w.ask(token{}, "POST", "/v1/token", `{"grant_type":"refresh_token","refresh_token":"`+first.text("refreshToken")+`"}`).ok()
	w.get(token{second.text("accessToken")}, "/v1/audit").ok()
	w.ask(token{}, "POST", "/v1/token", `{"grant_type":"refresh_token","refresh_token":"`+first.text("refreshToken")+`"}`).refused(401, "")

	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client.text("clientId")}, "client_secret": {client.text("clientSecret")}}
	byForm := w.ask(token{}, "POST", "/v1/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").ok()
	w.get(token{}, "/v1/audit", "Authorization", byForm.text("accessToken")).ok()
	for _, target := range []string{"/v1/clients/" + client.text("clientId"), "/v1/clients?role=reader"} {
		if a := w.get(admin, target).ok(); strings.Contains(a.Body.String(), "clientSecret") || !strings.Contains(a.Body.String(), client.text("clientId")) {
			t.Errorf("%s shows %s", target, a.Body)
		}
	}
	w.ask(admin, "DELETE", "/v1/clients/"+client.text("clientId"), "").same(200, "")
	w.get(token{byForm.text("accessToken")}, "/v1/audit").refused(401, "")
}

func TestS2_6_FailedLoginsAreRecordedWithStatusZero(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.ask(admin, "POST", "/v1/users", `{"userName":"alice","password":"`+alicesPassword+`"}`).ok()
	for range 4 {
		w.ask(token{}, "POST", "/v1/token", `{"grant_type":"password","username":"alice","password":"wrong-secret-words"}`).refused(401, "")
	}
	a := w.ask(token{}, "POST", "/v1/token", `{"grant_type":"password","username":"alice","password":"wrong-secret-words"}`).refused(429, "")
	if a.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	log := w.get(admin, "/v1/audit?path=token&limit=10").ok()
	if got, want := log.column("data", "status"), []string{"0", "0", "0", "0", "0", "0"}; !slices.Equal(got, want) {
		t.Errorf("statuses are %v, want %v: %s", got, want, log.Body)
	}
	if got := log.text("data.5.message"); got != "user attempting login: users:alice" || log.text("data.5.principal") != "users:alice" || log.text("data.5.action") != "POST" {
		t.Errorf("a failed login is %s", log.Body)
	}
	for _, e := range w.log.Events() {
		if strings.Contains(string(e.AppendJSON(nil)), "wrong-secret-words") {
			t.Error("the log holds a password")
		}
	}
}

const siemText = `{"siemType":"splunk","name":"main-siem","host":"splunk.example","port":8088,"protocol":"https","endpoint":"/services/collector/event",` +
	`"loggingFormat":"json","authMethod":"token","auth":"hec-token-5f3c0a","sendToEngine":false,"pool":"","allowSelfSigned":true}`

func TestS2_13_S2_14_S2_17_SIEMEndpoints(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	made := w.ask(admin, "POST", "/v1/config/siem", siemText).ok()
	id := made.text("id")
	want := `{"id":"` + id + `",` + strings.TrimSuffix(strings.TrimPrefix(siemText, "{"), "}") + `,"failed":false,"failedEvents":0}`
	made.same(201, want)
	w.get(admin, "/v1/config/siem/main-siem").same(200, want)
	w.ask(admin, "POST", "/v1/config/siem/", siemText).same(400, `{"code":400,"message":"a SIEM endpoint with this name already exists","errors":{}}`)
	w.ask(admin, "POST", "/v1/config/siem/", strings.Replace(siemText, "main-siem", "second", 1)).ok()
	found := w.get(admin, "/v1/config/siem?searchTerm=siem&limit=1").ok()
	if found.text("total") != "1" || found.text("length") != "1" || found.text("limit") != "1" || strings.Contains(found.Body.String(), "hec-token") {
		t.Errorf("the search finds %s", found.Body)
	}
	noName := strings.Replace(strings.Replace(siemText, `"name":"main-siem",`, "", 1), "8088", "9", 1)
	if a := w.ask(admin, "PUT", "/v1/config/siem/main-siem", noName).ok(); a.Code != 200 || a.text("port") != "9" || a.text("id") != id {
		t.Errorf("the update answers %s", a.Body)
	}
	w.ask(admin, "PUT", "/v1/config/siem/none", noName).refused(404, "")
	w.ask(admin, "DELETE", "/v1/config/siem/main-siem", "").same(200, "")
	for _, method := range []string{"GET", "DELETE"} {
		w.ask(admin, method, "/v1/config/siem/main-siem", "").same(404, `{"code":404,"message":"unable to find item with specified identifier","errors":{}}`)
	}
	w.get(w.tenantAdmin("other"), "/v1/config/siem/second").refused(404, "")
	w.get(w.super("audit:read"), "/v1/config/siem/second").refused(403, "")
	if err := w.auth.SaveTenant(auth.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	w.ask(w.super(), "DELETE", "/v1/tenants/acme", "").ok()
	if found, err := w.siems.Search("acme", identity.Search{}); err != nil || found.Total != 0 {
		t.Errorf("a tenant that is no more has %d SIEMs, %v", found.Total, err)
	}
	var actions []string
	for _, e := range w.log.Events() {
		if strings.Contains(string(e.AppendJSON(nil)), "hec-token") {
			t.Errorf("the log holds what authenticates: %s", e.AppendJSON(nil))
		}
		if e.Tenant == "acme" && e.Outcome == annal.Success {
			actions = append(actions, e.Action+" "+e.Resource.Path)
		}
	}
	for _, want := range []string{"siem.created config:siem", "siem.read config:siem:main-siem", "siem.updated config:siem:main-siem", "siem.deleted config:siem:main-siem"} {
		if !slices.Contains(actions, want) {
			t.Errorf("no event %q in %v", want, actions)
		}
	}
}

func TestDSVPeople(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.ask(admin, "POST", "/v1/users", `{"userName":"alice","password":"`+alicesPassword+`"}`).ok()
	w.ask(admin, "POST", "/v1/users", `{"userName":"ALICE","password":"`+alicesPassword+`"}`).same(400, `{"code":400,"message":"a security principal with this name already exists","errors":{}}`)
	if a := w.ask(admin, "PUT", "/v1/users/alice", `{"displayname":"Alice A."}`).ok(); a.text("displayName") != "Alice A." || a.text("version") != "1" {
		t.Errorf("the update answers %s", a.Body)
	}
	w.ask(admin, "PUT", "/v1/users/alice", `{"password":"another long password"}`).ok()
	w.login(`{"grant_type":"password","username":"alice","password":"another long password"}`)
	for i := range 30 {
		w.ask(admin, "POST", "/v1/roles", fmt.Sprintf(`{"name":"role%02d"}`, i)).ok()
	}
	var names []string
	for cursor := ""; ; {
		a := w.get(admin, "/v1/roles?searchTerm=ROLE&limit=7&sort=asc&sortedBy=name&cursor="+cursor).ok()
		names = append(names, a.column("data", "name")...)
		if cursor = a.text("cursor"); cursor == "" {
			break
		}
	}
	if len(names) != 30 || !slices.IsSorted(names) {
		t.Errorf("the search walks %v", names)
	}
	if a := w.ask(admin, "PUT", "/v1/roles/role00", `{"description":"new"}`).ok(); a.text("description") != "new" {
		t.Errorf("the update answers %s", a.Body)
	}
	w.ask(admin, "POST", "/v1/groups", `{"groupName":"g","members":["alice"]}`).ok()
	if a := w.get(admin, "/v1/users/alice/groups").ok(); a.text("data.0.groupName") != "g" {
		t.Errorf("alice's groups are %s", a.Body)
	}
	for _, x := range []string{"users/alice", "groups/g", "roles/role00"} {
		w.get(w.tenantAdmin("other"), "/v1/"+x).refused(404, "")
		w.ask(admin, "DELETE", "/v1/"+x, "").same(200, "")
		w.get(admin, "/v1/"+x).refused(404, "")
	}
	w.ask(admin, "PUT", "/v1/users/none", `{"password":"another long password"}`).refused(404, "")
	w.ask(w.super(), "POST", "/v1/users", `{"userName":"root","password":"`+alicesPassword+`"}`, "X-Tenant-ID", "brand-new").ok()
	w.get(w.super(), "/v1/users/root", "X-Tenant-ID", "brand-new").ok()
}

func TestMalformedDSVAdministration(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	w.ask(admin, "POST", "/v1/users", `{"userName":"alice","password":"`+alicesPassword+`"}`).ok()
	w.ask(admin, "POST", "/v1/config/siem", siemText).ok()
	field := func(name, problem string) string {
		return fmt.Sprintf(`{"code":400,"message":"%s: %s","errors":{"%s":["%s"]}}`, name, problem, name, problem)
	}
	const notObject = `{"code":400,"message":"the body is not the JSON object that is expected here","errors":{"request":["the body is not the JSON object that is expected here"]}}`
	const missing = `{"code":404,"message":"unable to find item with specified identifier","errors":{}}`
	siem := func(old, is string) string { return strings.Replace(siemText, old, is, 1) }
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string // "": not compared
	}{
		{"POST", "/v1/token", ``, 400, notObject},
		{"POST", "/v1/token", `[]`, 400, notObject},
		{"POST", "/v1/token", `{"grant_type":"password"`, 400, notObject},
		{"POST", "/v1/token", `{"grant_type":"password","grant_type":"x"}`, 400, ""},
		{"POST", "/v1/token", `{"grant_type":5}`, 400, field("grant_type", "is not of the type that is expected")},
		{"POST", "/v1/token", `{}`, 400, field("grant_type", "must be password, client_credentials or refresh_token")},
		{"POST", "/v1/token", `{"grant_type":"aws_iam"}`, 400, field("grant_type", "must be password, client_credentials or refresh_token")},
		{"POST", "/v1/token", `{"grant_type":"password","username":"alice"}`, 400, field("password", "is required")},
		{"POST", "/v1/token", `{"grant_type":"password","password":"x"}`, 400, field("username", "is required")},
		{"POST", "/v1/token", `{"grant_type":"password","username":"a","password":"b","provider":"thy-one"}`, 400, field("provider", "unable to find authentication provider")},
		{"POST", "/v1/token", `{"grant_type":"client_credentials","client_id":"x"}`, 400, field("client_secret", "is required")},
		{"POST", "/v1/token", `{"grant_type":"client_credentials","client_id":"x","client_secret":"y"}`, 401, `{"code":401,"message":"the name or the secret is wrong","errors":{}}`},
		{"POST", "/v1/token", `{"grant_type":"refresh_token"}`, 400, field("refresh_token", "is required")},
		{"POST", "/v1/token", `{"grant_type":"refresh_token","refresh_token":"x"}`, 401, ""},
		{"GET", "/v1/token", ``, 405, `{"code":405,"message":"this path answers to POST","errors":{}}`},
		{"POST", "/v1/users", `{"userName":"bob"}`, 400, ""},
		{"POST", "/v1/users", `{"userName":"","password":"` + alicesPassword + `"}`, 400, ""},
		{"POST", "/v1/users", `{"userName":"b","password":"` + alicesPassword + `","provider":"aws"}`, 400, ""},
		{"POST", "/v1/users", `{"userName":["b"],"password":"x"}`, 400, field("userName", "is not of the type that is expected")},
		{"GET", "/v1/users/nobody", ``, 404, missing},
		{"PUT", "/v1/users/alice", `nonsense`, 400, notObject},
		{"DELETE", "/v1/users/nobody", ``, 404, missing},
		{"GET", "/v1/users?limit=x", ``, 400, field("limit", "must be a whole number")},
		{"GET", "/v1/users?limit=1&limit=2", ``, 400, field("limit", "is given more than once")},
		{"GET", "/v1/users?cursor=%21", ``, 400, field("cursor", "is not one that this search returned; begin again without it")},
		{"GET", "/v1/users?searchTerm=%ff", ``, 400, field("searchTerm", "is not UTF-8")},
		{"GET", "/v1/users/alice/keys", ``, 404, `{"code":404,"message":"there is nothing at this path","errors":{}}`},
		{"PATCH", "/v1/users/alice", `{}`, 405, `{"code":405,"message":"this path answers to DELETE, GET, HEAD, PUT","errors":{}}`},
		{"POST", "/v1/groups", `{"groupName":"a/b"}`, 400, ""},
		{"POST", "/v1/groups/none/members", `{"memberNames":["alice"]}`, 404, missing},
		{"POST", "/v1/groups/none/members", `{}`, 400, field("memberNames", "must name at least one member")},
		{"POST", "/v1/roles", `{"name":"r","provider":"aws","externalId":"x"}`, 400, ""},
		{"POST", "/v1/clients", `{"role":"none"}`, 400, field("role", "must be the name of a role")},
		{"POST", "/v1/clients", `{"role":"none","url":true}`, 400, field("url", "there are no bootstrap URLs here: the secret is in the answer")},
		{"POST", "/v1/clients", `{"role":"none","ttl":5}`, 400, field("ttl", "clients do not expire here: delete the client")},
		{"GET", "/v1/clients/none", ``, 404, missing},
		{"POST", "/v1/config/policies", `{"path":"p","policy":"","serialization":"json"}`, 400, field("policy", "must be an object with a permissionDocument, as text")},
		{"POST", "/v1/config/policies", `{"path":"p","policy":"{}","serialization":"xml"}`, 400, field("serialization", "must be json or yaml")},
		{"POST", "/v1/config/policies", `{"path":"p","policy":"{}"}`, 400, ""},
		{"POST", "/v1/config/policies", policyText("p", `{"subjects":["a"],"effect":"maybe","actions":["list"]}`), 400, ""},
		{"POST", "/v1/config/policies", policyText("p", `{"subjects":["users:<(>"],"effect":"allow","actions":["list"]}`), 400, ""},
		{"POST", "/v1/config/policies", policyText("p", `{"subjects":["users:a"],"effect":"allow","actions":["list"],"conditions":{"time":{}}}`), 400, field("permissionDocument[0].conditions/time", "is not a member here, or not of this type")},
		{"POST", "/v1/config/policies", policyText("p", `{"subjects":["users:a"],"effect":"allow","actions":["list"],"conditions":{"remoteIP":{"type":"CIDRCondition","options":{"cidr":"10.0.0.0/99"}}}}`), 400, ""},
		{"DELETE", "/v1/config/policies/p?force=maybe", ``, 400, field("force", "must be true or false")},
		{"DELETE", "/v1/config/policies/p?force=true", ``, 404, missing},
		{"POST", "/v1/config/siem", `{}`, 400, ""},
		{"POST", "/v1/config/siem", siem(`8088`, `"8088"`), 400, field("port", "is not of the type that is expected")},
		{"POST", "/v1/config/siem", siem(`8088`, `65536`), 400, field("port", "must be 0 to 65535")},
		{"POST", "/v1/config/siem", siem(`"port":8088,`, ``), 400, field("port", "must be 0 to 65535")},
		{"POST", "/v1/config/siem", siem(`main-siem`, `ab`), 400, field("name", "must be 3 to 50 of A-Z a-z 0-9 _ -")},
		{"POST", "/v1/config/siem", siem(`"https"`, `"tcp"`), 400, field("protocol", "must be one of https for splunk")},
		{"POST", "/v1/config/siem", siem(`"splunk"`, `"spunk"`), 400, field("siemType", "must be one of syslog, splunk, json, cef")},
		{"POST", "/v1/config/siem", siem(`"json"`, `"cef"`), 400, field("loggingFormat", "must be json for splunk")},
		{"POST", "/v1/config/siem", siem(`"token"`, `"basic"`), 400, field("authMethod", "must be token")},
		{"POST", "/v1/config/siem", siem(`hec-token-5f3c0a`, ``), 400, field("auth", "must be 1 to 8192 visible characters")},
		{"PUT", "/v1/config/siem/main-siem", siem(`8088`, `-2`), 400, field("port", "must be 0 to 65535")},
		{"GET", "/v1/config/siem/main-siem/x", ``, 404, `{"code":404,"message":"there is nothing at this path","errors":{}}`},
		{"GET", "/v1/config/", ``, 404, `{"code":404,"message":"there is nothing at this path","errors":{}}`},
	} {
		by := admin
		if tt.target == "/v1/token" {
			by = token{}
		}
		a := w.ask(by, tt.method, tt.target, tt.body).refused(tt.status, "")
		if tt.want != "" && a.Body.String() != tt.want {
			t.Errorf("%s %s %s answers\n%s, want\n%s", tt.method, tt.target, tt.body, a.Body, tt.want)
		}
	}
	w.ask(admin, "POST", "/v1/users", "userName=bob", "Content-Type", "application/x-www-form-urlencoded").refused(415, "")
	w.ask(token{}, "POST", "/v1/token", "grant_type=%zz", "Content-Type", "application/x-www-form-urlencoded").refused(400, "")
	w.ask(admin, "POST", "/v1/config/siem", strings.Repeat(" ", maxSmallBody+1)).refused(413, "")
}

// A user whom no policy speaks of administers nothing, in any tenant.
func TestNoDSVRouteAdministersAnotherTenant(t *testing.T) {
	w := newWorld(t)
	admin := w.tenantAdmin("acme")
	other := w.tenantAdmin("other")
	w.ask(admin, "POST", "/v1/users", `{"userName":"alice","password":"`+alicesPassword+`"}`).ok()
	w.ask(admin, "POST", "/v1/config/siem", siemText).ok()
	w.ask(admin, "POST", "/v1/config/policies", policyText("audit", `{"subjects":["users:alice"],"effect":"allow","actions":["list"]}`)).ok()
	alice := w.login(`{"grant_type":"password","username":"alice","password":"` + alicesPassword + `"}`)
	fill := strings.NewReplacer("{name}", "alice", "{id}", "x", "{path...}", "audit", "{path}", "audit", "{version}", "0")
	for _, r := range slices.Concat(dsvPeople(), dsvPolicies(), dsvSIEMs()) {
		method, path, _ := strings.Cut(r.Pattern, " ")
		target := strings.Replace(fill.Replace(path), "siem/alice", "siem/main-siem", 1)
		w.ask(alice, method, target, `{}`).refused(403, "")
		w.ask(other, method, target, `{}`, "X-Tenant-ID", "acme").refused(403, "")
		a := w.ask(other, method, target, strings.Replace(siemText, "hec-token-5f3c0a", "own-token", 1))
		if strings.Contains(a.Body.String(), "alice") || strings.Contains(a.Body.String(), "hec-token") {
			t.Errorf("%s shows another tenant's %s", r.Pattern, a.Body)
		}
	}
	if _, err := w.auth.User("acme", "alice"); err != nil {
		t.Error(err)
	}
	if found, err := w.siems.Search("acme", identity.Search{}); err != nil || found.Total != 1 {
		t.Errorf("%d SIEMs left, %v", found.Total, err)
	}
}
