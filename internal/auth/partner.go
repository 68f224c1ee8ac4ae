package auth

// PartnerOf returns the partner who looks after tenant, or "".
func (s *Store) PartnerOf(tenant string) string {
	t, _ := s.Tenant(tenant)
	return t.Partner
}
