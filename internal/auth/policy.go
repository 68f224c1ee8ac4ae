package auth

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"annal"
	"annal/internal/identity"
)

// CreatePolicy puts a policy into force. One that was deleted at the same path
// is forgotten.
func (s *Store) CreatePolicy(by, tenant string, p identity.Policy) (identity.Policy, error) {
	if err := p.Check(); err != nil {
		return p, err
	}
	var err error
	if p.Meta, err = s.newMeta(by); err != nil {
		return p, err
	}
	return s.changePolicy(tenant, p.Path, func(old *policyRecord) (*policyRecord, error) {
		if old != nil && old.Deleted.IsZero() {
			return nil, identity.ErrExists
		}
		p.Deleted = time.Time{}
		return &policyRecord{Policy: p, History: []identity.Policy{p}}, nil
	})
}

// changePolicy changes what is at a path, and the rules with it.
func (s *Store) changePolicy(tenant, path string, next func(*policyRecord) (*policyRecord, error)) (identity.Policy, error) {
	s.policing.Lock()
	defer s.policing.Unlock()
	var rules *identity.Rules
	r, err := shelfPolicies.change(s, tenant, path, func(old *policyRecord) (r *policyRecord, err error) {
		if r, err = next(old); err == nil {
			rules, err = s.rulesWith(tenant, path, r)
		}
		return r, err
	})
	if err != nil {
		return identity.Policy{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.directories[tenant].rules = rules
	if r == nil {
		return identity.Policy{}, nil
	}
	return r.Policy, nil
}

// rulesWith returns what a tenant's rules will be with r at a path, before it is
// saved: what cannot be compiled must not be on disk when the next start reads it.
func (s *Store) rulesWith(tenant, path string, r *policyRecord) (*identity.Rules, error) {
	s.mu.RLock()
	policies, most := maps.Clone(s.directory(tenant).policies), max(s.directory(tenant).rules.Size(), identity.MaxRules)
	s.mu.RUnlock()
	delete(policies, path)
	if r != nil {
		policies[path] = r
	}
	rules, err := compile(policies)
	if err == nil && rules.Size() > most {
		err = annal.Invalid("permissionDocument", "all policies together are larger than %d", identity.MaxRules)
	}
	return rules, err
}

// changeLive changes a policy that is in force, adding a version.
func (s *Store) changeLive(by, tenant, path string, edit func(p *identity.Policy, old *policyRecord) error) (identity.Policy, error) {
	return s.changePolicy(tenant, policyPath(path), func(old *policyRecord) (*policyRecord, error) {
		if old == nil || !old.Deleted.IsZero() {
			return nil, annal.ErrNotFound
		}
		return s.nextVersion(by, old, edit)
	})
}

func (s *Store) nextVersion(by string, old *policyRecord, edit func(p *identity.Policy, old *policyRecord) error) (*policyRecord, error) {
	p := old.Policy
	if err := edit(&p, old); err != nil {
		return nil, err
	}
	s.changed(&p.Meta, by)
	history := append(slices.Clone(old.History), p)
	if extra := len(history) - identity.MaxVersions; extra > 0 {
		history = history[extra:]
	}
	return &policyRecord{Policy: p, History: history}, nil
}

// policyPath spells a path as policies are kept under.
func policyPath(path string) string {
	return strings.ReplaceAll(strings.Trim(path, ":/"), "/", ":")
}

// UpdatePolicy gives a policy other permissions.
func (s *Store) UpdatePolicy(by, tenant, path string, permissions []identity.Permission) (identity.Policy, error) {
	checked := identity.Policy{Path: path, Permissions: permissions}
	if err := checked.Check(); err != nil {
		return identity.Policy{}, err
	}
	return s.changeLive(by, tenant, path, func(p *identity.Policy, _ *policyRecord) error {
		p.Permissions = checked.Permissions
		return nil
	})
}

// RollbackPolicy gives a policy the permissions of an earlier version, as a new
// one.
func (s *Store) RollbackPolicy(by, tenant, path string, version int) (identity.Policy, error) {
	return s.changeLive(by, tenant, path, func(p *identity.Policy, old *policyRecord) error {
		earlier, err := old.version(version)
		p.Permissions = earlier.Permissions
		return err
	})
}

// RestorePolicy puts a deleted policy into force again.
func (s *Store) RestorePolicy(by, tenant, path string) (identity.Policy, error) {
	return s.changePolicy(tenant, policyPath(path), func(old *policyRecord) (*policyRecord, error) {
		if old == nil || old.Deleted.IsZero() {
			return nil, annal.ErrNotFound
		}
		return s.nextVersion(by, old, func(p *identity.Policy, _ *policyRecord) error {
			p.Deleted = time.Time{}
			return nil
		})
	})
}

// DeletePolicy takes a policy out of force. Unless forced, it can be restored.
func (s *Store) DeletePolicy(by, tenant, path string, force bool) error {
	_, err := s.changePolicy(tenant, policyPath(path), func(old *policyRecord) (*policyRecord, error) {
		switch {
		case old == nil, !force && !old.Deleted.IsZero():
			return nil, annal.ErrNotFound
		case force:
			return nil, nil
		}
		return s.nextVersion(by, old, func(p *identity.Policy, _ *policyRecord) error {
			p.Deleted = s.now().UTC()
			return nil
		})
	})
	return err
}

// Policy returns the policy at a path that is in force.
func (s *Store) Policy(tenant, path string) (identity.Policy, error) {
	r, err := s.livePolicy(tenant, path)
	if err != nil {
		return identity.Policy{}, err
	}
	return r.Policy, nil
}

// PolicyVersion returns what a policy was.
func (s *Store) PolicyVersion(tenant, path string, version int) (identity.Policy, error) {
	r, err := s.livePolicy(tenant, path)
	if err != nil {
		return identity.Policy{}, err
	}
	return r.version(version)
}

func (s *Store) livePolicy(tenant, path string) (*policyRecord, error) {
	r, err := shelfPolicies.get(s, tenant, policyPath(path))
	if err == nil && !r.Deleted.IsZero() {
		err = annal.ErrNotFound
	}
	return r, err
}

func (r *policyRecord) version(n int) (identity.Policy, error) {
	for _, p := range r.History {
		if p.Version == n && p.Deleted.IsZero() {
			return p, nil
		}
	}
	return identity.Policy{}, annal.ErrNotFound
}

// Policies searches the policies in force by path.
func (s *Store) Policies(tenant string, q identity.Search) (identity.Found[identity.Policy], error) {
	return search(s, shelfPolicies, tenant, q, func(path string, r *policyRecord) (identity.Policy, string, bool) {
		return r.Policy, path, r.Deleted.IsZero()
	})
}

// Allowed says what tenant's policies say to principals who want to do action on
// resource from an address (with or without a port). Groups that the principals
// are in count as well.
func (s *Store) Allowed(tenant string, principals []string, action, resource, remote string) identity.Verdict {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.directories[tenant]
	if d == nil {
		return identity.Silent
	}
	return d.rules.Decide(&identity.Request{
		Principals: d.withGroups(principals), Action: action, Resource: resource, RemoteIP: address(remote),
	})
}

// withGroups adds the groups that principals are in.
func (d *directory) withGroups(principals []string) []string {
	all := make([]string, 0, len(principals)+2)
	for _, p := range principals {
		all = append(all, strings.ToLower(p))
		for _, g := range d.groupsOf(p) {
			all = append(all, identity.KindGroup+":"+g)
		}
	}
	return all
}

// address reads an address with or without a port; what is none matches no
// network.
func address(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap()
	}
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
