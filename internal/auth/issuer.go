package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"annal/internal/identity"
)

// Leeways and limits of tokens that others sign.
const (
	DefaultLeeway = 30 * time.Second // that clocks may differ by, for exp, nbf and iat
	MaxLeeway     = 5 * time.Minute
	MaxIssuers    = 64
	maxGroups     = 200 // of one token
)

// An Issuer is somebody whose signed tokens are trusted (OpenID Connect).
type Issuer struct {
	Name       string   `json:"name"`       // begins its subjects: users:NAME:sub
	URL        string   `json:"url"`        // as in iss, and where its discovery document lies
	Audience   string   `json:"audience"`   // must be among aud
	Algorithms []string `json:"algorithms"` // accepted; none: RS256 and ES256
	Types      []string `json:"types"`      // of which typ must be one; none: at+jwt
	Leeway     string   `json:"leeway"`     // "": DefaultLeeway
	Claims     Claims   `json:"claims"`
	Tenant     string   `json:"tenant"`   // all of its tokens are this tenant's
	Tenants    []string `json:"tenants"`  // that its tokens may name; "*": any
	Partners   []string `json:"partners"` // that its tokens may name; "*": any
	Super      bool     `json:"super"`    // admins and auditors that it binds to nothing reach everything
}

// Claims says where a token has what; a name may be a path with dots. "" is the
// default.
type Claims struct {
	Subject  string `json:"subject"`  // sub
	Tenant   string `json:"tenant"`   // tenant_id
	Partner  string `json:"partner"`  // partner_id
	Groups   string `json:"groups"`   // groups
	Scopes   string `json:"scopes"`   // scope
	Standing string `json:"standing"` // roles, of which "admin" and "auditor" mean something
}

// algorithms that may be asked for: all with a public key.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// check completes an issuer and says what is wrong with it.
func (i *Issuer) check() (leeway time.Duration, err error) {
	for _, d := range []struct {
		into  *string
		value string
	}{
		{&i.Claims.Subject, "sub"}, {&i.Claims.Tenant, "tenant_id"}, {&i.Claims.Partner, "partner_id"},
		{&i.Claims.Groups, "groups"}, {&i.Claims.Scopes, "scope"}, {&i.Claims.Standing, "roles"}, {&i.Leeway, DefaultLeeway.String()},
	} {
		if *d.into == "" {
			*d.into = d.value
		}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = []string{"RS256", "ES256"}
	}
	if len(i.Types) == 0 {
		i.Types = []string{"at+jwt"}
	}
	leeway, err = time.ParseDuration(i.Leeway)
	switch {
	case !ValidName(i.Name) || strings.ContainsAny(i.Name, ":@"):
		return 0, fmt.Errorf("name: must be letters, digits, '.', '_' and '-'")
	case !safeURL(i.URL):
		return 0, fmt.Errorf("url: must be https, or http to this machine")
	case i.Audience == "":
		return 0, fmt.Errorf("audience: name what tokens for annal have in aud")
	case err != nil || leeway < 0 || leeway > MaxLeeway:
		return 0, fmt.Errorf("leeway: must be a time such as 30s, at most %v", MaxLeeway)
	case i.Tenant != "" && !ValidName(i.Tenant):
		return 0, fmt.Errorf("tenant: %s", nameRule)
	case i.Tenant == "" && len(i.Tenants) == 0 && len(i.Partners) == 0 && !i.Super:
		return 0, fmt.Errorf("tenant, tenants or partners: say whom its tokens may speak for")
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(algorithms(), a) {
			return 0, fmt.Errorf("algorithms: %q is none of %v", a, algorithms())
		}
	}
	return leeway, nil
}

// safeURL reports whether keys that come from there can be trusted.
func safeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// Issuers is the kind of tokens that others sign.
type Issuers struct {
	store *Store
	by    map[string]*trusted // by URL
}

// trusted is an issuer at work.
type trusted struct {
	Issuer
	leeway time.Duration
	keys   *keySet
	oidc   *oidc.IDTokenVerifier
}

// Trust makes the kind of tokens that list signs. Nobody is asked for keys
// before there is a token to check. A transport of nil is Go's own.
func (s *Store) Trust(list []Issuer, transport http.RoundTripper) (*Issuers, error) {
	k := &Issuers{store: s, by: map[string]*trusted{}}
	names := map[string]bool{}
	if len(list) > MaxIssuers {
		return nil, fmt.Errorf("there are %d issuers; at most %d may be trusted", len(list), MaxIssuers)
	}
	for _, issuer := range list {
		leeway, err := issuer.check()
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", issuer.Name, err)
		}
		if names[issuer.Name] || k.by[issuer.URL] != nil {
			return nil, fmt.Errorf("issuer %q: its name or url is taken", issuer.Name)
		}
		names[issuer.Name] = true
		keys := newKeySet(issuer.URL, issuer.Algorithms, s.now, transport)
		k.by[issuer.URL] = &trusted{Issuer: issuer, leeway: leeway, keys: keys, oidc: oidc.NewVerifier(issuer.URL, keys, &oidc.Config{
			ClientID: issuer.Audience, SupportedSigningAlgs: issuer.Algorithms, SkipExpiryCheck: true,
		})}
	}
	return k, nil
}

