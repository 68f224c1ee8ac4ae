// Package auth says who is calling. A [Chain] of kinds of credentials turns an
// Authorization header into a [Caller]; [Store] keeps the first kind, opaque
// tokens, and the registry of tenants.
//
// The one idea: a secret is seen once and never kept. A token is 192 random bits
// that are shown at creation; what is stored, looked up, cached and compared is
// its SHA-256, so neither the database nor memory nor a log can give it away.
package auth

import (
	"context"
	"slices"
	"strings"

	"annal/internal/identity"
)

// Scopes that a token may carry.
const (
	ScopeRead   = "audit:read"   // read events
	ScopeWrite  = "audit:write"  // add events
	ScopeExport = "audit:export" // export events in bulk
	ScopeAdmin  = "audit:admin"  // tokens, tenants, retention, SIEMs
)

// AllScopes returns every scope.
func AllScopes() []string { return []string{ScopeRead, ScopeWrite, ScopeExport, ScopeAdmin} }

// A Caller is who makes a request and what the request may touch.
type Caller struct {
	Subject string   // who, as the token says
	Tenant  string   // the only tenant; "" when bound to a partner or to nothing
	Partner string   // the partner whose tenants these are; "" otherwise
	Scopes  []string // what the caller may do
	TokenID string
	Tenants []string // those that the caller may see: nil is all of them; never written to

	Standing   identity.Standing // auditor or admin, as far as the caller is bound
	Home       string            // the tenant whose policies judge the caller; "": none do
	Principals []string          // what policies call the caller: users:alice, groups:readers
	Client     string            // the id of the client that acts in a role
}

// Super reports whether c is bound to neither a tenant nor a partner.
func (c *Caller) Super() bool { return c.Tenant == "" && c.Partner == "" }

// Sees reports whether c has rights over tenant.
func (c *Caller) Sees(tenant string) bool {
	if c.Tenants == nil {
		return true
	}
	_, ok := slices.BinarySearch(c.Tenants, tenant)
	return ok
}

// An Error says why a credential was refused. Its code is the one that callers
// branch on.
type Error struct{ code, text string }

// The refusals.
var (
	ErrMissing   = &Error{"authentication_required", "a token is required: send Authorization: Bearer TOKEN"}
	ErrMalformed = &Error{"authentication_required", "the Authorization header is not of the form: Bearer TOKEN"}
	ErrUnknown   = &Error{"token_invalid", "the token is not known here"}
	ErrInvalid   = &Error{"token_invalid", "the token is not signed by an issuer that is trusted here, or not meant for annal"}
	ErrExpired   = &Error{"token_expired", "the token has expired"}
	ErrRevoked   = &Error{"token_revoked", "the token was revoked"}
)

// Error says what was wrong, never with what.
func (e *Error) Error() string { return e.text }

// AuthCode names the refusal for programs.
func (e *Error) AuthCode() string { return e.code }

// A Kind is one kind of credential, such as opaque tokens or signed ones.
type Kind interface {
	// Recognises reports whether credential has this kind's form.
	Recognises(credential string) bool
	// Authenticate says whose credential it is, or returns an *Error.
	Authenticate(ctx context.Context, credential string) (Caller, error)
}

// A Chain is the kinds of credentials that are accepted, in order.
type Chain []Kind

// Authenticate says who calls with the given Authorization header.
func (c Chain) Authenticate(ctx context.Context, header string) (Caller, error) {
	credential, err := bearer(header)
	if err != nil {
		return Caller{}, err
	}
	for _, kind := range c {
		if kind.Recognises(credential) {
			return kind.Authenticate(ctx, credential)
		}
	}
	return Caller{}, ErrUnknown
}

// bearer takes the credential out of a header (RFC 6750).
func bearer(header string) (string, error) {
	if header == "" {
		return "", ErrMissing
	}
	scheme, credential, ok := strings.Cut(header, " ")
	credential = strings.Trim(credential, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || credential == "" || len(credential) > maxCredential || strings.ContainsFunc(credential, unprintable) {
		return "", ErrMalformed
	}
	return credential, nil
}

// maxCredential bounds a credential; signed tokens with many claims fit.
const maxCredential = 8 << 10

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }
