package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"annal/internal/corpus"
	"annal/internal/identity"
)

// Who signs the token of a fuzzer.
const (
	signedByNobody = iota
	signedByStranger
	signedByIssuer
	signedByUs
	signers
)

// FuzzCredentials holds that what nobody signed whom we trust is never taken
// for a credential, that what they did sign gives no more than they may, and
// that each refusal has a code.
func FuzzCredentials(f *testing.F) {
	corpus.Seed(f)
	c, p := &clock{noon}, newOP(f)
	p.rotate(f, "first", jose.ES256)
	s, chain := trusting(f, c, p)
	if _, err := s.CreateUser("root", "acme", identity.User{Name: "ada"}, "correct horse battery"); err != nil {
		f.Fatal(err)
	}
	ada, err := shelfUsers.get(s, "acme", "ada")
	if err != nil {
		f.Fatal(err)
	}
	known := strings.NewReplacer("$issuer", p.URL, "$stamp", ada.stamp()) // differ from run to run
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	keys := [signers]any{signedByStranger: jose.JSONWebKey{Key: stranger, KeyID: "first"}, signedByIssuer: p.keys[0], signedByUs: s.signer.key}
	for _, change := range []map[string]any{
		{}, {"partner_id": "mine", "tenant_id": nil}, {"scope": []string{"audit:read"}, "roles": "admin auditor"}, {"exp": 1e300}, {"nbf": -1}, {"realm": 5}, {"sub": "a:b"},
	} {
		payload, err := json.Marshal(p.claims(c, change))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.ReplaceAll(string(payload), p.URL, "$issuer"), "at+jwt", byte(signedByIssuer))
	}
	const ours = `{"iss":"annal","sub":"users:ada","tenant":"acme","scopes":[],"exp":1893456000,"jti":"a","kind":"user","name":"ada","stamp":"$stamp"}`
	f.Add(ours, "JWT", byte(signedByUs))
	signed := signText(f, s.signer.key, "JWT", known.Replace(ours))
	if caller, err := chain.Authenticate(f.Context(), "Bearer "+signed); err != nil || caller.Subject != "users:ada" {
		f.Fatalf("a token of ours: %+v, %v", caller, err)
	}
	f.Add("annal_"+strings.Repeat("0", 48), "", byte(signedByNobody))
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJhbm5hbCJ9.", "", byte(signedByNobody))
	f.Fuzz(func(t *testing.T, text, typ string, by byte) {
		by %= signers
		credential := text
		if by != signedByNobody {
			credential = signText(t, keys[by], typ, known.Replace(text))
		}
		caller, err := chain.Authenticate(t.Context(), "Bearer "+credential)
		var coded interface{ AuthCode() string }
		switch {
		case err != nil && !errors.As(err, &coded):
			t.Errorf("%q is refused with %v, which has no code", text, err)
		case err == nil && by < signedByIssuer:
			t.Errorf("%q is taken for a credential of %+v", text, caller)
		case err == nil:
			checkCaller(t, text, &caller, by)
		}
	})
}

// signText signs what need not be JSON.
func signText(t testing.TB, key any, typ, text string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// checkCaller holds what the issuer of a test, which speaks for acme and for the
// partner "mine", and annal itself, where only ada has signed in, may say.
func checkCaller(t *testing.T, text string, c *Caller, by byte) {
	t.Helper()
	for _, scope := range c.Scopes {
		if !slices.Contains(AllScopes(), scope) {
			t.Errorf("%q gives the scope %q", text, scope)
		}
	}
	if strings.ContainsFunc(c.Subject, unprintable) {
		t.Errorf("%q gives the subject %q", text, c.Subject)
	}
	if c.Super() || c.Sees("other") {
		t.Errorf("%q reaches beyond acme and the partner: %+v", text, c)
	}
	if by == signedByIssuer && !strings.HasPrefix(c.Subject, "users:op:") || by == signedByUs && c.Subject != "users:ada" {
		t.Errorf("%q speaks as %q", text, c.Subject)
	}
}

// FuzzKeys holds that of a document of keys only public ones that can be used
// are taken.
func FuzzKeys(f *testing.F) {
	corpus.Seed(f)
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	private := jose.JSONWebKey{Key: secret, KeyID: "a", Algorithm: "ES256", Use: "sig"}
	for _, k := range []jose.JSONWebKey{private, private.Public(), {Key: []byte("shared"), KeyID: "b"}} {
		text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","crv":"P-256","x":"","y":""},5]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := readKeys(body)
		if err != nil && len(keys) > 0 {
			t.Errorf("%d keys and %v", len(keys), err)
		}
		for i := range keys {
			if !keys[i].IsPublic() || !keys[i].Valid() {
				t.Errorf("%s is taken for a public key", body)
			}
		}
	})
}
