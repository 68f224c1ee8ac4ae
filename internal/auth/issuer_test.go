package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"annal/internal/identity"
)

// An op is an OpenID provider in the test's process.
type op struct {
	*httptest.Server
	keys    []jose.JSONWebKey // private
	down    atomic.Bool
	fetches atomic.Int64
}

func newOP(t testing.TB) *op {
	p := &op{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.rotate(t, "first", jose.RS256)
	return p
}

// ServeHTTP answers discovery and the keys.
func (p *op) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.fetches.Add(1)
	if p.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/jwks"})
		return
	}
	var set jose.JSONWebKeySet
	for _, k := range p.keys {
		set.Keys = append(set.Keys, k.Public())
	}
	_ = json.NewEncoder(w).Encode(set)
}

// rotate replaces the keys by a new one.
func (p *op) rotate(t testing.TB, kid string, alg jose.SignatureAlgorithm) {
	t.Helper()
	var key crypto.Signer
	var err error
	if strings.HasPrefix(string(alg), "ES") {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.keys = []jose.JSONWebKey{{Key: key, KeyID: kid, Algorithm: string(alg), Use: "sig"}}
}

// sign makes a token; nil values leave claims out.
func (p *op) sign(t *testing.T, c *clock, typ string, change map[string]any) string {
	t.Helper()
	return signWith(t, jose.SigningKey{Algorithm: jose.SignatureAlgorithm(p.keys[0].Algorithm), Key: p.keys[0]}, typ, p.claims(c, change))
}

func (p *op) claims(c *clock, change map[string]any) map[string]any {
	claims := map[string]any{
		"iss": p.URL, "aud": []string{"https://annal.test/api"}, "sub": "Ada", "tenant_id": "acme", "scope": "openid audit:read", "jti": "j1",
		"iat": c.t.Unix(), "exp": c.t.Add(time.Minute).Unix(), "realm": map[string]any{"groups": []string{"Readers"}},
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func signWith(t *testing.T, key jose.SigningKey, typ string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// trusting opens a store that trusts p for acme and for the partner "mine".
func trusting(t testing.TB, c *clock, p *op) (*Store, Chain) {
	t.Helper()
	s := open(t, t.TempDir(), c)
	for _, tenant := range []Tenant{{ID: "acme"}, {ID: "other"}, {ID: "ours", Partner: "mine"}} {
		if err := s.SaveTenant(tenant); err != nil {
			t.Fatal(err)
		}
	}
	issuers, err := s.Trust([]Issuer{{
		Name: "op", URL: p.URL, Audience: "https://annal.test/api", Tenants: []string{"acme"}, Partners: []string{"mine"}, Claims: Claims{Groups: "realm.groups"},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, Chain{s, s.Signed(), issuers}
}

func TestIssuerTokens(t *testing.T) {
	c, p := &clock{noon}, newOP(t)
	s, chain := trusting(t, c, p)
	stranger := newOP(t)
	stranger.keys[0].KeyID = p.keys[0].KeyID
	secret := []byte("a secret that is shared and long enough to sign with it 0123456789")
	claims := func(change map[string]any) string { return p.sign(t, c, "at+jwt", change) }
	none := strings.Join([]string{"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", strings.Split(claims(nil), ".")[1], ""}, ".")
	second := func(n int) int64 { return noon.Add(time.Duration(n) * time.Second).Unix() }
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"good", claims(nil), nil},
		{"typ with application/", p.sign(t, c, "application/at+JWT", nil), nil},
		{"aud is a text", claims(map[string]any{"aud": "https://annal.test/api"}), nil},
		{"expired within the leeway", claims(map[string]any{"exp": second(-29)}), nil},
		{"nbf within the leeway", claims(map[string]any{"nbf": second(30)}), nil},
		{"tenant of the partner", claims(map[string]any{"tenant_id": "ours"}), nil},
		{"partner", claims(map[string]any{"tenant_id": nil, "partner_id": "mine"}), nil},
		{"expired", claims(map[string]any{"exp": second(-30)}), ErrExpired},
		{"without exp", claims(map[string]any{"exp": nil}), ErrInvalid},
		{"exp is a text", claims(map[string]any{"exp": "tomorrow"}), ErrInvalid},
		{"exp beyond reason", claims(map[string]any{"exp": 1e300}), ErrInvalid},
		{"nbf ahead", claims(map[string]any{"nbf": second(31)}), ErrInvalid},
		{"iat ahead", claims(map[string]any{"iat": second(31)}), ErrInvalid},
		{"wrong aud", claims(map[string]any{"aud": "https://other.test"}), ErrInvalid},
		{"without aud", claims(map[string]any{"aud": nil}), ErrInvalid},
		{"wrong iss", claims(map[string]any{"iss": "https://other.test"}), ErrInvalid},
		{"iss with a slash more", claims(map[string]any{"iss": p.URL + "/"}), ErrInvalid},
		{"says it is ours", claims(map[string]any{"iss": Self}), ErrInvalid},
		{"an ID token", p.sign(t, c, "JWT", nil), ErrInvalid},
		{"no typ", signWith(t, jose.SigningKey{Algorithm: jose.RS256, Key: p.keys[0]}, "", p.claims(c, nil)), ErrInvalid},
		{"another's signature", stranger.sign(t, c, "at+jwt", map[string]any{"iss": p.URL}), ErrInvalid},
		{"alg PS256", signWith(t, jose.SigningKey{Algorithm: jose.PS256, Key: p.keys[0].Key}, "at+jwt", p.claims(c, nil)), ErrInvalid},
		{"alg HS256", signWith(t, jose.SigningKey{Algorithm: jose.HS256, Key: secret}, "at+jwt", p.claims(c, nil)), ErrInvalid},
		{"alg none", none, ErrInvalid},
		{"signature cut", claims(nil)[:len(claims(nil))-4], ErrInvalid},
		{"no sub", claims(map[string]any{"sub": nil}), ErrInvalid},
		{"sub of spaces", claims(map[string]any{"sub": "a b"}), ErrInvalid},
		{"tenant of others", claims(map[string]any{"tenant_id": "other"}), ErrInvalid},
		{"tenant that is none", claims(map[string]any{"tenant_id": "nowhere"}), ErrInvalid},
		{"partner of others", claims(map[string]any{"tenant_id": nil, "partner_id": "theirs"}), ErrInvalid},
		{"bound to nothing", claims(map[string]any{"tenant_id": nil, "roles": []string{"admin"}}), ErrInvalid},
		{"two dots", "a.b.c", ErrInvalid},
		{"nothing but dots", "..", ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := chain.Authenticate(t.Context(), "Bearer "+tt.token); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	who, err := chain.Authenticate(t.Context(), "Bearer "+claims(map[string]any{"roles": "auditor", "jti": "j2"}))
	want := Caller{
		Subject: "users:op:Ada", Tenant: "acme", Tenants: []string{"acme"}, Scopes: []string{ScopeRead, ScopeExport}, TokenID: "j2",
		Standing: identity.Auditor, Home: "acme", Principals: []string{"users:op:Ada", "groups:readers"},
	}
	if err != nil || !slices.Equal(who.Principals, want.Principals) || !slices.Equal(who.Scopes, want.Scopes) || who.Subject != want.Subject || who.Standing != want.Standing || who.Home != want.Home {
		t.Errorf("caller = %+v, %v, want %+v", who, err, want)
	}
	if v := s.Allowed("acme", who.Principals, "list", "audit", "10.0.0.1"); v != identity.Silent {
		t.Errorf("without policies: %v", v)
	}
}

func TestIssuerRotatesItsKeys(t *testing.T) {
	c, p := &clock{noon}, newOP(t)
	_, chain := trusting(t, c, p)
	ask := func(token string) error {
		_, err := chain.Authenticate(t.Context(), "Bearer "+token)
		return err
	}
	old := p.sign(t, c, "at+jwt", map[string]any{"exp": noon.Add(time.Hour).Unix()})
	if err := ask(old); err != nil {
		t.Fatal(err)
	}
	before := p.fetches.Load()
	for range 20 {
		if err := ask(old); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.fetches.Load() - before; n != 0 {
		t.Errorf("%d fetches for a key that is known", n)
	}
	p.rotate(t, "second", jose.ES256)
	c.t = c.t.Add(keysRetry)
	if err := ask(p.sign(t, c, "at+jwt", nil)); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	if err := ask(old); !errors.Is(err, ErrInvalid) {
		t.Errorf("a key that was withdrawn: %v, want %v", err, ErrInvalid)
	}
	before = p.fetches.Load()
	for range 50 {
		if err := ask(old); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if n := p.fetches.Load() - before; n > 2 {
		t.Errorf("%d fetches within a moment", n)
	}
}

func TestWithdrawnKeyEndsWithoutATokenOfTheNewOne(t *testing.T) {
	c, p := &clock{noon}, newOP(t)
	_, chain := trusting(t, c, p)
	old := p.sign(t, c, "at+jwt", map[string]any{"exp": noon.Add(time.Hour).Unix()})
	if _, err := chain.Authenticate(t.Context(), "Bearer "+old); err != nil {
		t.Fatal(err)
	}
	p.rotate(t, "second", jose.RS256)
	c.t = c.t.Add(keysFresh)
	if _, err := chain.Authenticate(t.Context(), "Bearer "+old); !errors.Is(err, ErrInvalid) {
		t.Errorf("%v, want %v", err, ErrInvalid)
	}
}

func TestIssuerThatIsDownLocksNobodyOut(t *testing.T) {
	c, p := &clock{noon}, newOP(t)
	_, chain := trusting(t, c, p)
	ask := func(token string) error {
		_, err := chain.Authenticate(t.Context(), "Bearer "+token)
		return err
	}
	p.down.Store(true)
	var down *UnreachableError
	if err := ask(p.sign(t, c, "at+jwt", nil)); !errors.As(err, &down) {
		t.Errorf("nothing is cached: %v, want that the issuer is unreachable", err)
	}
	p.down.Store(false)
	c.t = c.t.Add(keysRetry)
	if err := ask(p.sign(t, c, "at+jwt", nil)); err != nil {
		t.Fatal(err)
	}
	p.down.Store(true)
	for range 5 {
		c.t = c.t.Add(24 * time.Hour)
		if err := ask(p.sign(t, c, "at+jwt", nil)); err != nil {
			t.Errorf("a cached key after %v: %v", c.t.Sub(noon), err)
		}
	}
	p.keys[0].KeyID = "unheard-of"
	if err := ask(p.sign(t, c, "at+jwt", nil)); !errors.As(err, &down) {
		t.Errorf("an unknown key while down: %v", err)
	}
}

func TestIssuerConfigurationsThatAreRefused(t *testing.T) {
	s := open(t, t.TempDir(), &clock{noon})
	good := Issuer{Name: "op", URL: "https://op.test", Audience: "annal", Tenant: "acme"}
	if _, err := s.Trust([]Issuer{good}, nil); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Issuer){
		"name": func(i *Issuer) { i.Name = "a:b" }, "url": func(i *Issuer) { i.URL = "http://op.test" },
		"audience": func(i *Issuer) { i.Audience = "" }, "leeway": func(i *Issuer) { i.Leeway = "1h" },
		"tenant": func(i *Issuer) { i.Tenant = "" }, "algorithms": func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} },
	} {
		bad := good
		spoil(&bad)
		if _, err := s.Trust([]Issuer{bad}, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Trust([]Issuer{good, good}, nil); err == nil {
		t.Error("the same issuer twice was taken")
	}
}