// Recognises reports whether credential has the form of a JWT.
func (k *Issuers) Recognises(credential string) bool { return strings.Count(credential, ".") == 2 }

// Authenticate says whose token credential is.
func (k *Issuers) Authenticate(ctx context.Context, credential string) (Caller, error) {
	var says struct {
		Issuer string `json:"iss"`
	}
	if !unverified(credential, &says) || k.by[says.Issuer] == nil {
		return Caller{}, ErrInvalid
	}
	t := k.by[says.Issuer]
	if !slices.Contains(t.Types, headerType(credential)) {
		return Caller{}, ErrInvalid
	}
	token, err := t.oidc.Verify(ctx, credential)
	switch {
	case err != nil && ctx.Err() != nil:
		return Caller{}, ctx.Err()
	case err != nil && t.keys.unreachable(credential):
		return Caller{}, &UnreachableError{}
	case err != nil:
		return Caller{}, ErrInvalid
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return Caller{}, ErrInvalid
	}
	if err := t.current(claims, k.store.now()); err != nil {
		return Caller{}, err
	}
	return t.caller(k.store, claims)
}

// headerType returns the typ of a JWT, in lower case and without application/.
func headerType(credential string) string {
	head, _, _ := strings.Cut(credential, ".")
	var h struct {
		Type string `json:"typ"`
	}
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || json.Unmarshal(b, &h) != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(h.Type), "application/")
}

// current checks exp, which must be there, nbf and iat.
func (t *trusted) current(claims map[string]any, now time.Time) error {
	at := func(name string) (time.Time, bool, bool) {
		v, given := claims[name]
		seconds, ok := v.(float64)
		ok = ok && seconds >= 0 && seconds < 1<<40
		return time.Unix(int64(seconds), 0), ok, given
	}
	expires, ok, _ := at("exp")
	if !ok {
		return ErrInvalid
	}
	if !now.Before(expires.Add(t.leeway)) {
		return ErrExpired
	}
	for _, name := range []string{"nbf", "iat"} {
		if from, ok, given := at(name); given && (!ok || now.Add(t.leeway).Before(from)) {
			return ErrInvalid
		}
	}
	return nil
}

// caller reads who calls out of claims.
func (t *trusted) caller(s *Store, claims map[string]any) (Caller, error) {
	sub := text(claim(claims, t.Claims.Subject))
	if sub == "" || len(sub) > MaxSubject || strings.ContainsFunc(sub, unprintable) {
		return Caller{}, ErrInvalid
	}
	c := Caller{Subject: identity.KindUser + ":" + t.Name + ":" + sub, TokenID: text(claims["jti"]), Scopes: []string{}}
	c.Principals = []string{c.Subject}
	groups := texts(claim(claims, t.Claims.Groups))
	for _, g := range groups[:min(len(groups), maxGroups)] {
		c.Principals = append(c.Principals, identity.KindGroup+":"+strings.ToLower(g))
	}
	for _, standing := range texts(claim(claims, t.Claims.Standing)) {
		if v := identity.Standing(standing); v == identity.Admin || v == identity.Auditor && c.Standing == identity.Ordinary {
			c.Standing = v
		}
	}
	scopes := append(texts(claim(claims, t.Claims.Scopes)), scopesOf(c.Standing)...)
	for _, scope := range AllScopes() {
		if slices.Contains(scopes, scope) {
			c.Scopes = append(c.Scopes, scope)
		}
	}
	if slices.Contains(c.Scopes, ScopeAdmin) {
		c.Standing = identity.Admin
	}
	return c, t.bind(s, &c, text(claim(claims, t.Claims.Tenant)), text(claim(claims, t.Claims.Partner)))
}

// bind binds c to what the token names, if the issuer may speak for it. Only
// one that may reach everything binds to nothing.
func (t *trusted) bind(s *Store, c *Caller, tenant, partner string) error {
	if t.Tenant != "" {
		if tenant != "" && tenant != t.Tenant {
			return ErrInvalid
		}
		tenant = t.Tenant
	}
	switch {
	case tenant != "":
		registered, known := s.Tenant(tenant)
		if !known || tenant != t.Tenant && !speaksFor(t.Tenants, tenant) && !speaksFor(t.Partners, registered.Partner) {
			return ErrInvalid
		}
		c.Tenant, c.Tenants, c.Home = tenant, []string{tenant}, tenant
	case partner != "":
		if !ValidName(partner) || !speaksFor(t.Partners, partner) {
			return ErrInvalid
		}
		c.Partner, c.Tenants = partner, s.TenantsOf(partner)
	case !t.Super || c.Standing == identity.Ordinary:
		return ErrInvalid
	}
	return nil
}

func speaksFor(list []string, name string) bool {
	return name != "" && (slices.Contains(list, name) || slices.Contains(list, "*"))
}

// claim finds a claim by its name, or by a path of names with dots in between.
func claim(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	first, rest, ok := strings.Cut(name, ".")
	if inner, isObject := claims[first].(map[string]any); ok && isObject {
		return claim(inner, rest)
	}
	return nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// texts reads a list, or a text of words.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			if s := text(item); s != "" {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
