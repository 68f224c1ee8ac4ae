package auth

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"annal/internal/book"

	"annal"
	"annal/internal/identity"
)

// A Tenant is somebody with a log of their own.
type Tenant = identity.Tenant

// nameRule is what ValidName demands.
const nameRule = "must be 1 to 128 of A-Z a-z 0-9 . _ : @ -, beginning with a letter or digit"

// ValidName reports whether s may name a tenant or a partner.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > annal.Fields[annal.Tenant].Max || !alphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case alphanumeric(c), c == '.', c == '_', c == ':', c == '@', c == '-':
		default:
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Tenant returns the tenant with the given id.
func (s *Store) Tenant(id string) (Tenant, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, ok := s.tenants[id]
	return t, ok
}

// Tenants returns every tenant, by id.
func (s *Store) Tenants() []Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.tenants), func(a, b Tenant) int { return strings.Compare(a.ID, b.ID) })
}

// TenantsOf returns the ids of partner's tenants in order; never nil, and not to
// be written to.
func (s *Store) TenantsOf(partner string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if ids := s.partners[partner]; ids != nil {
		return ids
	}
	return []string{}
}

// Admit says whether c may write events of tenant, and whether tenant is new:
// only a caller that is bound to nothing brings new ones, see [Store.Register].
func (s *Store) Admit(c *Caller, tenant string) (fresh bool, err error) {
	if !c.Sees(tenant) {
		return false, &annal.ForbiddenError{Index: -1, Reason: "this token has no rights over the event's tenant"}
	}
	if !c.Super() {
		return false, nil
	}
	_, known := s.Tenant(tenant)
	return !known, nil
}

// Register makes tenants of ids that are none yet.
func (s *Store) Register(ids []string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	var fresh []Tenant
	for _, id := range ids {
		if !ValidName(id) {
			return annal.Invalid("tenant", nameRule)
		}
		if _, known := s.Tenant(id); !known {
			fresh = append(fresh, Tenant{ID: id, Created: s.now().UTC()})
		}
	}
	if len(fresh) > 0 && len(s.Tenants())+len(fresh) > MaxTenants {
		return annal.Invalid("tenant", "there are as many tenants as there may be, %d", MaxTenants)
	}
	return s.saveTenants(fresh)
}

// SaveTenant creates or changes a tenant; when it was created stays.
func (s *Store) SaveTenant(t Tenant) error {
	if err := checkTenant(&t); err != nil {
		return err
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	t.Created = s.now().UTC()
	if old, known := s.Tenant(t.ID); known {
		t.Created = old.Created
	}
	return s.saveTenants([]Tenant{t})
}

// saveTenants stores tenants; s.changes is held.
func (s *Store) saveTenants(tenants []Tenant) error {
	if len(tenants) == 0 {
		return nil
	}
	err := s.update(func(tx *book.Tx) error { return putTenants(tx, tenants) })
	if err != nil {
		return fmt.Errorf("save tenants: %w", err)
	}
	s.setTenants(tenants)
	return nil
}

func putTenants(tx *book.Tx, tenants []Tenant) error {
	for _, t := range tenants {
		b, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if err := tx.Bucket(bucketTenants).Put([]byte(t.ID), b); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) setTenants(tenants []Tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tenants {
		s.setTenant(t)
	}
}

// setTenant keeps t in memory; s.mu is held. Lists that callers hold are left
// as they are.
func (s *Store) setTenant(t Tenant) {
	old, known := s.tenants[t.ID]
	s.tenants[t.ID] = t
	delete(s.gone, t.ID)
	if known && old.Partner == t.Partner {
		return
	}
	if known && old.Partner != "" {
		without := slices.DeleteFunc(slices.Clone(s.partners[old.Partner]), func(id string) bool { return id == t.ID })
		s.partners[old.Partner] = without
	}
	if t.Partner != "" {
		ids := s.partners[t.Partner]
		at, _ := slices.BinarySearch(ids, t.ID)
		s.partners[t.Partner] = slices.Insert(slices.Clone(ids), at, t.ID)
	}
}
