package auth

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/identity"
)

const password = "correct horse"

// peopled opens a store with the user alice and the client of the role reader
// in acme.
func peopled(t *testing.T, dir string, c *clock) (s *Store, client identity.Client, secret string) {
	t.Helper()
	s = open(t, dir, c)
	if err := s.Register([]string{"acme", "other"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.CreateUser("users:root", "acme", identity.User{Name: "Alice"}, password)
	if err == nil {
		_, err = s.CreateRole("users:root", "acme", identity.Role{Name: "reader"})
	}
	if err == nil {
		client, secret, err = s.CreateClient("users:root", "acme", identity.Client{Role: "Reader"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, client, secret
}

func as(name, secret string) identity.Login {
	return identity.Login{Tenant: "acme", Name: name, Secret: secret, Remote: "10.0.0.1:4711"}
}

func (s *Store) who(t *testing.T, access string) (Caller, error) {
	return Chain{s, s.Signed()}.Authenticate(t.Context(), "Bearer "+access)
}

func TestGrantPassword(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s, _, _ := peopled(t, dir, c)
	g, err := s.GrantPassword(t.Context(), as("ALICE", password))
	if err != nil || g.Subject != "users:alice" || g.Tenant != "acme" || g.Lifetime != identity.DefaultLifetime {
		t.Fatalf("got %+v, %v", g, err)
	}
	who, err := s.who(t, g.Access)
	if err != nil || who.Subject != "users:alice" || who.Home != "acme" || !slices.Equal(who.Tenants, []string{"acme"}) || len(who.Scopes) != 0 || who.TokenID != g.TokenID {
		t.Errorf("caller = %+v, %v", who, err)
	}
	l := as("alice", password)
	l.Tenant = ""
	if g, err := s.GrantPassword(t.Context(), l); err != nil || g.Tenant != "acme" {
		t.Errorf("without a tenant: %+v, %v", g, err)
	}
	if _, err := s.CreateUser("", "other", identity.User{Name: "alice"}, password); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GrantPassword(t.Context(), l); !errors.Is(err, ErrCredentials) {
		t.Errorf("a name that two tenants know: %v", err)
	}
	c.t = noon.Add(identity.DefaultLifetime)
	if _, err := s.who(t, g.Access); !errors.Is(err, ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
	for _, name := range []string{StateFile, SigningKeyFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	state, err := os.ReadFile(filepath.Join(dir, StateFile))
	if err != nil || bytes.Contains(state, []byte(password)) || bytes.Contains(state, []byte(strings.TrimPrefix(g.Refresh, RefreshPrefix))) {
		t.Errorf("the state file holds a secret, or: %v", err)
	}
}

func TestLoginsOutliveARestart(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s, client, secret := peopled(t, dir, c)
	g, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, c)
	if _, err := s.who(t, g.Access); err != nil {
		t.Error(err)
	}
	if _, err := s.GrantRefresh(g.Refresh, "10.0.0.1", 0); err != nil {
		t.Error(err)
	}
	if _, err := s.GrantClient(t.Context(), as(client.ID, secret)); err != nil {
		t.Error(err)
	}
}

// What an administrator takes away is gone from the next request on.
func TestTokensEndWithWhatTheyStandFor(t *testing.T) {
	other := "another password"
	for name, end := range map[string]func(s *Store, client string) error{
		"user deleted": func(s *Store, _ string) error { return s.DeleteUser("acme", "alice") },
		"password changed": func(s *Store, _ string) error {
			_, err := s.UpdateUser("", "acme", "alice", UserChange{Password: &other})
			return err
		},
		"user made anew": func(s *Store, _ string) error {
			err := s.DeleteUser("acme", "alice")
			if err == nil {
				_, err = s.CreateUser("", "acme", identity.User{Name: "alice"}, other)
			}
			return err
		},
		"client deleted": func(s *Store, id string) error { return s.DeleteClient("acme", id) },
		"role deleted":   func(s *Store, _ string) error { return s.DeleteRole("acme", "reader") },
		"tenant deleted": func(s *Store, _ string) error { return s.DeleteTenant("acme") },
		"tenant deleted twice": func(s *Store, _ string) error {
			return errors.Join(s.DeleteTenant("acme"), s.Register([]string{"acme"}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, client, secret := peopled(t, t.TempDir(), &clock{noon})
			login := func() (identity.Grant, error) { return s.GrantPassword(t.Context(), as("alice", password)) }
			if strings.HasPrefix(name, "client") || strings.HasPrefix(name, "role") {
				login = func() (identity.Grant, error) { return s.GrantClient(t.Context(), as(client.ID, secret)) }
			}
			g, err := login()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.who(t, g.Access); err != nil {
				t.Fatal(err)
			}
			if err := end(s, client.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := s.who(t, g.Access); !errors.Is(err, ErrRevoked) {
				t.Errorf("access: %v, want %v", err, ErrRevoked)
			}
			if _, err := s.GrantRefresh(g.Refresh, "10.0.0.1", 0); !errors.Is(err, ErrGrant) {
				t.Errorf("refresh: %v, want %v", err, ErrGrant)
			}
			if _, err := login(); !errors.Is(err, ErrCredentials) {
				t.Errorf("login: %v, want %v", err, ErrCredentials)
			}
		})
	}
}

func TestGrantClient(t *testing.T) {
	s, client, secret := peopled(t, t.TempDir(), &clock{noon})
	g, err := s.GrantClient(t.Context(), as(client.ID, secret))
	if err != nil || g.Subject != "roles:reader" || g.Client != client.ID {
		t.Fatalf("got %+v, %v", g, err)
	}
	who, err := s.who(t, g.Access)
	if err != nil || !slices.Equal(who.Principals, []string{"roles:reader", "clients:" + client.ID}) {
		t.Errorf("caller = %+v, %v", who, err)
	}
	for _, l := range []identity.Login{as(client.ID, secret+"x"), as(client.ID, ""), as("nobody", secret), as("", "")} {
		if _, err := s.GrantClient(t.Context(), l); !errors.Is(err, ErrCredentials) {
			t.Errorf("%q: %v", l.Name, err)
		}
	}
}

func TestRefreshTokensWorkOnce(t *testing.T) {
	c := &clock{noon}
	s, _, _ := peopled(t, t.TempDir(), c)
	first, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.GrantRefresh(first.Refresh, "10.0.0.1", time.Minute)
	if err != nil || second.Subject != first.Subject || second.Lifetime != time.Minute || second.Refresh == first.Refresh {
		t.Fatalf("got %+v, %v", second, err)
	}
	if _, err := s.GrantRefresh(first.Refresh, "10.0.0.1", 0); !errors.Is(err, ErrGrant) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := s.GrantRefresh(second.Refresh, "10.0.0.1", 0); !errors.Is(err, ErrGrant) {
		t.Errorf("its successor, after the theft: %v", err)
	}
	last, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; err == nil; i++ {
		if i > 20 {
			t.Fatal("a session never ends")
		}
		c.t = c.t.Add(identity.RefreshLifetime - time.Minute)
		var next identity.Grant
		if next, err = s.GrantRefresh(last.Refresh, "10.0.0.1", 0); err == nil {
			last = next
		}
	}
	if c.t.Before(noon.Add(identity.SessionLifetime)) {
		t.Errorf("the session ended at %v", c.t)
	}
	for _, bad := range []string{"", "x", first.Access, RefreshPrefix, strings.Repeat("a", 1<<20)} {
		c.t = c.t.Add(time.Minute)
		if _, err := s.GrantRefresh(bad, "10.0.0.1", 0); !errors.Is(err, ErrGrant) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if _, err := s.who(t, last.Refresh); !errors.Is(err, ErrUnknown) {
		t.Errorf("a refresh token as a bearer: %v", err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestFailuresLockAName(t *testing.T) {
	for _, name := range []string{"alice", "nobody-at-all"} {
		t.Run(name, func(t *testing.T) {
			c := &clock{noon}
			s, _, _ := peopled(t, t.TempDir(), c)
			for i := range maxFailures {
				_, err := s.GrantPassword(t.Context(), as(name, "wrong"))
				var locked *RateError
				switch last := i == maxFailures-1; {
				case last && (!errors.As(err, &locked) || !locked.Locked || !locked.New || locked.After != lockFor):
					t.Errorf("the last failure: %v", err)
				case !last && !errors.Is(err, ErrCredentials):
					t.Errorf("failure %d: %v", i, err)
				}
			}
			var locked *RateError
			if _, err := s.GrantPassword(t.Context(), as(name, password)); !errors.As(err, &locked) || !locked.Locked || locked.New {
				t.Errorf("with the right password: %v", err)
			}
			c.t = c.t.Add(lockFor)
			if _, err := s.GrantPassword(t.Context(), as(name, password)); (err == nil) != (name == "alice") {
				t.Errorf("when it is over: %v", err)
			}
		})
	}
}

func TestPaceIsBoundedByAddressAndByName(t *testing.T) {
	c := &clock{noon}
	s, client, secret := peopled(t, t.TempDir(), c)
	tries := func(remote func(i int) string, name func(i int) string) (n int, wait time.Duration) {
		for i := range 200 {
			l := as(name(i), secret)
			l.Remote = remote(i)
			_, err := s.GrantClient(t.Context(), l)
			var rate *RateError
			if errors.As(err, &rate) {
				return i, rate.After
			}
		}
		return 200, 0
	}
	same := func(v string) func(int) string { return func(int) string { return v } }
	if n, wait := tries(func(i int) string { return fmt.Sprintf("10.0.1.%d:1", i) }, same(client.ID)); n != subjectBurst || wait != subjectEvery {
		t.Errorf("one name from many addresses: %d tries, then wait %v", n, wait)
	}
	many := func(i int) string { return fmt.Sprint("name", i) }
	if n, wait := tries(same("192.0.2.1:80"), many); n != addressBurst || wait != addressEvery {
		t.Errorf("many names from one address: %d tries, then wait %v", n, wait)
	}
	if n, _ := tries(func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, func(i int) string { return fmt.Sprint("other", i) }); n != addressBurst {
		t.Errorf("many names from one IPv6 network: %d tries", n)
	}
	c.t = c.t.Add(time.Minute)
	home := fmt.Sprintf("10.0.1.%d:1", subjectBurst-1) // the last that signed in
	if n, _ := tries(same(home), same(client.ID)); n != subjectBurst {
		t.Errorf("after a rest: %d tries", n)
	}
}

func TestTablesOfFailuresAreBounded(t *testing.T) {
	p, l := newPaces(addressBurst, addressEvery), locks{keys: map[string]failing{}}
	for range maxFailures {
		l.fail("locked", noon)
	}
	for i := range 2 * maxPaces {
		now := noon.Add(time.Duration(i) * time.Millisecond)
		p.take(fmt.Sprint(i), now)
		if i%64 == 0 || len(l.keys) < maxPaces {
			l.fail(fmt.Sprint(i), now)
		}
	}
	if len(p.keys) > maxPaces || len(l.keys) > maxPaces {
		t.Errorf("%d paces and %d locks are kept, want at most %d", len(p.keys), len(l.keys), maxPaces)
	}
	if l.locked("locked", noon.Add(time.Minute)) == 0 {
		t.Error("a flood of other names has unlocked one")
	}
}

func TestRankReachesNoFurtherThanOnesOwn(t *testing.T) {
	s, _, _ := peopled(t, t.TempDir(), &clock{noon})
	if err := s.SaveTenant(Tenant{ID: "acme", Partner: "mine"}); err != nil {
		t.Fatal(err)
	}
	super := &Caller{Standing: identity.Admin}
	partner := &Caller{Partner: "mine", Tenants: []string{"acme"}, Standing: identity.Admin}
	tenant := &Caller{Tenant: "acme", Tenants: []string{"acme"}, Standing: identity.Admin}
	auditor := &Caller{Tenant: "acme", Tenants: []string{"acme"}, Standing: identity.Auditor}
	stranger := &Caller{Tenant: "other", Tenants: []string{"other"}, Standing: identity.Admin}
	for i, tt := range []struct {
		by    *Caller
		reach identity.Reach
		ok    bool
	}{
		{super, identity.Everywhere, true}, {partner, identity.OwnTenant, false}, {super, identity.OwnPartner, true},
		{tenant, identity.OwnTenant, false}, {partner, identity.OwnTenant, true}, {tenant, identity.OwnTenant, true},
		{partner, identity.OwnPartner, true}, {super, identity.OwnTenant, true}, {tenant, identity.OwnPartner, false},
		{partner, identity.Everywhere, false}, {auditor, identity.OwnTenant, false}, {stranger, identity.OwnTenant, false},
	} {
		if _, err := s.Rank(tt.by, "acme", "alice", identity.Admin, tt.reach); (err == nil) != tt.ok {
			t.Errorf("%d: %v, want ok %v", i, err, tt.ok)
		}
	}
	if _, err := s.Rank(super, "acme", "alice", identity.Auditor, identity.OwnPartner); err != nil {
		t.Fatal(err)
	}
	g, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	who, err := s.who(t, g.Access)
	if err != nil || who.Partner != "mine" || who.Standing != identity.Auditor || !slices.Equal(who.Scopes, []string{ScopeRead, ScopeExport}) {
		t.Errorf("caller = %+v, %v", who, err)
	}
}

func TestS2_7_PoliciesThroughGroups(t *testing.T) {
	s, _, _ := peopled(t, t.TempDir(), &clock{noon})
	policy := identity.Policy{Path: "audit", Permissions: []identity.Permission{{
		Effect: "allow", Subjects: []string{"groups:Audit-Readers"}, Resources: []string{"audit"}, Actions: []string{"list"},
	}}}
	p, err := s.CreatePolicy("users:root", "acme", policy)
	if err == nil {
		_, err = s.CreateGroup("users:root", "acme", identity.Group{Name: "audit-readers", Members: []string{"bob"}})
	}
	if err != nil || p.Version != 0 {
		t.Fatal(p, err)
	}
	verdict := func() identity.Verdict {
		return s.Allowed("acme", []string{"users:alice"}, "list", "audit", "10.0.0.1:1")
	}
	expect := func(when string, want identity.Verdict) {
		t.Helper()
		if got := verdict(); got != want {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	expect("not a member", identity.Silent)
	if _, err := s.ChangeMembers("", "acme", "audit-readers", []string{"users:Alice"}, nil); err != nil {
		t.Fatal(err)
	}
	expect("a member", identity.Allow)
	if v := s.Allowed("other", []string{"users:alice"}, "list", "audit", ""); v != identity.Silent {
		t.Errorf("another tenant's policies say %v", v)
	}
	policy.Permissions[0].Effect = "deny"
	if p, err = s.UpdatePolicy("", "acme", "audit", policy.Permissions); err != nil || p.Version != 1 {
		t.Fatal(p, err)
	}
	expect("denied", identity.Deny)
	if p, err = s.RollbackPolicy("", "acme", "audit", 0); err != nil || p.Version != 2 {
		t.Fatal(p, err)
	}
	expect("rolled back", identity.Allow)
	if err := s.DeletePolicy("", "acme", "audit", false); err != nil {
		t.Fatal(err)
	}
	expect("deleted", identity.Silent)
	if _, err := s.Policy("acme", "audit"); !errors.Is(err, annal.ErrNotFound) {
		t.Errorf("a deleted policy is read: %v", err)
	}
	if _, err := s.RestorePolicy("", "acme", "audit"); err != nil {
		t.Fatal(err)
	}
	expect("restored", identity.Allow)
	if old, err := s.PolicyVersion("acme", "audit", 1); err != nil || old.Permissions[0].Effect != "deny" {
		t.Errorf("version 1: %+v, %v", old, err)
	}
	if err := s.DeletePolicy("", "acme", "audit", true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RestorePolicy("", "acme", "audit"); !errors.Is(err, annal.ErrNotFound) {
		t.Errorf("what was forgotten is restored: %v", err)
	}
}

func TestSearchWalksInPages(t *testing.T) {
	s, _, _ := peopled(t, t.TempDir(), &clock{noon})
	for i := range 23 {
		if _, err := s.CreateGroup("", "acme", identity.Group{Name: fmt.Sprintf("Team-%02d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for q := (identity.Search{Term: "TEAM", Limit: 5}); ; {
		page, err := s.Groups("acme", q)
		if err != nil || page.Total != 23 {
			t.Fatal(page, err)
		}
		for _, g := range page.Items {
			names = append(names, g.Name)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(names) != 23 || !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
	if _, err := s.Groups("acme", identity.Search{Cursor: "not base64!"}); err == nil {
		t.Error("a bad cursor was taken")
	}
	if page, err := s.Groups("other", identity.Search{}); err != nil || page.Total != 0 {
		t.Errorf("another tenant finds %d groups, %v", page.Total, err)
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	s, client, _ := peopled(t, t.TempDir(), &clock{noon})
	if _, err := s.CreateUser("", "acme", identity.User{Name: "aLICE"}, password); !errors.Is(err, identity.ErrExists) {
		t.Errorf("user: %v", err)
	}
	if _, err := s.CreateRole("", "acme", identity.Role{Name: "READER"}); !errors.Is(err, identity.ErrExists) {
		t.Errorf("role: %v", err)
	}
	for _, name := range []string{"", "a/b", "a b", "<x>", strings.Repeat("a", identity.MaxName+1), "ü"} {
		if _, err := s.CreateUser("", "acme", identity.User{Name: name}, password); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
	for _, p := range []string{"", "short", strings.Repeat("a", MaxPassword+1), "\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if _, err := s.CreateUser("", "acme", identity.User{Name: "new"}, p); err == nil {
			t.Errorf("the password %.10q was taken", p)
		}
	}
	if _, _, err := s.CreateClient("", "acme", identity.Client{Role: "nobody"}); err == nil {
		t.Error("a client of no role was made")
	}
	if _, err := s.CreateRole("", "nowhere", identity.Role{Name: "x"}); !errors.Is(err, annal.ErrNotFound) {
		t.Errorf("in no tenant: %v", err)
	}
	if got, err := s.Client("acme", strings.ToUpper(client.ID)); err != nil || got.Role != "reader" {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is remembered of attempts is small, however long the names are that they
// give.
func TestNamesOfAttemptsAreShort(t *testing.T) {
	c := &clock{noon}
	s, _, _ := peopled(t, t.TempDir(), c)
	for i := range 50 {
		l := as(strings.Repeat("n", 1<<16), "wrong")
		l.Tenant = strings.Repeat("t", 1<<16) + fmt.Sprint(i)
		_, _ = s.GrantClient(t.Context(), l)
	}
	for name, n := range map[string]int{"subjects": longest(s.subjects.keys), "strangers": longest(s.strangers.keys), "locks": longest(s.locks.keys), "addresses": longest(s.addresses.keys)} {
		if n == 0 || n > 512 {
			t.Errorf("%s: a key has %d bytes", name, n)
		}
	}
}

func longest[V any](table map[string]V) (n int) {
	for key := range table {
		n = max(n, len(key))
	}
	return n
}

// A signing key that cannot be read now may be sound: nobody is told to remove it,
// which would sign everybody out. One that is damaged may go.
func TestAKeyThatCannotBeReadIsNotToBeRemoved(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir, &clock{noon}).Close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, SigningKeyFile)
	for _, tt := range []struct {
		name   string
		spoil  func() error
		words  string
		remove bool
	}{
		{"damaged", func() error { return os.WriteFile(key, []byte("abc"), 0o600) }, "damaged", true},
		{"unreadable", func() error { return errors.Join(os.Remove(key), os.Mkdir(key, 0o700)) }, "is a directory", false},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{Dir: dir, Now: time.Now, Rand: rand.Reader})
		if s != nil || err == nil || !strings.Contains(err.Error(), tt.words) || strings.Contains(err.Error(), "remove it") != tt.remove {
			t.Errorf("%s: %v; want %q, and to remove it: %v", tt.name, err, tt.words, tt.remove)
		}
	}
}
