package auth

import (
	"context"
	"crypto/sha256"
	"strings"

	"annal"
	"annal/internal/identity"
)

// GrantPassword signs a user in. A name that nobody has costs as much time, and
// is locked as soon, as one that somebody has.
func (s *Store) GrantPassword(ctx context.Context, l identity.Login) (identity.Grant, error) {
	return s.attempt(&l, identity.KindUser, func(name string) (session, error) {
		hash, stamp := "", ""
		if u, err := shelfUsers.get(s, l.Tenant, name); err == nil {
			hash, stamp = u.Hash, u.stamp()
		}
		ok, err := s.passwords.matches(ctx, hash, bounded(l.Secret))
		if err == nil && !ok {
			err = ErrCredentials
		}
		return session{Tenant: l.Tenant, Kind: identity.KindUser, Name: name, Stamp: stamp}, err
	})
}

// GrantClient signs a client in, with its id and its secret.
func (s *Store) GrantClient(_ context.Context, l identity.Login) (identity.Grant, error) {
	return s.attempt(&l, identity.KindClient, func(id string) (session, error) {
		hash, want := sha256.Sum256([]byte(bounded(l.Secret))), make([]byte, sha256.Size)
		c, err := shelfClients.get(s, l.Tenant, id)
		if err == nil {
			want = c.Secret
		}
		if !sameHash(hash[:], want) || err != nil {
			return session{}, ErrCredentials
		}
		return session{Tenant: l.Tenant, Kind: identity.KindClient, Name: id}, nil
	})
}

// noTenant stands for names that no tenant has. They may be long, and what is
// remembered of attempts must not.
const noTenant = "?"

// bounded keeps hashing cheap whatever is sent; no secret is longer.
func bounded(secret string) string { return secret[:min(len(secret), MaxPassword+1)] }

// attempt checks the pace, then the secret, counts failures, and issues tokens.
func (s *Store) attempt(l *identity.Login, kind string, check func(name string) (session, error)) (identity.Grant, error) {
	now, network := s.now(), network64(l.Remote)
	if wait, again := s.addresses.take(network, now); wait > 0 {
		return identity.Grant{}, &RateError{After: wait, Again: again}
	}
	if l.Tenant != "" && !ValidName(l.Tenant) {
		l.Tenant = noTenant
	}
	name := strings.TrimPrefix(strings.ToLower(l.Name), kind+":")
	if len(name) > identity.MaxName {
		name = ""
	}
	// Names are counted as they are given: were it by the tenant that is found for
	// them, who locks a name there would learn whether it is the one.
	key := l.Tenant + "\x00" + kind + "\x00" + name
	if l.Tenant == "" {
		l.Tenant = s.tenantOf(kind, name)
	}
	try, err := s.admit(key, network, now)
	if err != nil {
		return identity.Grant{}, err
	}
	who, err := check(name)
	if err := try.end(err); err != nil {
		return identity.Grant{}, err
	}
	return s.open(who, l.Lifetime)
}

// tenantOf returns the one tenant that knows a name, or "".
func (s *Store) tenantOf(kind, name string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, n := "", 0
	for tenant, d := range s.directories {
		if kind == identity.KindUser && d.users[name] != nil || kind == identity.KindClient && d.clients[name] != nil {
			found = tenant
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return found
}

// caller says what the holder of a session is now: what has changed since the
// login counts at once.
func (who *session) caller(s *Store) (Caller, error) {
	if who.Kind == identity.KindClient {
		return who.client(s)
	}
	u, err := shelfUsers.get(s, who.Tenant, who.Name)
	if err != nil || u.stamp() != who.Stamp {
		return Caller{}, ErrRevoked
	}
	subject := identity.KindUser + ":" + who.Name
	c := Caller{Subject: subject, Home: who.Tenant, Principals: []string{subject}, Standing: u.Standing, Scopes: scopesOf(u.Standing)}
	reach := u.Reach
	if u.Standing == identity.Ordinary {
		reach = identity.OwnTenant // a standing reaches further, a policy never does
	}
	s.bind(&c, who.Tenant, reach)
	return c, nil
}

func (who *session) client(s *Store) (Caller, error) {
	r, err := shelfClients.get(s, who.Tenant, who.Name)
	if err != nil {
		return Caller{}, ErrRevoked
	}
	if _, err := shelfRoles.get(s, who.Tenant, r.Role); err != nil {
		return Caller{}, ErrRevoked
	}
	subject := identity.KindRole + ":" + r.Role
	c := Caller{
		Subject: subject, Client: who.Name, Home: who.Tenant, Scopes: scopesOf(identity.Ordinary),
		Principals: []string{subject, identity.KindClient + ":" + who.Name},
	}
	s.bind(&c, who.Tenant, identity.OwnTenant)
	return c, nil
}

// scopesOf are what a standing may do whatever policies allow.
func scopesOf(standing identity.Standing) []string {
	switch standing {
	case identity.Admin:
		return AllScopes()
	case identity.Auditor:
		return []string{ScopeRead, ScopeExport}
	}
	return []string{}
}

// bind binds c as far as reach goes. Without a partner, a partner's reach is the
// tenant alone.
func (s *Store) bind(c *Caller, tenant string, reach identity.Reach) {
	t, _ := s.Tenant(tenant)
	switch {
	case reach == identity.Everywhere:
	case reach == identity.OwnPartner && t.Partner != "":
		c.Partner, c.Tenants = t.Partner, s.TenantsOf(t.Partner)
	default:
		c.Tenant, c.Tenants = tenant, []string{tenant}
	}
}

// Rank gives a user a standing, if by may give it: nobody gives a reach that is
// beyond their own.
func (s *Store) Rank(by *Caller, tenant, user string, standing identity.Standing, reach identity.Reach) (identity.User, error) {
	if !standing.Valid() || !reach.Valid() {
		return identity.User{}, annal.Invalid("standing", standingRule)
	}
	t, known := s.Tenant(tenant)
	if !known || !by.Sees(tenant) {
		return identity.User{}, annal.ErrNotFound
	}
	allowed := by.Super() || by.Standing == identity.Admin && (reach == identity.OwnTenant || reach == identity.OwnPartner && by.Partner != "" && by.Partner == t.Partner)
	old, err := s.User(tenant, user)
	if err == nil && old.Reach != identity.OwnTenant && !by.Super() && (by.Partner == "" || old.Reach == identity.Everywhere) {
		allowed = false // nor is one changed who stands above
	}
	if !allowed {
		return identity.User{}, &annal.ForbiddenError{Index: -1, Reason: "nobody gives or takes a standing that reaches further than their own"}
	}
	return s.UpdateUser(by.Subject, tenant, user, UserChange{Standing: &standing, Reach: &reach})
}
