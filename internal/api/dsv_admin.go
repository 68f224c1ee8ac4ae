package api

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"annal"
	"annal/internal/identity"
)

// What DSV's client administers: verbs over the directory of one tenant. Each
// kind of thing supplies how it is read, found, made and shown.

// administered is the tenant whose people, policies and SIEMs the call is about.
func (c *Call) administered() string {
	switch {
	case c.tenant != "":
		return c.tenant
	case c.Caller.Tenant != "":
		return c.Caller.Tenant
	case c.Caller.Home != "":
		return c.Caller.Home
	}
	return DefaultTenant
}

// ofOneTenant refuses callers of several tenants who do not say which one the
// call is about: the default is for those who may see it.
func ofOneTenant(routes []Route) []Route {
	for i := range routes {
		do := routes[i].Do
		routes[i].Do = func(c *Call) error {
			if !c.Caller.sees(c.administered()) {
				return errWhichTenant
			}
			return do(c)
		}
	}
	return routes
}

var errWhichTenant = &fault{
	status: http.StatusForbidden, code: "tenant_access_denied",
	message: "this token has rights over several tenants: name one of them in X-Tenant-ID",
}

// settle makes the tenant of a thing that is about to be made, if the caller
// may bring new ones.
func (c *Call) settle() error {
	tenant := c.administered()
	fresh, err := c.s.Auth.Admit(&c.Caller, tenant)
	if err != nil || !fresh {
		return err
	}
	return c.s.Auth.Register([]string{tenant})
}

// dsvBoth serves routes with and without a slash at the end, as DSV does.
func dsvBoth(routes ...Route) []Route {
	for _, r := range routes {
		r.Pattern += "/"
		routes = append(routes, r)
	}
	return routes
}

var errNoItem = &fault{status: http.StatusNotFound, code: "not_found", message: "unable to find item with specified identifier"}

// dsvError puts errors of the directory into DSV's words: what is wrong with a
// body is 400, and so is a name that is taken.
func dsvError(err error, taken string) error {
	var body bodyError
	switch {
	case errors.Is(err, annal.ErrNotFound):
		return errNoItem
	case errors.Is(err, identity.ErrExists):
		return &fault{status: http.StatusBadRequest, code: "exists", message: taken}
	case errors.As(err, &body):
		return body.InvalidError
	}
	return err
}

// What DSV says of a name that is taken.
const (
	takenPrincipal = "a security principal with this name already exists"
	takenPolicy    = "a policy with this path already exists"
	takenSIEM      = "a SIEM endpoint with this name already exists"
)

// dsvRead shows what the last wildcard names.
func dsvRead[T any](get func(c *Call, tenant, name string) (T, error), show func(*writer, *T)) Verb {
	return func(c *Call) error {
		v, err := get(c, c.administered(), c.values[0])
		if err != nil {
			return dsvError(err, "")
		}
		show(&c.out, &v)
		return nil
	}
}

// dsvFind shows a page of what a search finds.
func dsvFind[T any](find func(c *Call, tenant string, q identity.Search) (identity.Found[T], error), show func(*writer, *T)) Verb {
	return func(c *Call) error {
		q, err := c.dsvSearch()
		if err != nil {
			return err
		}
		found, err := find(c, c.administered(), q)
		if err != nil {
			return err
		}
		w := &c.out
		w.open('{')
		w.textMember("cursor", found.Next)
		w.name("data")
		w.open('[')
		for i := range found.Items {
			show(w, &found.Items[i])
		}
		w.close(']')
		w.intMember("length", int64(len(found.Items)))
		w.intMember("limit", int64(found.Limit))
		w.intMember("total", int64(found.Total))
		w.close('}')
		return nil
	}
}

// dsvSearch reads what a search asks for. Parameters for sorting are ignored:
// what is found is in the order of its names.
func (c *Call) dsvSearch() (identity.Search, error) {
	given, err := parseQuery(c.URL.RawQuery)
	if err != nil {
		return identity.Search{}, err
	}
	q := identity.Search{Term: given.Get("searchTerm"), Cursor: given.Get("cursor"), Role: strings.ToLower(given.Get("role"))}
	if limit := given.Get("limit"); limit != "" {
		n, err := strconv.ParseInt(limit, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return q, annal.Invalid("limit", "must be a whole number")
		}
		q.Limit = int(min(max(n, 1), identity.MaxLimit))
	}
	for _, name := range []string{"searchTerm", "cursor", "role", "limit"} {
		if len(given[name]) > 1 {
			return q, annal.Invalid(name, "%s", errTwice.Error())
		}
	}
	return q, nil
}

// forced reads whether a thing is to be deleted for good.
func (c *Call) forced() (bool, error) {
	given, err := parseQuery(c.URL.RawQuery)
	if err != nil {
		return false, err
	}
	switch given.Get("force") {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, annal.Invalid("force", "must be true or false")
}

// readLoose reads a JSON body into v, whatever further members it has: DSV's
// clients send some that mean nothing here.
func (c *Call) readLoose(v any) error {
	if err := checkMediaType(c.Header.Get("Content-Type")); err != nil {
		return err
	}
	b, err := c.smallBody()
	if err != nil {
		return err
	}
	return unmarshalLoose(b, v)
}

// smallBody reads the body of a request that is not events. It may have taken its
// time, so that the caller is asked once more who they are: what has ended since
// allows nothing.
func (c *Call) smallBody() ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, maxSmallBody))
	if err != nil {
		return nil, bodyReadError(err)
	}
	return b, c.identify()
}

func unmarshalLoose(b []byte, v any, options ...json.Options) error {
	err := json.Unmarshal(b, v, options...)
	if err == nil {
		return nil
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONPointer != "" {
		return annal.Invalid(shortened(strings.ReplaceAll(string(semantic.JSONPointer[1:]), "/", ".")), "is not of the type that is expected")
	}
	return annal.Invalid("", "the body is not the JSON object that is expected here")
}

// appendMeta writes the members that everything with a name has.
func appendMeta(w *writer, m *identity.Meta) {
	w.timeMember("created", m.Created, dsvDigits)
	w.textMember("createdBy", m.CreatedBy)
	w.timeMember("lastModified", m.Modified, dsvDigits)
	w.textMember("lastModifiedBy", m.ModifiedBy)
	w.textMember("version", strconv.Itoa(m.Version))
}
