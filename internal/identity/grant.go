package identity

import (
	"errors"
	"time"
)

// ErrExists: the name is taken.
var ErrExists = errors.New("there is one of that name already")

// A Login is an attempt to sign in.
type Login struct {
	Tenant   string // "": the one tenant that knows the name
	Name     string // of a user, or the id of a client
	Secret   string
	Remote   string        // the address that it comes from, with or without a port
	Lifetime time.Duration // of the access token; 0: DefaultLifetime
}

// Lifetimes of what a login gives.
const (
	DefaultLifetime = time.Hour
	MaxLifetime     = 24 * time.Hour
	RefreshLifetime = 12 * time.Hour     // of one refresh token
	SessionLifetime = 7 * 24 * time.Hour // of all that follow from one login
)

// A Grant is what a login gives.
type Grant struct {
	Access   string        // a signed token
	Refresh  string        // opaque; it works once
	Lifetime time.Duration // of Access
	Subject  string        // users:alice or roles:reader
	Client   string        // the id of the client that acts in the role
	Tenant   string        // that knows the subject
	TokenID  string        // of Access
}
