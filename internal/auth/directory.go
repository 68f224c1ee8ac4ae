package auth

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"annal/internal/book"

	"annal"
	"annal/internal/identity"
)

// bucketDirectory holds tenant, kind and name, separated by zero bytes → record.
var bucketDirectory = "directory"

// A directory is the people and policies of one tenant, in memory. Whatever is
// in its maps is replaced, never changed.
type directory struct {
	users    map[string]*userRecord
	groups   map[string]*identity.Group
	roles    map[string]*identity.Role
	clients  map[string]*clientRecord
	policies map[string]*policyRecord
	rules    *identity.Rules
}

// userRecord is a user as stored.
type userRecord struct {
	identity.User
	Hash       string // of the password, see hashPassword
	Generation int    // counts passwords; what was issued for earlier ones is void
}

// stamp names a user with their present password: neither another password nor
// another user of the same name has it.
func (u *userRecord) stamp() string { return u.ID + "." + strconv.Itoa(u.Generation) }

// clientRecord is a client as stored.
type clientRecord struct {
	identity.Client
	Secret []byte // SHA-256
}

// policyRecord is a policy with what it was before.
type policyRecord struct {
	identity.Policy
	History []identity.Policy // by version, ending with the present one
}

func newDirectory() *directory {
	return &directory{
		users: map[string]*userRecord{}, groups: map[string]*identity.Group{}, roles: map[string]*identity.Role{},
		clients: map[string]*clientRecord{}, policies: map[string]*policyRecord{}, rules: new(identity.Rules),
	}
}

// directory returns tenant's directory to read from; s.mu is held.
func (s *Store) directory(tenant string) *directory {
	if d := s.directories[tenant]; d != nil {
		return d
	}
	return newDirectory()
}

