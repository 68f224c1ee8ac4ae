package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"annal"
)

// dialects lists every spelling that is served. Their routes never overlap. The
// first is annal's own, which also answers for paths that are nobody's.
func dialects() []Dialect { return []Dialect{native(), scaiVault(), dsv(), certifyClouds(), scaiKey()} }

// A Dialect is one published spelling of the audit API.
type Dialect struct {
	Name   string
	Bases  []string // unknown paths below them are this dialect's to refuse
	Routes []Route
	// Audits names the event that annal writes of its own when a route of this
	// pattern changes something, such as "token.created"; see [Change].
	Audits map[string]string

	// BadParam is the status for parameters that cannot be read.
	BadParam int
	// ErrorType is the media type of an error's body, which Fail appends to b.
	ErrorType string
	Fail      func(b []byte, f *Failure) []byte
	// Credential finds what the caller authenticates with, in the form of an
	// Authorization header; nil: that header.
	Credential func(*http.Request) string
}

// A Route binds a method and a path to a verb.
type Route struct {
	// Pattern is a method and a path whose segments may be {name}, and whose
	// last may be {name...}, which takes slashes too.
	Pattern string
	Scope   string // what the caller's token must allow; "" needs no token
	Status  int    // on success
	Do      Verb
}

// A Verb answers one call by writing to its out, or streams.
type Verb func(*Call) error

// A Call is one request on its way through a verb.
type Call struct {
	*http.Request
	Reader // narrowed to the tenants of the request
	Caller Caller

	ctx     context.Context
	s       *server
	w       http.ResponseWriter
	dialect *Dialect
	route   *Route
	id      string   // the request's id
	tenant  string   // the tenant that the request names, or ""
	values  []string // of the path's wildcards, in order

	visible []string     // the tenants that Reader is narrowed to; nil: all
	rows    atomic.Int64 // events read so far
	missing annal.Gaps   // from the answer so far
	changes []Change     // noted by the verb, to be recorded

	holdings  []holding // of rooms
	answering int64     // bytes of them for the answer
	passing   *passing  // a piece of the answer that is being sent; nil: there was none

	out       writer // the answer so far
	mediaType string // of the answer
	status    int    // sent; 0: not yet
}

// PathValue returns the value of the route's wildcard with that name.
func (c *Call) PathValue(name string) string {
	i := 0
	for _, segment := range strings.Split(c.route.Pattern, "/") {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		if strings.Trim(segment, "{}.") == name {
			return c.values[i]
		}
		i++
	}
	panic("api: " + c.route.Pattern + " has no " + name)
}

// identify says who calls and narrows the Reader to what they may see.
func (c *Call) identify() error {
	if c.route.Scope == "" {
		c.Reader = narrowTo(c.s.Reader, []string{})
		return nil
	}
	caller, err := c.s.Auth.Authenticate(c.ctx, c.credential())
	if err != nil {
		return err
	}
	c.Caller = caller // also of a call that is refused
	if err := c.permit(&c.Caller); err != nil {
		return err
	}
	c.visible = c.Caller.Tenants
	if c.tenant == "" {
		c.tenant = c.Header.Get("X-Tenant-ID")
	}
	if c.tenant != "" {
		if !c.Caller.sees(c.tenant) {
			return &fault{status: http.StatusForbidden, code: "tenant_access_denied", message: "this token has no rights over the tenant that the request names"}
		}
		c.visible = []string{c.tenant}
	}
	c.Reader = watched{narrowTo(c.s.Reader, c.visible), c}
	return nil
}

func (c *Call) credential() string {
	if c.dialect.Credential != nil {
		return c.dialect.Credential(c.Request)
	}
	return c.Header.Get("Authorization")
}

// sees reports whether c has rights over tenant.
func (c *Caller) sees(tenant string) bool {
	if c.Tenants == nil {
		return true
	}
	_, ok := slices.BinarySearch(c.Tenants, tenant)
	return ok
}

// narrowed is a Reader that sees some tenants only. It embeds none, so that a
// new method of Reader cannot slip past it.
type narrowed struct {
	all     Reader
	tenants []string // nil: every one
}

func narrowTo(r Reader, tenants []string) Reader { return narrowed{r, tenants} }

func (n narrowed) Search(ctx context.Context, q annal.Query) (annal.Page, error) {
	q.Tenants = n.tenants
	return n.all.Search(ctx, q)
}

func (n narrowed) Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error {
	q.Tenants = n.tenants
	return n.all.Scan(ctx, q, fn)
}

// Event ignores the tenants it is given for those it may see.
func (n narrowed) Event(ctx context.Context, _ []string, id annal.ID) (annal.Event, error) {
	return n.all.Event(ctx, n.tenants, id)
}

func (n narrowed) Summarize(ctx context.Context, q annal.Query, a annal.Aggregation) (annal.Summary, error) {
	q.Tenants = n.tenants
	return n.all.Summarize(ctx, q, a)
}

func (n narrowed) Values(ctx context.Context, q annal.Query, f annal.Field, limit int) ([]annal.Count, bool, error) {
	q.Tenants = n.tenants
	return n.all.Values(ctx, q, f, limit)
}

func (n narrowed) Tail(ctx context.Context, q annal.Query, from uint64, fn func(*annal.Event, []byte) bool) (uint64, error) {
	q.Tenants = n.tenants
	return n.all.Tail(ctx, q, from, fn)
}

func (n narrowed) End() uint64 { return n.all.End() }

// Missing tells tenants what was lost of the whole log: see missing.go.
func (n narrowed) Missing(q annal.Query) annal.Gaps {
	q.Tenants = n.tenants
	return n.all.Missing(q)
}
