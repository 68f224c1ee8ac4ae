package api

import (
	"context"
	"time"

	"annal/internal/identity"
)

// A Directory keeps who a tenant knows and what its policies say, and signs
// them in. Names that are taken are refused with [identity.ErrExists], names
// that nobody has with [annal.ErrNotFound].
type Directory interface {
	// GrantPassword signs a user in, GrantClient a client.
	GrantPassword(ctx context.Context, l identity.Login) (identity.Grant, error)
	GrantClient(ctx context.Context, l identity.Login) (identity.Grant, error)
	// GrantRefresh exchanges a refresh token.
	GrantRefresh(token, remote string, lifetime time.Duration) (identity.Grant, error)
	// HomeOf and HomeOfClient return the tenant that a login concerns: the named
	// one if there is such a tenant, else the only one that knows the name, or "".
	HomeOf(tenant, user string) string
	HomeOfClient(tenant, id string) string

	CreateUser(by, tenant string, u identity.User, password string) (identity.User, error)
	User(tenant, name string) (identity.User, error)
	Users(tenant string, q identity.Search) (identity.Found[identity.User], error)
	// ChangeUser gives a user another display name or password; what is nil stays.
	ChangeUser(by, tenant, name string, displayName, password *string) (identity.User, error)
	DeleteUser(tenant, name string) error

	CreateGroup(by, tenant string, g identity.Group) (identity.Group, error)
	Group(tenant, name string) (identity.Group, error)
	Groups(tenant string, q identity.Search) (identity.Found[identity.Group], error)
	GroupsOf(tenant, member string) []string
	ChangeMembers(by, tenant, group string, add, remove []string) (identity.Group, error)
	DeleteGroup(tenant, name string) error

	CreateRole(by, tenant string, r identity.Role) (identity.Role, error)
	Role(tenant, name string) (identity.Role, error)
	Roles(tenant string, q identity.Search) (identity.Found[identity.Role], error)
	UpdateRole(by, tenant, name, description string) (identity.Role, error)
	DeleteRole(tenant, name string) error

	// CreateClient also returns the client's secret, which cannot be had again.
	CreateClient(by, tenant string, c identity.Client) (identity.Client, string, error)
	Client(tenant, id string) (identity.Client, error)
	Clients(tenant string, q identity.Search) (identity.Found[identity.Client], error)
	DeleteClient(tenant, id string) error

	CreatePolicy(by, tenant string, p identity.Policy) (identity.Policy, error)
	Policy(tenant, path string) (identity.Policy, error)
	PolicyVersion(tenant, path string, version int) (identity.Policy, error)
	Policies(tenant string, q identity.Search) (identity.Found[identity.Policy], error)
	UpdatePolicy(by, tenant, path string, permissions []identity.Permission) (identity.Policy, error)
	RollbackPolicy(by, tenant, path string, version int) (identity.Policy, error)
	RestorePolicy(by, tenant, path string) (identity.Policy, error)
	DeletePolicy(by, tenant, path string, force bool) error
}

// Destinations keeps the SIEMs that a tenant's events go to.
type Destinations interface {
	Create(tenant string, d Destination) (Destination, error)
	Destination(tenant, name string) (Destination, error)
	Update(tenant string, d Destination) (before, after Destination, err error)
	Delete(tenant, name string) (Destination, error)
	Search(tenant string, q identity.Search) (identity.Found[Destination], error)
	// Forget removes all of a tenant that is no more.
	Forget(tenant string) error
}

// A Destination is a SIEM that a tenant's events go to.
type Destination struct {
	ID       string
	Name     string
	Created  time.Time
	Modified time.Time

	Kind            string
	Host            string
	Port            int
	Protocol        string
	Endpoint        string
	Format          string
	AuthMethod      string
	Auth            string // secret; not in what a search finds
	SendToEngine    bool
	Pool            string
	AllowSelfSigned bool

	Failed       bool
	FailedEvents int
}
