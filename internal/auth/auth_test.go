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
	"sync"
	"testing"
	"time"

	"annal"
)

var noon = time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t testing.TB, dir string, c *clock) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Now: c.now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(t testing.TB, s *Store, by *Caller, spec TokenSpec) (Token, string) {
	t.Helper()
	token, secret, err := s.Create(by, spec)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func TestFirstStartWritesTheAdminToken(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s := open(t, dir, c)
	name := filepath.Join(dir, AdminTokenFile)
	if s.FirstToken() != name {
		t.Errorf("FirstToken = %q, want %q", s.FirstToken(), name)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("admin token: %v, %v", info, err)
	}
	secret, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := Chain{s}.Authenticate(t.Context(), "Bearer "+strings.TrimSpace(string(secret)))
	if err != nil || !caller.Super() || caller.Tenants != nil || !slices.Equal(caller.Scopes, slices.Sorted(slices.Values(AllScopes()))) {
		t.Errorf("admin = %+v, %v", caller, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, c)
	if again.FirstToken() != "" {
		t.Error("the second start made another admin token")
	}
	if _, err := (Chain{again}).Authenticate(t.Context(), "Bearer "+strings.TrimSpace(string(secret))); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestNoSecretIsStored(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, &clock{noon})
	_, secret := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
	state, err := os.ReadFile(filepath.Join(dir, StateFile))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(state, []byte(secret[len(SecretPrefix):])) {
		t.Error("the state file holds the secret")
	}
}

func TestRefusals(t *testing.T) {
	c := &clock{noon}
	s := open(t, t.TempDir(), c)
	_, good := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
	_, brief := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}, Expires: noon.Add(time.Minute)})
	token, gone := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
	if _, err := (Chain{s}).Authenticate(t.Context(), "Bearer "+gone); err != nil {
		t.Fatalf("before it is revoked: %v", err)
	}
	if _, err := s.Revoke(&Caller{}, token.ID); err != nil {
		t.Fatal(err)
	}
	c.t = noon.Add(time.Minute)
	for _, tt := range []struct {
		name, header string
		want         error
	}{
		{"good", "Bearer " + good, nil},
		{"scheme in lower case", "bearer " + good, nil},
		{"missing", "", ErrMissing},
		{"bare", good, ErrMalformed},
		{"basic", "Basic " + good, ErrMalformed},
		{"no token", "Bearer ", ErrMalformed},
		{"two words", "Bearer a b", ErrMalformed},
		{"other kind", "Bearer eyJhbGciOi", ErrUnknown},
		{"too short", "Bearer " + good[:len(good)-1], ErrUnknown},
		{"one digit off", "Bearer " + flip(good), ErrUnknown},
		{"expired at its instant", "Bearer " + brief, ErrExpired},
		{"revoked", "Bearer " + gone, ErrRevoked},
		{"very long", "Bearer " + strings.Repeat("a", maxCredential+1), ErrMalformed},
	} {
		if _, err := (Chain{s}).Authenticate(t.Context(), tt.header); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func flip(s string) string {
	last := byte('0')
	if s[len(s)-1] == '0' {
		last = '1'
	}
	return s[:len(s)-1] + string(last)
}

func TestRightsOverTokens(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	for _, tenant := range []Tenant{{ID: "a", Partner: "p"}, {ID: "b", Partner: "p"}, {ID: "c", Partner: "q"}} {
		if err := s.SaveTenant(tenant); err != nil {
			t.Fatal(err)
		}
	}
	read := []string{ScopeRead}
	targets := []TokenSpec{
		{Subject: "s", Scopes: read}, {Subject: "s", Partner: "p", Scopes: read}, {Subject: "s", Partner: "q", Scopes: read},
		{Subject: "s", Tenant: "a", Scopes: read}, {Subject: "s", Tenant: "b", Scopes: read}, {Subject: "s", Tenant: "c", Scopes: read},
	}
	var tokens []Token
	for _, spec := range targets {
		token, _ := create(t, s, &Caller{}, spec)
		tokens = append(tokens, token)
	}
	for _, tt := range []struct {
		name string
		by   Caller
		may  []bool // by target
	}{
		{"partner", Caller{Partner: "p", Tenants: s.TenantsOf("p"), Scopes: AllScopes()}, []bool{false, true, false, true, true, false}},
		{"tenant", Caller{Tenant: "a", Tenants: []string{"a"}, Scopes: AllScopes()}, []bool{false, false, false, true, false, false}},
		{"super", Caller{}, []bool{true, true, true, true, true, true}},
	} {
		list, err := s.List(&tt.by)
		if err != nil {
			t.Fatal(err)
		}
		for i, may := range tt.may {
			listed := slices.ContainsFunc(list, func(x Token) bool { return x.ID == tokens[i].ID })
			_, _, made := s.Create(&tt.by, targets[i])
			_, revoked := s.Revoke(&tt.by, tokens[i].ID)
			if listed != may || (made == nil) != may || (revoked == nil) != may {
				t.Errorf("%s, target %d: listed %v, made %v, revoked %v; want %v", tt.name, i, listed, made, revoked, may)
			}
			if !may && !errors.Is(revoked, annal.ErrNotFound) {
				t.Errorf("%s, target %d: revoking says %v, want not found", tt.name, i, revoked)
			}
		}
	}
}

func TestPartnerTokensCoverTheirTenants(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	_, secret := create(t, s, &Caller{}, TokenSpec{Subject: "p", Partner: "p", Scopes: []string{ScopeRead}})
	sees := func(want ...string) {
		t.Helper()
		c, err := (Chain{s}).Authenticate(t.Context(), "Bearer "+secret)
		if err != nil || c.Tenants == nil || !slices.Equal(c.Tenants, want) {
			t.Errorf("sees %v, %v; want %v", c.Tenants, err, want)
		}
	}
	save := func(id, partner string) {
		t.Helper()
		if err := s.SaveTenant(Tenant{ID: id, Partner: partner}); err != nil {
			t.Fatal(err)
		}
	}
	sees()
	save("b", "p")
	save("a", "p")
	save("c", "q")
	sees("a", "b")
	save("a", "q")
	sees("b")
}

func TestOnlyTheSuperAdminBringsTenants(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon}
	s := open(t, dir, c)
	if fresh, err := s.Admit(&Caller{}, "new"); !fresh || err != nil {
		t.Errorf("super admin: %v, %v", fresh, err)
	}
	var forbidden *annal.ForbiddenError
	if _, err := s.Admit(&Caller{Tenant: "a", Tenants: []string{"a"}}, "new"); !errors.As(err, &forbidden) {
		t.Errorf("tenant: %v", err)
	}
	if _, err := s.Admit(&Caller{Partner: "p", Tenants: []string{}}, "new"); !errors.As(err, &forbidden) {
		t.Errorf("partner: %v", err)
	}
	if err := s.Register([]string{"new", "new2", "new"}); err != nil {
		t.Fatal(err)
	}
	if fresh, err := s.Admit(&Caller{}, "new"); fresh || err != nil {
		t.Errorf("registered: %v, %v", fresh, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if ts := open(t, dir, c).Tenants(); len(ts) != 2 || ts[0].ID != "new" || !ts[0].Created.Equal(noon) {
		t.Errorf("after a restart: %+v", ts)
	}
}

func TestLastUseIsCoarse(t *testing.T) {
	dir, c := t.TempDir(), &clock{noon.Add(20 * time.Minute)}
	s := open(t, dir, c)
	token, secret := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
	lastUse := func(s *Store) time.Time {
		list, err := s.List(&Caller{})
		if err != nil {
			t.Fatal(err)
		}
		return list[slices.IndexFunc(list, func(x Token) bool { return x.ID == token.ID })].LastUsed
	}
	for range 3 {
		if _, err := s.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		c.t = c.t.Add(time.Minute)
	}
	if got := lastUse(s); !got.Equal(noon) {
		t.Errorf("last used %v, want %v", got, noon)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := lastUse(open(t, dir, c)); !got.Equal(noon) {
		t.Errorf("after a restart: %v, want %v", got, noon)
	}
}

func TestSpecIsChecked(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	read := []string{ScopeRead}
	for _, tt := range []struct {
		field string
		spec  TokenSpec
	}{
		{"subject", TokenSpec{Scopes: read}},
		{"subject", TokenSpec{Subject: strings.Repeat("x", MaxSubject+1), Scopes: read}},
		{"subject", TokenSpec{Subject: "a b", Scopes: read}},
		{"scopes", TokenSpec{Subject: "x"}},
		{"scopes", TokenSpec{Subject: "x", Scopes: []string{"audit:all"}}},
		{"tenant", TokenSpec{Subject: "x", Scopes: read, Tenant: "-a"}},
		{"partner", TokenSpec{Subject: "x", Scopes: read, Tenant: "a", Partner: "p"}},
		{"expires", TokenSpec{Subject: "x", Scopes: read, Expires: noon}},
	} {
		var bad *annal.InvalidError
		if _, _, err := s.Create(&Caller{}, tt.spec); !errors.As(err, &bad) || bad.Problems[0].Field != tt.field {
			t.Errorf("%+v: %v, want a problem with %s", tt.spec, err, tt.field)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	_, secret := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
	for i := range maxCache {
		s.cache[[32]byte([]byte(fmt.Sprintf("%032d", i)))] = &verified{}
	}
	if _, err := s.Authenticate(t.Context(), secret); err != nil || len(s.cache) != 1 {
		t.Errorf("cache holds %d, %v", len(s.cache), err)
	}
}

func TestARevokedTokenNeverComesBack(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	for range 20 {
		token, secret := create(t, s, &Caller{}, TokenSpec{Subject: "x", Scopes: []string{ScopeRead}})
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for {
					if _, err := s.Authenticate(t.Context(), secret); err != nil {
						return
					}
				}
			})
		}
		if _, err := s.Revoke(&Caller{}, token.ID); err != nil {
			t.Fatal(err)
		}
		callers.Wait() // each was refused once
		if _, err := s.Authenticate(t.Context(), secret); !errors.Is(err, ErrRevoked) {
			t.Fatalf("after it was revoked: %v", err)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s := open(b, b.TempDir(), &clock{noon})
	_, secret := create(b, s, &Caller{}, TokenSpec{Subject: "x", Tenant: "a", Scopes: []string{ScopeRead}})
	for b.Loop() {
		if _, err := (Chain{s}).Authenticate(b.Context(), "Bearer "+secret); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhoMayManageTenants(t *testing.T) {
	c := &clock{noon}
	dir := t.TempDir()
	s := open(t, dir, c)
	super, mine, theirs := &Caller{}, &Caller{Partner: "mine"}, &Caller{Partner: "theirs"}
	see := func(by *Caller) *Caller {
		seen := *by
		if seen.Partner != "" {
			seen.Tenants = s.TenantsOf(seen.Partner)
		}
		return &seen
	}
	made, err := s.CreateTenant(see(mine), Tenant{ID: "acme", Name: "Acme Inc."})
	if err != nil || made.Partner != "mine" || !made.Created.Equal(noon) {
		t.Fatal(made, err)
	}
	one := &Caller{Tenant: "acme", Tenants: []string{"acme"}}
	for name, try := range map[string]func() error{
		"another's partner":  func() error { _, err := s.CreateTenant(see(mine), Tenant{ID: "b", Partner: "theirs"}); return err },
		"by a tenant":        func() error { _, err := s.CreateTenant(one, Tenant{ID: "b"}); return err },
		"taken":              func() error { _, err := s.CreateTenant(see(theirs), Tenant{ID: "acme"}); return err },
		"annal's own":        func() error { _, err := s.CreateTenant(see(mine), Tenant{ID: "annal"}); return err },
		"no profile":         func() error { _, err := s.CreateTenant(super, Tenant{ID: "b", Profile: "x"}); return err },
		"change, theirs":     func() error { _, _, err := s.ChangeTenant(see(theirs), Tenant{ID: "acme"}); return err },
		"change, own tenant": func() error { _, _, err := s.ChangeTenant(one, Tenant{ID: "acme"}); return err },
		"change, move": func() error {
			_, _, err := s.ChangeTenant(see(mine), Tenant{ID: "acme", Partner: "theirs"})
			return err
		},
		"remove, theirs":     func() error { _, err := s.RemoveTenant(see(theirs), "acme"); return err },
		"remove, own tenant": func() error { _, err := s.RemoveTenant(one, "acme"); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: it was done", name)
		}
	}
	if s.TenantName("acme") != "Acme Inc." || s.TenantName("x") != "x" {
		t.Error("TenantName does not give the name, or else the id")
	}
	_, secret := create(t, s, &Caller{}, TokenSpec{Subject: "x", Tenant: "acme", Scopes: []string{ScopeRead}})
	if _, err := s.RemoveTenant(see(mine), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := (Chain{s}).Authenticate(t.Context(), "Bearer "+secret); !errors.Is(err, ErrRevoked) {
		t.Errorf("a token of a deleted tenant: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, c)
	if _, known := s.Tenant("acme"); known || len(s.TenantsOf("mine")) != 0 {
		t.Error("a deleted tenant is back after a restart")
	}
	if _, err := s.CreateTenant(see(theirs), Tenant{ID: "acme"}); err == nil {
		t.Error("another partner took over an id whose events may still be there")
	}
	if _, err := s.CreateTenant(see(mine), Tenant{ID: "acme"}); err != nil {
		t.Error(err)
	}
	if list := s.SeenTenants(see(mine)); len(list) != 1 || list[0].ID != "acme" {
		t.Errorf("seen: %v", list)
	}
}
