package api

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// router finds routes by the escaped path, segment by segment, and never
// redirects: "a//b" stays two slashes and "%2F" is part of its segment.
type router struct{ root node }

type node struct {
	literal map[string]*node
	one     *node // {name}: a segment that is not empty
	rest    *node // {name...}: all that is left, slashes included
	routes  []binding
}

type binding struct {
	method  string
	dialect *Dialect
	route   *Route
}

func (r *router) add(d *Dialect, route *Route) {
	method, path, _ := strings.Cut(route.Pattern, " ")
	n := &r.root
	for _, segment := range strings.Split(path, "/") {
		n = n.child(segment)
	}
	n.routes = append(n.routes, binding{method, d, route})
}

func (n *node) child(segment string) *node {
	at := &n.one
	switch {
	case strings.HasSuffix(segment, "...}"):
		at = &n.rest
	case !strings.HasPrefix(segment, "{"):
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[segment] == nil {
			n.literal[segment] = new(node)
		}
		return n.literal[segment]
	}
	if *at == nil {
		*at = new(node)
	}
	return *at
}

// find returns the routes of a path and the values of its wildcards. Literal
// segments win over {name}, and that over {name...}.
func (r *router) find(escaped string) ([]binding, []string) {
	return r.root.find(escaped, nil)
}

func (n *node) find(path string, values []string) ([]binding, []string) {
	segment, left, more := strings.Cut(path, "/")
	text, err := url.PathUnescape(segment)
	if err != nil {
		return nil, nil
	}
	if next := n.literal[text]; next != nil {
		if bs, vs := next.end(left, more, values); bs != nil {
			return bs, vs
		}
	}
	if n.one != nil && text != "" {
		if bs, vs := n.one.end(left, more, append(values, text)); bs != nil {
			return bs, vs
		}
	}
	if n.rest != nil {
		if text, err := url.PathUnescape(path); err == nil {
			return n.rest.routes, append(values, text)
		}
	}
	return nil, nil
}

// end goes on with what is left of a path, if anything is.
func (n *node) end(left string, more bool, values []string) ([]binding, []string) {
	if more {
		return n.find(left, values)
	}
	return n.routes, values
}

// route finds where a call goes.
func (s *server) route(c *Call) error {
	path, tenant := tenantPrefix(c.URL.EscapedPath())
	c.tenant = tenant
	bindings, values := s.router.find(path)
	c.dialect = s.owner(path)
	if bindings == nil {
		return errNoRoute
	}
	c.dialect = bindings[0].dialect
	method := c.Method
	if method == "HEAD" {
		method = "GET"
	}
	i := slices.IndexFunc(bindings, func(b binding) bool { return b.method == method })
	if i < 0 {
		return notAllowed(bindings)
	}
	c.route, c.values = bindings[i].route, values
	for _, v := range append(values, tenant) {
		if !utf8.ValidString(v) {
			return errInvalidPath
		}
	}
	return nil
}

// tenantPrefix takes the tenant out of /v1/t/{tenant}/…. That the rest follows
// without a second /v1 is a guess: the original names the prefix only.
func tenantPrefix(path string) (rest, tenant string) {
	after, ok := strings.CutPrefix(path, "/v1/t/")
	if !ok {
		return path, ""
	}
	segment, rest, ok := strings.Cut(after, "/")
	tenant, err := url.PathUnescape(segment)
	if !ok || err != nil || tenant == "" {
		return path, ""
	}
	return "/v1/" + rest, tenant
}

// owner returns the dialect that refuses an unknown path.
func (s *server) owner(path string) *Dialect {
	best, length := &s.dialects[0], 0
	for i := range s.dialects {
		for _, base := range s.dialects[i].Bases {
			if strings.HasPrefix(path, base) && len(base) > length {
				best, length = &s.dialects[i], len(base)
			}
		}
	}
	return best
}

func notAllowed(bindings []binding) error {
	var allow []string
	for _, b := range bindings {
		allow = append(allow, b.method)
		if b.method == "GET" {
			allow = append(allow, "HEAD")
		}
	}
	slices.Sort(allow)
	return &fault{status: 405, code: "method_not_allowed", message: "this path answers to " + strings.Join(allow, ", "), allow: strings.Join(allow, ", ")}
}
