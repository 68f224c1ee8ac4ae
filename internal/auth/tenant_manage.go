package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"annal/internal/book"

	"annal"
	"annal/internal/identity"
)

// Limits of tenants.
const (
	MaxTenantName     = 256     // bytes of a name
	MaxTenants        = 200_000 // that events bring with them
	MaxPartnerTenants = 10_000  // that a partner makes, those included that it has deleted
)

// Tenants that get events which name none.
const (
	reserved  = "annal"   // annal's own; it is nobody's
	unclaimed = "default" // those of callers who are bound to nothing; no partner makes it theirs
)

// checkTenant refuses a tenant that makes no sense.
func checkTenant(t *Tenant) error {
	var bad annal.InvalidError
	if !ValidName(t.ID) {
		bad.Add(-1, "id", nameRule)
	}
	if len(t.Name) > MaxTenantName || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		bad.Add(-1, "name", fmt.Sprintf("must have at most %d bytes and no control characters", MaxTenantName))
	}
	if t.Partner != "" && !ValidName(t.Partner) {
		bad.Add(-1, "partner", nameRule)
	}
	if t.Profile != "" && !slices.Contains(identity.Profiles(), t.Profile) {
		bad.Add(-1, "profile", "must be one of "+strings.Join(identity.Profiles(), ", "))
	}
	if t.ID == reserved && t.Partner != "" {
		bad.Add(-1, "partner", "the tenant "+reserved+" keeps annal's own events and is no partner's")
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}

// TenantName is how a tenant is called: its name, or else its id.
func (s *Store) TenantName(id string) string {
	if t, _ := s.Tenant(id); t.Name != "" {
		return t.Name
	}
	return id
}

// SeenTenants returns the tenants that by has rights over, by id.
func (s *Store) SeenTenants(by *Caller) []Tenant {
	return slices.DeleteFunc(s.Tenants(), func(t Tenant) bool { return !by.Sees(t.ID) })
}

// SeenTenant returns one of them.
func (s *Store) SeenTenant(by *Caller, id string) (Tenant, error) {
	t, known := s.Tenant(id)
	if !known || !by.Sees(id) {
		return Tenant{}, annal.ErrNotFound
	}
	return t, nil
}

// errTenants refuses those who are bound to one tenant.
func errTenants() error {
	return &annal.ForbiddenError{Index: -1, Reason: "only who looks after a partner's tenants, or all, may do this"}
}

// CreateTenant makes a tenant on behalf of by. A partner's admin makes tenants
// of the partner alone, and none of an id that was another's: its events may
// still be there.
func (s *Store) CreateTenant(by *Caller, t Tenant) (Tenant, error) {
	if by.Tenant != "" {
		return t, errTenants()
	}
	if !by.Super() && t.Partner == "" {
		t.Partner = by.Partner
	}
	if err := checkTenant(&t); err != nil {
		return t, err
	}
	if !by.Super() && (t.Partner != by.Partner || t.ID == unclaimed) {
		return t, errTenants()
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	s.mu.RLock()
	_, known := s.tenants[t.ID]
	former, gone := s.gone[t.ID]
	own := len(s.partners[t.Partner])
	for _, former := range s.gone {
		if former.Partner == t.Partner {
			own++
		}
	}
	s.mu.RUnlock()
	if !by.Super() && own >= MaxPartnerTenants {
		return t, annal.Invalid("", "there are %d tenants of this partner, which is the limit", MaxPartnerTenants)
	}
	if known || gone && !by.Super() && former.Partner != by.Partner {
		return t, identity.ErrExists
	}
	t.Created = s.now().UTC()
	return t, s.saveTenants([]Tenant{t})
}

// ChangeTenant gives a tenant another name, profile or partner. Only who is
// bound to nothing moves a tenant to another partner.
func (s *Store) ChangeTenant(by *Caller, t Tenant) (old, changed Tenant, err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	if old, err = s.SeenTenant(by, t.ID); err != nil {
		return old, t, err
	}
	if by.Tenant != "" {
		return old, t, errTenants()
	}
	if !by.Super() && t.Partner == "" {
		t.Partner = by.Partner
	}
	if err := checkTenant(&t); err != nil {
		return old, t, err
	}
	if !by.Super() && t.Partner != old.Partner {
		return old, t, errTenants()
	}
	t.Created = old.Created
	return old, t, s.saveTenants([]Tenant{t})
}

// RemoveTenant forgets a tenant, its people and its policies on behalf of by,
// and ends what was issued to them. Its events remain until their retention
// ends; who is bound to nothing still sees them.
func (s *Store) RemoveTenant(by *Caller, id string) (Tenant, error) {
	t, err := s.SeenTenant(by, id)
	if err != nil {
		return t, err
	}
	if by.Tenant != "" {
		return t, errTenants()
	}
	return t, s.DeleteTenant(id)
}

// DeleteTenant is RemoveTenant on behalf of nobody.
func (s *Store) DeleteTenant(id string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	old, known := s.Tenant(id)
	if !known {
		return annal.ErrNotFound
	}
	former := old
	former.Deleted = s.now().UTC()
	var ended [][]byte
	err := s.update(func(tx *book.Tx) (err error) {
		if err := putTenants(tx, []Tenant{former}); err != nil {
			return err
		}
		if err := deletePrefix(tx.Bucket(bucketDirectory), []byte(id+"\x00")); err != nil {
			return err
		}
		if err := deleteRefresh(tx, func(r *refresh) bool { return r.Tenant == id }); err != nil {
			return err
		}
		ended, err = s.revokeAll(tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete tenant: %w", err)
	}
	s.forget(former, ended)
	return nil
}

// forget drops a deleted tenant from memory, and the tokens that ended with it.
func (s *Store) forget(former Tenant, ended [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	for _, hash := range ended {
		delete(s.cache, [sha256.Size]byte(hash))
	}
	delete(s.tenants, former.ID)
	delete(s.directories, former.ID)
	s.gone[former.ID] = former
	if former.Partner != "" {
		s.partners[former.Partner] = slices.DeleteFunc(slices.Clone(s.partners[former.Partner]), func(t string) bool { return t == former.ID })
	}
}

// revokeAll ends the tokens of a tenant and returns their hashes.
func (s *Store) revokeAll(tx *book.Tx, tenant string) (hashes [][]byte, err error) {
	var doomed []record
	err = tx.Bucket(bucketTokens).ForEach(func(k, v []byte) error {
		r, err := readRecord(k, v)
		if err == nil && r.Tenant == tenant && r.Revoked.IsZero() {
			doomed = append(doomed, r)
		}
		return err
	})
	for _, r := range doomed {
		if err != nil {
			break
		}
		r.Revoked = s.now().UTC()
		hashes = append(hashes, r.Hash)
		err = putRecord(tx, r)
	}
	return hashes, err
}

func deletePrefix(b *book.Bucket, prefix []byte) error {
	var keys [][]byte
	err := b.Under(prefix, func(k, _ []byte) error {
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
