package auth

import (
	"crypto/sha256"
	"slices"
	"strings"

	"annal"
	"annal/internal/identity"
)

// CreateUser adds a user with a password. Names are kept in lower case. Whether
// the caller may give a standing is the caller's business: see [Store.Rank].
func (s *Store) CreateUser(by, tenant string, u identity.User, password string) (identity.User, error) {
	name, err := principalName("userName", u.Name)
	if err != nil {
		return u, err
	}
	if strings.Contains(name, ":") { // policies would take the user for a role, or for somebody whom an issuer knows
		return u, annal.Invalid("userName", "must be without a colon")
	}
	if err := checkUser(&u); err != nil {
		return u, err
	}
	if err := checkPassword(password); err != nil {
		return u, err
	}
	if _, err := shelfUsers.get(s, tenant, name); err == nil {
		return u, identity.ErrExists // before the work of hashing
	}
	hash, err := s.passwords.hash(password)
	if err != nil {
		return u, err
	}
	if u.Meta, err = s.newMeta(by); err != nil {
		return u, err
	}
	u.Name = name
	_, err = shelfUsers.change(s, tenant, name, func(old *userRecord) (*userRecord, error) {
		if old != nil {
			return nil, identity.ErrExists
		}
		return &userRecord{User: u, Hash: hash}, nil
	})
	return u, err
}

func checkUser(u *identity.User) error {
	if !u.Standing.Valid() || !u.Reach.Valid() {
		return annal.Invalid("standing", standingRule)
	}
	return checkText("displayName", u.DisplayName, "provider", u.Provider, "externalId", u.ExternalID)
}

// standingRule says which standings there are.
const standingRule = "must be auditor, admin or empty, with a reach of partner, all or empty"

// User returns a user.
func (s *Store) User(tenant, name string) (identity.User, error) {
	u, err := shelfUsers.get(s, tenant, strings.ToLower(name))
	if err != nil {
		return identity.User{}, err
	}
	return u.User, nil
}

// A UserChange says what shall become of a user; what is nil stays.
type UserChange struct {
	DisplayName *string
	Provider    *string
	ExternalID  *string
	Password    *string // a new one voids what was issued for the old one
	Standing    *identity.Standing
	Reach       *identity.Reach
}

// UpdateUser changes a user. Whether the caller may give a standing is the
// caller's business: see [Store.Rank].
func (s *Store) UpdateUser(by, tenant, name string, change UserChange) (identity.User, error) {
	hash := ""
	if change.Password != nil {
		if err := checkPassword(*change.Password); err != nil {
			return identity.User{}, err
		}
		var err error
		if hash, err = s.passwords.hash(*change.Password); err != nil {
			return identity.User{}, err
		}
	}
	r, err := shelfUsers.change(s, tenant, strings.ToLower(name), func(old *userRecord) (*userRecord, error) {
		if old == nil {
			return nil, annal.ErrNotFound
		}
		next := *old
		set(&next.DisplayName, change.DisplayName)
		set(&next.Provider, change.Provider)
		set(&next.ExternalID, change.ExternalID)
		set(&next.Standing, change.Standing)
		set(&next.Reach, change.Reach)
		if hash != "" {
			next.Hash, next.Generation = hash, next.Generation+1
		}
		s.changed(&next.Meta, by)
		return &next, checkUser(&next.User)
	})
	if err != nil {
		return identity.User{}, err
	}
	return r.User, nil
}

func set[T any](into, value *T) {
	if value != nil {
		*into = *value
	}
}

// DeleteUser removes a user; what was issued to them is void at once.
func (s *Store) DeleteUser(tenant, name string) error {
	return shelfUsers.remove(s, tenant, strings.ToLower(name))
}

// Users searches users by name and display name.
func (s *Store) Users(tenant string, q identity.Search) (identity.Found[identity.User], error) {
	return search(s, shelfUsers, tenant, q, func(name string, u *userRecord) (identity.User, string, bool) {
		return u.User, name + "\n" + u.DisplayName, true
	})
}

// CreateGroup adds a group.
func (s *Store) CreateGroup(by, tenant string, g identity.Group) (identity.Group, error) {
	name, err := principalName("groupName", g.Name)
	if err != nil {
		return g, err
	}
	if g.Members, err = members(nil, g.Members, nil); err != nil {
		return g, err
	}
	if g.Meta, err = s.newMeta(by); err != nil {
		return g, err
	}
	g.Name = name
	_, err = shelfGroups.change(s, tenant, name, func(old *identity.Group) (*identity.Group, error) {
		if old != nil {
			return nil, identity.ErrExists
		}
		return &g, nil
	})
	return g, err
}

