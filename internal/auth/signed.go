package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"annal/internal/book"
)

// SigningKeyFile holds the key that signs the tokens of logins. Without it all
// of them are void, and people sign in again.
const SigningKeyFile = "signing-key"

// Self is who the tokens of logins say they come from.
const Self = "annal"

// signingAlgorithm is one that every JWT library has, the oldest included.
const signingAlgorithm = jose.ES256

// claims are what a signed token says.
type claims struct {
	Issuer  string   `json:"iss"`
	Subject string   `json:"sub"`
	Tenant  string   `json:"tenant"`
	Scopes  []string `json:"scopes"` // that need no policy
	Expires int64    `json:"exp"`
	Issued  int64    `json:"iat"`
	ID      string   `json:"jti"`
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Stamp   string   `json:"stamp,omitempty"`
	Session string   `json:"sid,omitempty"`
}

// A signer makes and checks signatures.
type signer struct {
	key  *ecdsa.PrivateKey
	jose jose.Signer
}

// openSigner reads the key, or makes it. One that is damaged is refused, for it
// may come back from a backup; all that another costs is that people sign in
// again.
func openSigner(cfg *Config) (*signer, error) {
	name := filepath.Join(cfg.Dir, SigningKeyFile)
	text, err := book.ReadKey(name, cfg.LogID)
	if errors.Is(err, os.ErrNotExist) {
		text, err = newSigningKey(name, cfg.LogID)
	}
	switch {
	case book.Unusable(err):
		return nil, fmt.Errorf("signing key: %w: put it back from a backup, or remove it to have another made; people then sign in again", err)
	case err != nil: // it may be sound: nobody is to remove it
		return nil, fmt.Errorf("signing key: %w", err)
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("signing key %s is not in PEM form; remove it to have another made", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("signing key %s is no P-256 key; remove it to have another made", name)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(public)
	kid := base64.RawURLEncoding.EncodeToString(digest[:9])
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: signingAlgorithm, Key: key}, options)
	return &signer{key: key, jose: s}, err
}

// newSigningKey makes a key and puts it into a file that only its owner reads.
func newSigningKey(name string, logID [16]byte) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return text, book.WriteKey(name, strings.TrimSpace(text), logID)
}

// sign makes an access token of a session.
func (s *Store) sign(who *session, c *Caller, lifetime time.Duration) (token, id string, err error) {
	if id, err = s.newUUID(); err != nil {
		return "", "", err
	}
	now := s.now()
	payload, err := json.Marshal(claims{
		Issuer: Self, Subject: c.Subject, Tenant: who.Tenant, Scopes: c.Scopes,
		Expires: now.Add(lifetime).Unix(), Issued: now.Unix(), ID: id,
		Kind: who.Kind, Name: who.Name, Stamp: who.Stamp, Session: who.Family,
	})
	if err != nil {
		return "", "", err
	}
	signed, err := s.signer.jose.Sign(payload)
	if err != nil {
		return "", "", fmt.Errorf("sign token: %w", err)
	}
	token, err = signed.CompactSerialize()
	return token, id, err
}

// Signed is the kind of the tokens that logins give.
type Signed struct{ store *Store }

// Signed returns the kind of the tokens that s issues at logins.
func (s *Store) Signed() Signed { return Signed{s} }

// Recognises reports whether credential is a JWT that says it is ours.
func (k Signed) Recognises(credential string) bool {
	var c claims
	return unverified(credential, &c) && c.Issuer == Self
}

// unverified reads the claims of a JWT that nobody has checked.
func unverified(credential string, into any) bool {
	parts := strings.Split(credential, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(payload, into) == nil
}

// Authenticate says whose token credential is.
func (k Signed) Authenticate(_ context.Context, credential string) (Caller, error) {
	c, err := k.store.claimsOf(credential)
	if err != nil {
		return Caller{}, err
	}
	if k.store.isEnded(&c) {
		return Caller{}, ErrRevoked
	}
	who := session{Tenant: c.Tenant, Kind: c.Kind, Name: c.Name, Stamp: c.Stamp}
	caller, err := who.caller(k.store)
	caller.TokenID = c.ID
	return caller, err
}

// claimsOf returns what a token of ours says, if it is one and has not expired.
func (s *Store) claimsOf(credential string) (c claims, err error) {
	signed, err := jose.ParseSignedCompact(credential, []jose.SignatureAlgorithm{signingAlgorithm})
	if err != nil {
		return c, ErrInvalid
	}
	payload, err := signed.Verify(&s.signer.key.PublicKey)
	if err != nil {
		return c, ErrInvalid
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Issuer != Self {
		return c, ErrInvalid
	}
	if s.now().Unix() >= c.Expires {
		return c, ErrExpired
	}
	return c, nil
}
