package auth

import (
	"strings"

	"annal/internal/identity"
)

// PartnerOf returns the partner who looks after tenant, or "".
func (s *Store) PartnerOf(tenant string) string {
	t, _ := s.Tenant(tenant)
	return t.Partner
}

// HomeOf returns the tenant that a login concerns: the named one if there is
// such a tenant, else the only one that knows the user, or "".
func (s *Store) HomeOf(tenant, user string) string {
	if tenant == "" {
		return s.tenantOf(identity.KindUser, strings.TrimPrefix(strings.ToLower(user), identity.KindUser+":"))
	}
	t, _ := s.Tenant(tenant)
	return t.ID
}
