package api

import (
	"annal"
	"annal/internal/identity"
)

// TenantAuth keeps the registry of tenants. Callers see those that they have
// rights over; others are [annal.ErrNotFound]. What a caller may see but not
// change is an [annal.ForbiddenError].
type TenantAuth interface {
	SeeTenants(by *Caller) []identity.Tenant
	SeeTenant(by *Caller, id string) (identity.Tenant, error)
	MakeTenant(by *Caller, t identity.Tenant) (identity.Tenant, error)
	EditTenant(by *Caller, t identity.Tenant) (old, changed identity.Tenant, err error)
	DropTenant(by *Caller, id string) (identity.Tenant, error)
	// RankUser gives a user of a tenant a standing.
	RankUser(by *Caller, tenant, user string, standing identity.Standing, reach identity.Reach) (identity.User, error)
}

// tenantBody is what POST and PUT of tenants take.
type tenantBody struct {
	ID      string `json:"id"` // of a new one; otherwise the path says it
	Name    string `json:"name"`
	Partner string `json:"partner"`
	Profile string `json:"profile"`
}

func (b *tenantBody) tenant(id string) identity.Tenant {
	return identity.Tenant{ID: id, Name: b.Name, Partner: b.Partner, Profile: b.Profile}
}

// tenantRoutes manage the registry of tenants, and who stands above one.
func tenantRoutes() []Route {
	return []Route{
		{"GET /v1/tenants", "audit:admin", 200, listTenants},
		{"POST /v1/tenants", "audit:admin", 201, createTenant},
		{"GET /v1/tenants/{id}", "audit:admin", 200, getTenant},
		{"PUT /v1/tenants/{id}", "audit:admin", 200, changeTenant},
		{"DELETE /v1/tenants/{id}", "audit:admin", 200, deleteTenant},
		{"PUT /v1/tenants/{id}/standings/{user}", "audit:admin", 200, rankUser},
	}
}

// tenantAudits names the events of these routes.
func tenantAudits() map[string]string {
	return map[string]string{
		"POST /v1/tenants": "tenant.created", "PUT /v1/tenants/{id}": "tenant.updated", "DELETE /v1/tenants/{id}": "tenant.deleted",
		"PUT /v1/tenants/{id}/standings/{user}": "user.ranked",
	}
}

func listTenants(c *Call) error {
	c.out.open('{')
	c.out.name("tenants")
	c.out.open('[')
	for _, t := range c.s.Auth.SeeTenants(&c.Caller) {
		c.showTenant(&t)
	}
	c.out.close(']')
	c.out.close('}')
	return nil
}

func getTenant(c *Call) error {
	t, err := c.s.Auth.SeeTenant(&c.Caller, c.PathValue("id"))
	if err != nil {
		return asNotFound(err, "tenant")
	}
	c.showTenant(&t)
	return nil
}

func createTenant(c *Call) error {
	var body tenantBody
	if err := c.readSmall(&body); err != nil {
		return err
	}
	t, err := c.s.Auth.MakeTenant(&c.Caller, body.tenant(body.ID))
	if err != nil {
		return asBodyError(err)
	}
	c.note(Change{Tenant: t.ID, Resource: tenantResource(&t), New: t})
	c.showTenant(&t)
	return nil
}

func changeTenant(c *Call) error {
	var body tenantBody
	if err := c.readSmall(&body); err != nil {
		return err
	}
	old, t, err := c.s.Auth.EditTenant(&c.Caller, body.tenant(c.PathValue("id")))
	if err != nil {
		return asBodyError(asNotFound(err, "tenant"))
	}
	c.note(Change{Tenant: t.ID, Resource: tenantResource(&t), Old: old, New: t})
	c.showTenant(&t)
	return nil
}

// deleteTenant forgets a tenant. That it was is noted where annal's own events
// go: the tenant is no more.
func deleteTenant(c *Call) error {
	t, err := c.s.Auth.DropTenant(&c.Caller, c.PathValue("id"))
	if err != nil {
		return asNotFound(err, "tenant")
	}
	c.note(Change{Tenant: OwnTenant, Resource: tenantResource(&t), Old: t})
	if err := c.s.Destinations.Forget(t.ID); err != nil {
		return err
	}
	c.showTenant(&t)
	return nil
}

// rankBody is what PUT of a standing takes.
type rankBody struct {
	Standing identity.Standing `json:"standing"`
	Reach    identity.Reach    `json:"reach"`
}

// rankUser makes a user an admin or an auditor, or an ordinary user again.
func rankUser(c *Call) error {
	var body rankBody
	if err := c.readSmall(&body); err != nil {
		return err
	}
	tenant, user := c.PathValue("id"), c.PathValue("user")
	u, err := c.s.Auth.RankUser(&c.Caller, tenant, user, body.Standing, body.Reach)
	if err != nil {
		return asBodyError(asNotFound(err, "user"))
	}
	path := identity.KindUser + ":" + u.Name
	c.note(Change{Tenant: tenant, Resource: annal.Resource{Type: "user", ID: u.ID, Path: path, Name: u.Name}, New: body})
	w := &c.out
	w.open('{')
	w.textMember("tenant", tenant)
	w.textMember("user", path)
	w.textMember("standing", string(u.Standing))
	w.textMember("reach", string(u.Reach))
	w.close('}')
	return nil
}

func tenantResource(t *identity.Tenant) annal.Resource {
	return annal.Resource{Type: "tenant", ID: t.ID, Path: "tenants:" + t.ID, Name: t.Name}
}

func (c *Call) showTenant(t *identity.Tenant) {
	w := &c.out
	w.open('{')
	w.textMember("id", t.ID)
	w.given("name", t.Name)
	w.given("partner", t.Partner)
	w.given("profile", t.Profile)
	w.timeMember("created", t.Created, 6)
	w.close('}')
}
