package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"annal/internal/identity"
)

// unlimited are the texts of inputs that have no limit of their own besides that
// of the body, by the end of their path.
func unlimited() map[string]string {
	return map[string]string{
		"policy":    "a document, whose parts have limits",
		"time":      "must be a time",
		"timestamp": "must be a time",
		"expires":   "must be a time",
		"id":        "of tokens: is ignored",
		// Sign-ins answer all that is wrong in the same way, also what is too long.
		"username": "", "password": "", "provider": "", "client_id": "", "client_secret": "", "refresh_token": "",
		"flags[]": "has a limit in all",
	}
}

// texts calls see with each text of a schema, by its path.
func texts(s *openapi3.Schema, path string, see func(path string, s *openapi3.Schema)) {
	for _, one := range slices.Concat(s.OneOf, s.AnyOf, s.AllOf) {
		texts(one.Value, path, see)
	}
	if s.Items != nil {
		texts(s.Items.Value, path+"[]", see)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		texts(s.Properties[name].Value, strings.TrimPrefix(path+"."+name, "."), see)
	}
	if s.Type != nil && s.Type.Includes("string") {
		see(path, s)
	}
}

// What is sent has a limit, and the document says it.
func TestDocumentHasTheLimitOfEveryInput(t *testing.T) {
	seen := 0
	for path, item := range newChecker(t).doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
				continue
			}
			texts(op.RequestBody.Value.Content["application/json"].Schema.Value, "", func(at string, s *openapi3.Schema) {
				seen++
				_, free := unlimited()[at[strings.LastIndexByte(at, '.')+1:]]
				if s.MaxLength == nil && s.Pattern == "" && len(s.Enum) == 0 && !free {
					t.Errorf("%s %s: the document does not say how long %s may be", method, path, at)
				}
			})
		}
	}
	if seen < 100 {
		t.Errorf("the document has %d texts that are sent, want more", seen)
	}
}

// An input is a good body for a route, of which n tells it from others.
type input struct {
	schema, method, path string
	body                 func(n int) map[string]any
}

func inputs() []input {
	name := func(n int) string { return fmt.Sprint("name", n) }
	return []input{
		{"DsvUserInput", "POST", "/v1/users", func(n int) map[string]any {
			return map[string]any{"userName": name(n), "password": alicesPassword}
		}},
		{"DsvUserChange", "PUT", "/v1/users/bob", func(int) map[string]any { return map[string]any{} }},
		{"DsvGroupInput", "POST", "/v1/groups", func(n int) map[string]any { return map[string]any{"groupName": name(n)} }},
		{"DsvMembers", "POST", "/v1/groups/all/members", func(int) map[string]any { return map[string]any{"memberNames": []string{"bob"}} }},
		{"DsvRoleInput", "POST", "/v1/roles", func(n int) map[string]any { return map[string]any{"name": name(n)} }},
		{"DsvRoleChange", "PUT", "/v1/roles/reader", func(int) map[string]any { return map[string]any{} }},
		{"DsvClientInput", "POST", "/v1/clients", func(int) map[string]any { return map[string]any{"role": "reader"} }},
		{"DsvPolicyInput", "POST", "/v1/config/policies", func(n int) map[string]any {
			return map[string]any{"path": name(n), "policy": `{"permissionDocument":[{"subjects":["users:bob"],"effect":"allow","actions":["list"]}]}`}
		}},
		{"DsvSIEMInput", "POST", "/v1/config/siem", func(n int) map[string]any {
			var body map[string]any
			if err := json.Unmarshal([]byte(siemText), &body); err != nil {
				panic(err)
			}
			body["name"] = name(n)
			return body
		}},
		{"ScaiInput", "POST", "/v1/audit/logs", func(int) map[string]any { return map[string]any{"action": "secret.read", "identity_id": "i"} }},
		{"Input", "POST", "/v1/events", func(int) map[string]any {
			return map[string]any{"action": "read", "actor": map[string]any{"id": "user:ada"}}
		}},
		{"TenantInput", "POST", "/v1/tenants", func(n int) map[string]any { return map[string]any{"id": name(n)} }},
		{"TokenInput", "POST", "/v1/tokens", func(int) map[string]any {
			return map[string]any{"subject": "x", "scopes": []string{"audit:read"}}
		}},
	}
}

// The limits in the document are those that are enforced: a text of that length
// is taken, and a longer one is not.
func TestDocumentedLimitsAreEnforced(t *testing.T) {
	for _, in := range inputs() {
		t.Run(in.schema, func(t *testing.T) {
			w := newWorld(t)
			admin := w.tenantAdmin("acme")
			w.ask(admin, "POST", "/v1/users", `{"userName":"bob","password":"`+alicesPassword+`"}`).ok()
			w.ask(admin, "POST", "/v1/groups", `{"groupName":"all"}`).ok()
			w.ask(admin, "POST", "/v1/roles", `{"name":"reader"}`).ok()
			if in.schema == "DsvClientInput" { // whose role must be there
				w.ask(admin, "POST", "/v1/roles", `{"name":"`+strings.Repeat("a", identity.MaxName)+`"}`).ok()
			}
			by := admin
			if !strings.HasPrefix(in.schema, "Dsv") {
				by = w.super() // whose events and tokens may be of any tenant
			}
			n := 0
			send := func(at string, length int) int {
				n++
				body := in.body(n)
				set(body, at, length)
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				return w.ask(by, in.method, in.path, string(text)).Code
			}
			texts(newChecker(t).doc.Components.Schemas[in.schema].Value, "", func(at string, s *openapi3.Schema) {
				if s.MaxLength == nil {
					return
				}
				most := int(*s.MaxLength)
				if within := send(at, most); within >= 300 {
					t.Errorf("%s of %d bytes: %d, though the document allows it", at, most, within)
				}
				if beyond := send(at, most+1); beyond < 400 || beyond >= 500 {
					t.Errorf("%s of %d bytes: %d, though the document forbids it", at, most+1, beyond)
				}
			})
		})
	}
}

// set puts a text of a length into a body, at a path such as actor.id or
// members[].
func set(body map[string]any, at string, length int) {
	name, rest, deeper := strings.Cut(at, ".")
	if deeper {
		inner, ok := body[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			body[name] = inner
		}
		set(inner, rest, length)
		return
	}
	text := strings.Repeat("a", length)
	if list, ok := strings.CutSuffix(name, "[]"); ok {
		body[list] = []string{text}
		return
	}
	body[name] = text
}
