package auth

import (
	"strings"

	"annal/internal/identity"
)

// HomeOfClient returns the tenant that a client's login concerns: the named one
// if there is such a tenant, else the only one that knows the client, or "".
func (s *Store) HomeOfClient(tenant, id string) string {
	if tenant == "" {
		return s.tenantOf(identity.KindClient, strings.ToLower(id))
	}
	t, _ := s.Tenant(tenant)
	return t.ID
}

// ChangeUser gives a user another display name or password; what is nil stays.
func (s *Store) ChangeUser(by, tenant, name string, displayName, password *string) (identity.User, error) {
	return s.UpdateUser(by, tenant, name, UserChange{DisplayName: displayName, Password: password})
}