// members adds and removes members of a group, and puts them in order.
func members(old, add, remove []string) ([]string, error) {
	all := slices.Clone(old)
	for _, m := range add {
		name, err := principalName("memberNames", m)
		if err != nil {
			return nil, err
		}
		all = append(all, strings.TrimPrefix(name, identity.KindUser+":"))
	}
	for _, m := range remove {
		gone := strings.TrimPrefix(strings.ToLower(m), identity.KindUser+":")
		all = slices.DeleteFunc(all, func(name string) bool { return name == gone })
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > identity.MaxMembers {
		return nil, annal.Invalid("memberNames", "a group has at most %d members", identity.MaxMembers)
	}
	if all == nil {
		all = []string{}
	}
	return all, nil
}

// Group returns a group.
func (s *Store) Group(tenant, name string) (identity.Group, error) {
	g, err := shelfGroups.get(s, tenant, strings.ToLower(name))
	if err != nil {
		return identity.Group{}, err
	}
	return *g, nil
}

// ChangeMembers adds members to a group and removes others.
func (s *Store) ChangeMembers(by, tenant, group string, add, remove []string) (identity.Group, error) {
	g, err := shelfGroups.change(s, tenant, strings.ToLower(group), func(old *identity.Group) (*identity.Group, error) {
		if old == nil {
			return nil, annal.ErrNotFound
		}
		next := *old
		var err error
		if next.Members, err = members(old.Members, add, remove); err != nil {
			return nil, err
		}
		s.changed(&next.Meta, by)
		return &next, nil
	})
	if err != nil {
		return identity.Group{}, err
	}
	return *g, nil
}

// DeleteGroup removes a group; policies that name it remain.
func (s *Store) DeleteGroup(tenant, name string) error {
	return shelfGroups.remove(s, tenant, strings.ToLower(name))
}

// Groups searches groups by name.
func (s *Store) Groups(tenant string, q identity.Search) (identity.Found[identity.Group], error) {
	return search(s, shelfGroups, tenant, q, func(name string, g *identity.Group) (identity.Group, string, bool) {
		return *g, name, true
	})
}

// GroupsOf returns the names of the groups that a member is in.
func (s *Store) GroupsOf(tenant, member string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.directory(tenant).groupsOf(member)
}

func (d *directory) groupsOf(member string) []string {
	names := []string{}
	member = strings.TrimPrefix(strings.ToLower(member), identity.KindUser+":")
	for name, g := range d.groups {
		if _, in := slices.BinarySearch(g.Members, member); in {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// CreateRole adds a role.
func (s *Store) CreateRole(by, tenant string, r identity.Role) (identity.Role, error) {
	name, err := principalName("name", r.Name)
	if err != nil {
		return r, err
	}
	if err := checkText("description", r.Description, "provider", r.Provider, "externalId", r.ExternalID); err != nil {
		return r, err
	}
	if r.Meta, err = s.newMeta(by); err != nil {
		return r, err
	}
	r.Name = name
	_, err = shelfRoles.change(s, tenant, name, func(old *identity.Role) (*identity.Role, error) {
		if old != nil {
			return nil, identity.ErrExists
		}
		return &r, nil
	})
	return r, err
}

// Role returns a role.
func (s *Store) Role(tenant, name string) (identity.Role, error) {
	r, err := shelfRoles.get(s, tenant, strings.ToLower(name))
	if err != nil {
		return identity.Role{}, err
	}
	return *r, nil
}

// UpdateRole changes the description of a role.
func (s *Store) UpdateRole(by, tenant, name, description string) (identity.Role, error) {
	if err := checkText("description", description); err != nil {
		return identity.Role{}, err
	}
	r, err := shelfRoles.change(s, tenant, strings.ToLower(name), func(old *identity.Role) (*identity.Role, error) {
		if old == nil {
			return nil, annal.ErrNotFound
		}
		next := *old
		next.Description = description
		s.changed(&next.Meta, by)
		return &next, nil
	})
	if err != nil {
		return identity.Role{}, err
	}
	return *r, nil
}

// DeleteRole removes a role; its clients can no longer sign in.
func (s *Store) DeleteRole(tenant, name string) error {
	return shelfRoles.remove(s, tenant, strings.ToLower(name))
}

// Roles searches roles by name and description.
func (s *Store) Roles(tenant string, q identity.Search) (identity.Found[identity.Role], error) {
	return search(s, shelfRoles, tenant, q, func(name string, r *identity.Role) (identity.Role, string, bool) {
		return *r, name + "\n" + r.Description, true
	})
}

// CreateClient adds a client of a role, and returns its secret, which cannot be
// had again.
func (s *Store) CreateClient(by, tenant string, c identity.Client) (identity.Client, string, error) {
	c.Role = strings.ToLower(c.Role)
	if err := checkText("description", c.Description); err != nil {
		return c, "", err
	}
	if _, err := s.Role(tenant, c.Role); err != nil {
		return c, "", annal.Invalid("role", "must be the name of a role")
	}
	secret, err := randomText(s.rand)
	if err != nil {
		return c, "", err
	}
	if c.Meta, err = s.newMeta(by); err != nil {
		return c, "", err
	}
	hash := sha256.Sum256([]byte(secret))
	_, err = shelfClients.change(s, tenant, c.ID, func(*clientRecord) (*clientRecord, error) {
		return &clientRecord{Client: c, Secret: hash[:]}, nil
	})
	return c, secret, err
}

// Client returns a client.
func (s *Store) Client(tenant, id string) (identity.Client, error) {
	c, err := shelfClients.get(s, tenant, strings.ToLower(id))
	if err != nil {
		return identity.Client{}, err
	}
	return c.Client, nil
}

// DeleteClient removes a client; what was issued to it is void at once.
func (s *Store) DeleteClient(tenant, id string) error {
	return shelfClients.remove(s, tenant, strings.ToLower(id))
}

// Clients searches clients by id, role and description.
func (s *Store) Clients(tenant string, q identity.Search) (identity.Found[identity.Client], error) {
	return search(s, shelfClients, tenant, q, func(id string, c *clientRecord) (identity.Client, string, bool) {
		return c.Client, id + "\n" + c.Role + "\n" + c.Description, q.Role == "" || q.Role == c.Role
	})
}
