package api

import (
	"net/http"
	"slices"
)

// Parameters that name a tenant or a partner narrow what the caller sees. They
// never widen it: what lies beyond the caller's rights is refused, whether it
// exists or not.

// ofTenant narrows the question to one tenant.
func ofTenant(a *Ask, id string) {
	a.late = append(a.late, func(c *Call, _ *Ask) error {
		if !c.Caller.sees(id) {
			return errBeyond("tenant_id")
		}
		c.narrow([]string{id})
		return nil
	})
}

// ofPartner narrows the question to all tenants of one partner.
func ofPartner(a *Ask, id string) {
	a.late = append(a.late, func(c *Call, _ *Ask) error {
		if c.Caller.Tenants != nil && c.Caller.Partner != id {
			return errBeyond("partner_id")
		}
		c.narrow(c.s.Auth.TenantsOf(id))
		return nil
	})
}

func errBeyond(name string) error {
	return &fault{status: http.StatusForbidden, code: "tenant_access_denied", message: "this token has no rights over the " + name + " that the request names"}
}

// narrow leaves those of tenants to the Reader that it sees already.
func (c *Call) narrow(tenants []string) {
	if c.visible != nil {
		tenants = slices.DeleteFunc(slices.Clone(tenants), func(t string) bool { return !slices.Contains(c.visible, t) })
	}
	if tenants == nil {
		tenants = []string{}
	}
	c.visible = tenants
	c.Reader = watched{narrowTo(c.s.Reader, c.visible), c}
}

// forAuditors refuses callers who are neither admins nor auditors.
func forAuditors(do Verb) Verb {
	return func(c *Call) error {
		if !c.Caller.Audits() {
			return &fault{status: http.StatusForbidden, code: "role_required", message: "this is for admins and auditors"}
		}
		return do(c)
	}
}