// loadDirectories reads every directory.
func (s *Store) loadDirectories(tx *book.Tx) error {
	err := tx.Bucket(bucketDirectory).ForEach(func(k, v []byte) error {
		parts := strings.SplitN(string(k), "\x00", 3)
		if len(parts) != 3 {
			return fmt.Errorf("directory record %q is damaged", k)
		}
		d := s.directories[parts[0]]
		if d == nil {
			d = newDirectory()
			s.directories[parts[0]] = d
		}
		if err := d.load(parts[1], parts[2], v); err != nil {
			return fmt.Errorf("directory record %q: %w", k, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range s.directories {
		if d.rules, err = compile(d.policies); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) load(kind, name string, v []byte) error {
	switch kind {
	case identity.KindUser:
		return loadInto(d.users, name, v)
	case identity.KindGroup:
		return loadInto(d.groups, name, v)
	case identity.KindRole:
		return loadInto(d.roles, name, v)
	case identity.KindClient:
		return loadInto(d.clients, name, v)
	case identity.KindPolicy:
		return loadInto(d.policies, name, v)
	}
	return fmt.Errorf("unknown kind %q", kind)
}

func loadInto[T any](m map[string]*T, name string, v []byte) error {
	m[name] = new(T)
	return json.Unmarshal(v, m[name])
}

func compile(policies map[string]*policyRecord) (*identity.Rules, error) {
	var all []identity.Policy
	for _, path := range slices.Sorted(maps.Keys(policies)) {
		all = append(all, policies[path].Policy)
	}
	return identity.Compile(all)
}

// A shelf is one kind of thing in a directory.
type shelf[T any] struct {
	kind string
	most int
	in   func(*directory) map[string]*T
}

// The shelves.
var (
	shelfUsers    = shelf[userRecord]{identity.KindUser, identity.MaxUsers, func(d *directory) map[string]*userRecord { return d.users }}
	shelfGroups   = shelf[identity.Group]{identity.KindGroup, identity.MaxGroups, func(d *directory) map[string]*identity.Group { return d.groups }}
	shelfRoles    = shelf[identity.Role]{identity.KindRole, identity.MaxRoles, func(d *directory) map[string]*identity.Role { return d.roles }}
	shelfClients  = shelf[clientRecord]{identity.KindClient, identity.MaxClients, func(d *directory) map[string]*clientRecord { return d.clients }}
	shelfPolicies = shelf[policyRecord]{identity.KindPolicy, identity.MaxPolicies, func(d *directory) map[string]*policyRecord { return d.policies }}
)

// get returns what has the name, which is not to be changed.
func (f shelf[T]) get(s *Store, tenant, name string) (*T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v := f.in(s.directory(tenant))[name]; v != nil {
		return v, nil
	}
	return nil, annal.ErrNotFound
}

// change puts next(what has the name, nil if nothing) in its place; when that is
// nil, it is removed.
func (f shelf[T]) change(s *Store, tenant, name string, next func(old *T) (*T, error)) (*T, error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	if _, known := s.Tenant(tenant); !known {
		return nil, annal.ErrNotFound
	}
	s.mu.RLock()
	present := f.in(s.directory(tenant))
	old, n := present[name], len(present)
	s.mu.RUnlock()
	v, err := next(old)
	if err != nil {
		return nil, err
	}
	if old == nil && n >= f.most {
		return nil, annal.Invalid("", "there are %d %s, which is the limit", f.most, f.kind)
	}
	if err := s.update(func(tx *book.Tx) error { return f.put(tx, tenant, name, v) }); err != nil {
		return nil, fmt.Errorf("save %s: %w", f.kind, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.directories[tenant] == nil {
		s.directories[tenant] = newDirectory()
	}
	if v == nil {
		delete(f.in(s.directories[tenant]), name)
	} else {
		f.in(s.directories[tenant])[name] = v
	}
	return v, nil
}

func (f shelf[T]) put(tx *book.Tx, tenant, name string, v *T) error {
	key := []byte(tenant + "\x00" + f.kind + "\x00" + name)
	if v == nil {
		return tx.Bucket(bucketDirectory).Delete(key)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketDirectory).Put(key, b)
}

// remove deletes what has the name.
func (f shelf[T]) remove(s *Store, tenant, name string) error {
	_, err := f.change(s, tenant, name, func(old *T) (*T, error) {
		if old == nil {
			return nil, annal.ErrNotFound
		}
		return nil, nil
	})
	return err
}

// search returns the page of those whose text holds the term.
func search[T, U any](s *Store, f shelf[T], tenant string, q identity.Search, show func(name string, v *T) (shown U, text string, ok bool)) (identity.Found[U], error) {
	found := identity.Found[U]{Items: []U{}, Limit: q.Limit}
	if found.Limit <= 0 {
		found.Limit = identity.DefaultLimit
	}
	found.Limit = min(found.Limit, identity.MaxLimit)
	after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil {
		return found, annal.Invalid("cursor", "is not one that this search returned; begin again without it")
	}
	term, last := strings.ToLower(q.Term), ""
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := f.in(s.directory(tenant))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		shown, text, ok := show(name, all[name])
		if !ok || !strings.Contains(strings.ToLower(text), term) {
			continue
		}
		found.Total++
		switch {
		case q.Cursor != "" && cmp.Compare(name, string(after)) <= 0:
		case len(found.Items) < found.Limit:
			found.Items = append(found.Items, shown)
			last = name
		default:
			found.Next = base64.RawURLEncoding.EncodeToString([]byte(last))
		}
	}
	return found, nil
}

// newMeta is what a new thing gets.
func (s *Store) newMeta(by string) (identity.Meta, error) {
	id, err := s.newUUID()
	now := s.now().UTC()
	return identity.Meta{ID: id, Created: now, CreatedBy: by, Modified: now, ModifiedBy: by}, err
}

// changed notes a change.
func (s *Store) changed(m *identity.Meta, by string) {
	m.Modified, m.ModifiedBy = s.now().UTC(), by
	m.Version++
}

// newUUID draws a random UUID (version 4).
func (s *Store) newUUID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// principalName puts a name into the form it is kept under: lower case.
func principalName(field, name string) (string, error) {
	name = strings.ToLower(name)
	if name == "" || len(name) > identity.MaxName || strings.ContainsFunc(name, unprintable) || strings.ContainsAny(name, "/<>") || strings.Contains(name, "..") {
		return "", annal.Invalid(field, "must be 1 to %d visible ASCII characters without /, < and >", identity.MaxName)
	}
	return name, nil
}

// checkText refuses texts that are too long.
func checkText(fields ...string) error {
	for i := 0; i < len(fields); i += 2 {
		if len(fields[i+1]) > identity.MaxText {
			return annal.Invalid(fields[i], "must have at most %d bytes", identity.MaxText)
		}
	}
	return nil
}
