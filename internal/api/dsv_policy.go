package api

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/knadh/koanf/parsers/yaml"

	"annal"
	"annal/internal/identity"
)

// DSV's policies.

func dsvPolicies() []Route {
	routes := dsvBoth(
		Route{"POST /v1/config/policies", "audit:admin", 201, createPolicy},
		Route{"GET /v1/config/policies", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[identity.Policy], error) {
			return c.s.Directory.Policies(tenant, q)
		}, appendPolicy)},
	)
	return append(routes,
		Route{"GET /v1/config/policies/{path...}", "audit:admin", 200, dsvRead(readPolicy, appendPolicy)},
		Route{"PUT /v1/config/policies/{path...}", "audit:admin", 200, updatePolicy},
		Route{"DELETE /v1/config/policies/{path...}", "audit:admin", 200, deletePolicy},
		Route{"GET /v1/config/policies/{path}/version/{version}", "audit:admin", 200, readPolicyVersion},
		Route{"PUT /v1/config/policies/{path}/rollback/{version}", "audit:admin", 200, rollbackPolicy},
		Route{"PUT /v1/config/policies/{path}/restore", "audit:admin", 200, restorePolicy},
		Route{"GET /v1/config/policies/{path}/restore", "audit:admin", 200, restorePolicy},
	)
}

func readPolicy(c *Call, tenant, path string) (identity.Policy, error) {
	return c.s.Directory.Policy(tenant, path)
}

type policyBody struct {
	Path          string `json:"path"`
	Policy        string `json:"policy"`
	Serialization string `json:"serialization"` // json or yaml; "": json
}

// permissions reads the document, which is a text within the body.
func (b *policyBody) permissions() ([]identity.Permission, error) {
	text := []byte(b.Policy)
	switch b.Serialization {
	case "", "json":
	case "yaml", "yml":
		tree, err := yaml.Parser().Unmarshal(text)
		if err != nil {
			return nil, annal.Invalid("policy", "is not YAML")
		}
		var plain bounded
		if err := json.MarshalWrite(&plain, tree); err != nil {
			return nil, annal.Invalid("policy", "is not YAML that JSON could say in %d bytes", maxSmallBody)
		}
		text = plain.b
	default:
		return nil, annal.Invalid("serialization", "must be json or yaml")
	}
	var document struct {
		Items []jsontext.Value `json:"permissionDocument"`
	}
	if unmarshalLoose(text, &document) != nil {
		return nil, annal.Invalid("policy", "must be an object with a permissionDocument, as text")
	}
	permissions := make([]identity.Permission, len(document.Items))
	for i, item := range document.Items {
		// What is not known might be meant to narrow the permission, so that it is
		// not passed over.
		err := json.Unmarshal(item, &permissions[i], json.RejectUnknownMembers(true))
		var semantic *json.SemanticError
		switch at := fmt.Sprintf("permissionDocument[%d]", i); {
		case errors.As(err, &semantic) && semantic.JSONPointer != "":
			return nil, annal.Invalid(shortened(at+"."+string(semantic.JSONPointer[1:])), "is not a member here, or not of this type")
		case err != nil:
			return nil, annal.Invalid(at, "must be an object")
		}
	}
	return permissions, nil
}

// bounded takes no more than a small body could have held: YAML that refers to its
// own parts may stand for far more than its length.
type bounded struct{ b []byte }

func (w *bounded) Write(b []byte) (int, error) {
	if len(w.b)+len(b) > maxSmallBody {
		return 0, errTooLarge
	}
	w.b = append(w.b, b...)
	return len(b), nil
}

func createPolicy(c *Call) error {
	var body policyBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	permissions, err := body.permissions()
	if err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	p, err := c.s.Directory.CreatePolicy(c.Caller.Subject, c.administered(), identity.Policy{Path: body.Path, Permissions: permissions})
	if err != nil {
		return dsvError(err, takenPolicy)
	}
	c.notePolicy(nil, &p)
	appendPolicy(&c.out, &p)
	return nil
}

// changePolicy reads what a policy was, changes it and records both.
func (c *Call) changePolicy(change func(by, tenant, path string) (identity.Policy, error)) error {
	old, err := readPolicy(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	p, err := change(c.Caller.Subject, c.administered(), old.Path)
	if err != nil {
		return dsvError(err, "")
	}
	c.notePolicy(&old, &p)
	appendPolicy(&c.out, &p)
	return nil
}

func updatePolicy(c *Call) error {
	var body policyBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	permissions, err := body.permissions()
	if err != nil {
		return err
	}
	return c.changePolicy(func(by, tenant, path string) (identity.Policy, error) {
		return c.s.Directory.UpdatePolicy(by, tenant, path, permissions)
	})
}

// version reads the number of a version in the path; one that is none is as
// unknown as one that is not there.
func (c *Call) version() (int, error) {
	n, err := strconv.ParseUint(c.PathValue("version"), 10, 31)
	if err != nil {
		return 0, errNoItem
	}
	return int(n), nil
}

func readPolicyVersion(c *Call) error {
	n, err := c.version()
	if err != nil {
		return err
	}
	p, err := c.s.Directory.PolicyVersion(c.administered(), c.values[0], n)
	if err != nil {
		return dsvError(err, "")
	}
	appendPolicy(&c.out, &p)
	return nil
}

func rollbackPolicy(c *Call) error {
	n, err := c.version()
	if err != nil {
		return err
	}
	return c.changePolicy(func(by, tenant, path string) (identity.Policy, error) {
		return c.s.Directory.RollbackPolicy(by, tenant, path, n)
	})
}

func restorePolicy(c *Call) error {
	p, err := c.s.Directory.RestorePolicy(c.Caller.Subject, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	c.notePolicy(nil, &p)
	appendPolicy(&c.out, &p)
	return nil
}

func deletePolicy(c *Call) error {
	force, err := c.forced()
	if err != nil {
		return err
	}
	old, err := readPolicy(c, c.administered(), c.values[0])
	if err != nil && !(force && errors.Is(err, annal.ErrNotFound)) {
		return dsvError(err, "")
	}
	path := c.values[0] // of one that was deleted before, and is now forgotten
	if err == nil {
		path = old.Path
	}
	if err := c.s.Directory.DeletePolicy(c.Caller.Subject, c.administered(), path, force); err != nil {
		return dsvError(err, "")
	}
	old.Path = path
	c.notePolicy(&old, nil)
	return nil
}

// notePolicy records what a policy was and is; nil is nothing.
func (c *Call) notePolicy(old, is *identity.Policy) {
	ch := Change{Tenant: c.administered()}
	facts := func(p *identity.Policy) any {
		ch.Resource = annal.Resource{Type: "policy", ID: p.Path}
		return map[string]any{"version": p.Version, "permissions": p.Permissions}
	}
	if old != nil {
		ch.Old = facts(old)
	}
	if is != nil {
		ch.New = facts(is)
	}
	c.note(ch)
}

func appendPolicy(w *writer, p *identity.Policy) {
	w.open('{')
	w.textMember("id", p.ID)
	w.textMember("path", p.Path)
	appendMeta(w, &p.Meta)
	document, err := json.Marshal(p.Permissions, json.FormatNilSliceAsNull(true))
	if err != nil {
		panic("api: a permission that is no JSON: " + err.Error())
	}
	w.name("permissionDocument")
	w.raw(string(document))
	w.close('}')
}
