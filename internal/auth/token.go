package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"annal"
	"annal/internal/identity"
)

// Limits of tokens.
const (
	MaxSubject   = 256       // bytes of a token's subject
	MaxTokens    = 100_000   // tokens kept, revoked and expired ones included
	MaxBound     = 10_000    // of them that one tenant, or one partner, may have of its own
	maxCache     = 8192      // verified tokens remembered
	usedGrain    = time.Hour // how coarsely a token's last use is known
	secretBytes  = 24        // 192 random bits
	tokenIDBytes = 8
)

// SecretPrefix begins every opaque token, so that scanners can find leaked ones.
const SecretPrefix = "annal_"

const secretLength = len(SecretPrefix) + 2*secretBytes

// A Token is what is known of one opaque token; its secret is not.
type Token struct {
	ID       string // "tok_" and hex digits
	Subject  string // who uses it
	Tenant   string // bound to this tenant,
	Partner  string // or to this partner's; at most one of the two
	Scopes   []string
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not
	LastUsed time.Time // to the hour; zero: not yet
	Standing identity.Standing
}

// A TokenSpec says what a new token shall be.
type TokenSpec struct {
	Subject string
	Tenant  string
	Partner string
	Scopes  []string
	Expires time.Time // zero: never

	Standing identity.Standing // "": ordinary, or admin with the scope audit:admin
}

// verified is a token as the cache keeps it.
type verified struct {
	token Token
	used  atomic.Int64 // Unix seconds of the last use
}

// Recognises reports whether credential looks like an opaque token.
func (s *Store) Recognises(credential string) bool {
	return strings.HasPrefix(credential, SecretPrefix)
}

// Authenticate says whose opaque token credential is.
func (s *Store) Authenticate(_ context.Context, credential string) (Caller, error) {
	if len(credential) != secretLength {
		return Caller{}, ErrUnknown
	}
	hash := sha256.Sum256([]byte(credential))
	v, err := s.verify(hash)
	if err != nil {
		return Caller{}, err
	}
	now := s.now()
	switch t := &v.token; {
	case !t.Revoked.IsZero():
		return Caller{}, ErrRevoked
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return Caller{}, ErrExpired
	}
	if sec := now.Unix(); sec-v.used.Load() >= int64(usedGrain/time.Second) {
		v.used.Store(sec)
		s.noteUse(v.token.ID, now)
	}
	return s.caller(&v.token), nil
}

// standing is what the holder of t stands as: who has the scope of an admin is
// one.
func (t *Token) standing() identity.Standing {
	if slices.Contains(t.Scopes, ScopeAdmin) {
		return identity.Admin
	}
	return t.Standing
}

// noteUse remembers a use until the next change stores it.
func (s *Store) noteUse(id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[id] = at.UTC().Truncate(usedGrain)
}

// caller says what the holder of t is.
func (s *Store) caller(t *Token) Caller {
	c := Caller{Subject: t.Subject, Tenant: t.Tenant, Partner: t.Partner, Scopes: t.Scopes, TokenID: t.ID, Standing: t.standing()}
	switch {
	case t.Tenant != "":
		c.Tenants = []string{t.Tenant}
	case t.Partner != "":
		c.Tenants = s.TenantsOf(t.Partner)
	}
	return c
}

// verify finds the token with the given hash, from the cache if it is there.
func (s *Store) verify(hash [sha256.Size]byte) (*verified, error) {
	s.mu.RLock()
	v, epoch := s.cache[hash], s.epoch
	s.mu.RUnlock()
	if v != nil {
		return v, nil
	}
	t, err := s.tokenByHash(hash)
	if err != nil {
		return nil, err
	}
	v = &verified{token: t}
	v.used.Store(t.LastUsed.Unix())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return v, nil // a token was revoked meanwhile, perhaps this one: look again next time
	}
	if len(s.cache) >= maxCache {
		clear(s.cache) // cheaper than remembering who was used when
	}
	s.cache[hash] = v
	return v, nil
}

// sameHash compares in constant time.
func sameHash(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// newSecret makes a token's secret.
func newSecret(random io.Reader) (string, error) {
	b := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw a token: %w", err)
	}
	return SecretPrefix + hex.EncodeToString(b), nil
}

func newTokenID(random io.Reader) (string, error) {
	b := make([]byte, tokenIDBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw a token id: %w", err)
	}
	return "tok_" + hex.EncodeToString(b), nil
}

// check refuses a spec that makes no sense.
func (spec *TokenSpec) check(now time.Time) error {
	var bad annal.InvalidError
	if n := len(spec.Subject); n == 0 || n > MaxSubject || strings.ContainsFunc(spec.Subject, unprintable) {
		bad.Add(-1, "subject", fmt.Sprintf("must be 1 to %d visible ASCII characters", MaxSubject))
	}
	if spec.Tenant != "" && spec.Partner != "" {
		bad.Add(-1, "partner", "a token is bound to a tenant or to a partner, not to both")
	}
	if spec.Tenant != "" && !ValidName(spec.Tenant) {
		bad.Add(-1, "tenant", nameRule)
	}
	if spec.Partner != "" && !ValidName(spec.Partner) {
		bad.Add(-1, "partner", nameRule)
	}
	if len(spec.Scopes) == 0 {
		bad.Add(-1, "scopes", "must name at least one of "+strings.Join(AllScopes(), ", "))
	}
	for _, scope := range spec.Scopes {
		if !slices.Contains(AllScopes(), scope) {
			bad.Add(-1, "scopes", "must be of "+strings.Join(AllScopes(), ", "))
			break
		}
	}
	if spec.Standing != identity.Ordinary && spec.Standing != identity.Auditor {
		bad.Add(-1, "standing", "must be auditor or empty; admins are those with the scope "+ScopeAdmin)
	}
	if !spec.Expires.IsZero() && !spec.Expires.After(now) {
		bad.Add(-1, "expires", "must be in the future")
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}
