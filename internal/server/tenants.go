package server

import (
	"annal/internal/api"
	"annal/internal/auth"
	"annal/internal/identity"
)

// SeeTenants lists the tenants that by has rights over.
func (a authority) SeeTenants(by *api.Caller) []identity.Tenant {
	return a.SeenTenants((*auth.Caller)(by))
}

// SeeTenant returns one of them.
func (a authority) SeeTenant(by *api.Caller, id string) (identity.Tenant, error) {
	return a.SeenTenant((*auth.Caller)(by), id)
}

// MakeTenant makes a tenant.
func (a authority) MakeTenant(by *api.Caller, t identity.Tenant) (identity.Tenant, error) {
	return a.CreateTenant((*auth.Caller)(by), t)
}

// EditTenant changes a tenant.
func (a authority) EditTenant(by *api.Caller, t identity.Tenant) (old, changed identity.Tenant, err error) {
	return a.ChangeTenant((*auth.Caller)(by), t)
}

// DropTenant forgets a tenant.
func (a authority) DropTenant(by *api.Caller, id string) (identity.Tenant, error) {
	return a.RemoveTenant((*auth.Caller)(by), id)
}

// RankUser gives a user a standing.
func (a authority) RankUser(by *api.Caller, tenant, user string, standing identity.Standing, reach identity.Reach) (identity.User, error) {
	return a.Rank((*auth.Caller)(by), tenant, user, standing, reach)
}
