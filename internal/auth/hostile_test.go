package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"annal"
	"annal/internal/book"
	"annal/internal/identity"
)

// A refresh token that is shown twice was stolen: what its session gave is void,
// also after a restart.
func TestAStolenSessionEndsWithItsAccessTokens(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s, _, _ := peopled(t, dir, c)
	first, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.GrantPassword(t.Context(), as("alice", password))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.GrantRefresh(first.Refresh, "10.0.0.1", identity.MaxLifetime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.who(t, second.Access); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GrantRefresh(first.Refresh, "10.0.0.1", 0); !errors.Is(err, ErrGrant) {
		t.Fatalf("shown twice: %v", err)
	}
	check := func(s *Store) {
		t.Helper()
		for _, access := range []string{first.Access, second.Access} {
			if _, err := s.who(t, access); !errors.Is(err, ErrRevoked) {
				t.Errorf("an access token of the session: %v", err)
			}
		}
		if _, err := s.who(t, other.Access); err != nil {
			t.Errorf("one of another session: %v", err)
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, dir, c))
}

// Sessions of one tenant, however many, keep nobody else from signing in.
func TestNoTenantTakesAllSessions(t *testing.T) {
	c := &clock{noon}
	s, _, _ := peopled(t, t.TempDir(), c)
	if _, err := s.CreateUser("root", "other", identity.User{Name: "bob"}, password); err != nil {
		t.Fatal(err)
	}
	bob := identity.Login{Tenant: "other", Name: "bob", Secret: password, Remote: "10.0.0.2"}
	old, err := s.GrantPassword(t.Context(), bob)
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(func(tx *book.Tx) error {
		for i := range MaxRefresh - 1 {
			hash := sha256.Sum256(fmt.Append(nil, i))
			r := refresh{session: session{Tenant: "acme", Family: "f"}, Expires: noon.Add(time.Hour)}
			if err := putRefresh(tx, string(hash[:]), r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.GrantPassword(t.Context(), bob); err != nil {
		t.Errorf("another tenant's user: %v", err)
	}
	if _, err := s.GrantRefresh(old.Refresh, "10.0.0.2", 0); err != nil {
		t.Errorf("their session of before: %v", err)
	}
	var n int
	if err := s.db.View(func(tx *book.Tx) (err error) { n, err = tx.Bucket(bucketRefresh).Len(); return err }); err != nil || n > MaxRefresh {
		t.Errorf("%d refresh tokens are kept, %v", n, err)
	}
}

// A tenant that was deleted does not come back with a token that its admin had
// begun to ask for.
func TestADeletedTenantDoesNotComeBack(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	if err := s.SaveTenant(Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	admin := Caller{Tenant: "acme", Tenants: []string{"acme"}, Scopes: AllScopes(), Standing: identity.Admin}
	if err := s.DeleteTenant("acme"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(&admin, TokenSpec{Subject: "eve", Tenant: "acme", Scopes: AllScopes()}); !errors.Is(err, annal.ErrNotFound) {
		t.Errorf("a token of a tenant that is no more: %v", err)
	}
	if _, known := s.Tenant("acme"); known {
		t.Error("the tenant is back")
	}
}

// No partner gets the events that name no tenant.
func TestNoPartnerTakesTheDefaultTenant(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	partner := Caller{Partner: "p", Tenants: []string{}, Scopes: AllScopes(), Standing: identity.Admin}
	var denied *annal.ForbiddenError
	if _, err := s.CreateTenant(&partner, Tenant{ID: "default"}); !errors.As(err, &denied) {
		t.Errorf("a partner makes it: %v", err)
	}
	if _, err := s.CreateTenant(&Caller{}, Tenant{ID: "default"}); err != nil {
		t.Errorf("who is bound to nothing makes it: %v", err)
	}
}

// A policy that cannot be compiled is not stored, for no start would read it.
func TestAPolicyOnDiskCanBeRead(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s, _, _ := peopled(t, dir, c)
	for _, path := range []string{"a>b", "a<b", "<.*>", "<"} {
		_, err := s.CreatePolicy("root", "acme", identity.Policy{Path: path, Permissions: []identity.Permission{
			{Effect: "allow", Subjects: []string{"users:alice"}, Actions: []string{"read"}},
		}})
		if !errors.As(err, new(*annal.InvalidError)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, c)
}

// A name that is locked in a tenant tells nobody whether the tenant knows it.
func TestLocksTellNothingOfNames(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		s, _, _ := peopled(t, t.TempDir(), &clock{noon})
		for range maxFailures {
			if _, err := s.GrantPassword(t.Context(), as(name, "wrong words")); err == nil {
				t.Fatal("a wrong password is taken")
			}
		}
		unnamed := as(name, "wrong words")
		unnamed.Tenant = ""
		if _, err := s.GrantPassword(t.Context(), unnamed); !errors.Is(err, ErrCredentials) {
			t.Errorf("%s, without the tenant: %v", name, err)
		}
	}
}

// Who is bound to something leaves room for others' tokens and tenants.
func TestNobodyTakesTheRoomOfAll(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	for _, id := range []string{"acme", "other"} {
		if err := s.SaveTenant(Tenant{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	spec := TokenSpec{Subject: "x", Tenant: "acme", Scopes: []string{ScopeRead}}
	err := s.db.Update(func(tx *book.Tx) error {
		for i := range MaxBound {
			hash := sha256.Sum256(fmt.Append(nil, i))
			r := record{Token{ID: fmt.Sprintf("tok_%d", i), Tenant: "acme"}, hash[:]}
			if err := putRecord(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	admin := func(tenant string) *Caller {
		return &Caller{Tenant: tenant, Tenants: []string{tenant}, Scopes: AllScopes(), Standing: identity.Admin}
	}
	if _, _, err := s.Create(admin("acme"), spec); !errors.As(err, new(*annal.InvalidError)) {
		t.Errorf("one more: %v", err)
	}
	spec.Tenant = "other"
	if _, _, err := s.Create(admin("other"), spec); err != nil {
		t.Errorf("another tenant's first: %v", err)
	}
	s.mu.Lock()
	for i := range MaxPartnerTenants {
		id := fmt.Sprint("t", i)
		s.gone[id] = Tenant{ID: id, Partner: "p"}
	}
	s.mu.Unlock()
	for partner, want := range map[string]bool{"p": false, "q": true} {
		by := &Caller{Partner: partner, Tenants: []string{}, Scopes: AllScopes(), Standing: identity.Admin}
		if _, err := s.CreateTenant(by, Tenant{ID: "of-" + partner}); (err == nil) != want {
			t.Errorf("a tenant of %s: %v", partner, err)
		}
	}
}
