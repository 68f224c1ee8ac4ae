package api

import (
	"net/http"
	"slices"
	"strings"

	"annal"
	"annal/internal/identity"
)

// permit refuses a caller who may not use the route. A caller whom annal knows
// may what its scopes or its tenant's policies allow and no policy denies; any
// other may what its scopes say.
func (c *Call) permit(caller *Caller) error {
	verdict := identity.Silent
	if caller.Home != "" {
		action, resource := c.deed()
		verdict = c.s.Auth.Allowed(caller.Home, caller.Principals, action, resource, c.RemoteAddr)
		if group, ok := strings.CutSuffix(resource, ":members"); ok && strings.HasSuffix(c.route.Pattern, "/members") &&
			c.s.Auth.Allowed(caller.Home, caller.Principals, "update", group, c.RemoteAddr) == identity.Deny {
			verdict = identity.Deny // who may not change a group changes no members of it
		}
	}
	switch {
	case verdict == identity.Deny:
		return &fault{status: http.StatusForbidden, code: "policy_denied", message: "a policy denies this"}
	case slices.Contains(caller.Scopes, c.route.Scope):
		return nil
	case verdict == identity.Allow:
		// What a tenant's policies allow ends with the tenant.
		caller.Tenant, caller.Partner, caller.Tenants = caller.Home, "", []string{caller.Home}
		return nil
	case caller.Home != "":
		return &fault{status: http.StatusForbidden, code: "insufficient_scope", message: "no policy allows this, and it needs the scope " + c.route.Scope}
	}
	return &fault{status: http.StatusForbidden, code: "insufficient_scope", message: "this needs a token with the scope " + c.route.Scope}
}

// deed says what the route does, as policies call it: reading the log in any
// dialect is to list audit; all else is a method on the path.
func (c *Call) deed() (action, resource string) {
	switch c.route.Scope {
	case "audit:read", "audit:export":
		return "list", "audit"
	case "audit:write":
		return "create", "audit"
	}
	method, path, _ := strings.Cut(c.route.Pattern, " ")
	path, part, _ := strings.Cut(path, "/{path}") // of a policy: its versions are none of its own
	segments, wild := strings.Split(strings.TrimPrefix(strings.Trim(path, "/"), "v1/"), "/"), 0
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = strings.Trim(c.values[wild], "/:")
			if segment == "{user}" || lowers(segments[0]) {
				segments[i] = strings.ToLower(segments[i])
			}
			wild++
		}
	}
	if part != "" {
		segments = append(segments, strings.Trim(c.values[wild], "/:"))
		wild++
	}
	resource = strings.ReplaceAll(strings.Join(segments, ":"), "/", ":")
	if strings.HasSuffix(part, "/restore") {
		return "update", resource // with GET, too
	}
	switch method {
	case http.MethodPost:
		return "create", resource
	case http.MethodPut, http.MethodPatch:
		return "update", resource
	case http.MethodDelete:
		return "delete", resource
	}
	if wild == 0 {
		return "list", resource
	}
	return "read", resource
}

// lowers reports whether the directory keeps things of a kind under names in lower
// case.
func lowers(kind string) bool {
	return kind == identity.KindUser || kind == identity.KindGroup || kind == identity.KindRole || kind == identity.KindClient
}

// mayChange refuses to change a user whose standing reaches further than the
// caller's own: a new password would give it away.
func (c *Call) mayChange(u *identity.User) error {
	by := &c.Caller
	super := by.Tenant == "" && by.Partner == ""
	reaches := u.Reach == identity.OwnTenant || u.Reach == identity.OwnPartner && by.Partner != "" || super
	if u.Standing == identity.Ordinary || by.Standing == identity.Admin && reaches {
		return nil
	}
	return &annal.ForbiddenError{Index: -1, Reason: "nobody changes a user whose standing reaches further than their own"}
}

// Audits reports whether c may use what is for admins and auditors alone.
func (c *Caller) Audits() bool {
	return c.Standing == identity.Admin || c.Standing == identity.Auditor
}
