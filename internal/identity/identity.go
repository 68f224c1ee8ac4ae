// Package identity is who a tenant knows and what it lets them do: users, groups,
// roles, clients and policies, as data and pure functions.
//
// The one idea: a policy is compiled once, when it is written, and asked often.
// [Rules] are the compiled policies of one tenant; [Rules.Decide] is the only
// place where it is decided what a policy means.
package identity

import (
	"strings"
	"time"
)

// Limits of what a tenant keeps.
const (
	MaxName        = 256    // bytes of a name of a user, group, role or client
	MaxText        = 1024   // bytes of a description or display name
	MaxUsers       = 20_000 // of one tenant
	MaxGroups      = 2_000
	MaxRoles       = 2_000
	MaxClients     = 5_000
	MaxPolicies    = 2_000
	MaxMembers     = 5_000   // of one group
	MaxVersions    = 50      // of one policy that can be read and restored
	MaxPath        = 512     // bytes of a policy's path
	MaxPermissions = 100     // of one policy
	MaxPatterns    = 100     // subjects, resources or actions of one permission
	MaxPattern     = 512     // bytes of one subject, resource or action
	MaxSteps       = 1_000   // of the expressions of one of these: letters, and what they are repeated to
	MaxRules       = 1 << 20 // size of all policies of one tenant, see [Rules.Size]
	MaxResource    = 2_048   // bytes of a resource that is asked about; what is longer is denied
)

// The kinds of principals, as subjects of policies begin.
const (
	KindUser   = "users"
	KindGroup  = "groups"
	KindRole   = "roles"
	KindClient = "clients"
	KindPolicy = "policies"
)

// Standing is a right of administration over a whole log, apart from policies.
type Standing string

// The standings that somebody may have.
const (
	Ordinary Standing = ""        // none: policies or scopes decide
	Auditor  Standing = "auditor" // reads everything, changes nothing
	Admin    Standing = "admin"   // may do everything
)

// Valid reports whether s is one of the standings.
func (s Standing) Valid() bool { return s == Ordinary || s == Auditor || s == Admin }

// Reach is how far a standing goes.
type Reach string

// The reaches that a standing may have.
const (
	OwnTenant  Reach = ""        // the tenant that the user belongs to
	OwnPartner Reach = "partner" // all tenants of that tenant's partner
	Everywhere Reach = "all"     // every tenant
)

// Valid reports whether r is one of the reaches.
func (r Reach) Valid() bool { return r == OwnTenant || r == OwnPartner || r == Everywhere }

// Meta is what is kept about everything that has a name.
type Meta struct {
	ID         string    `json:"id"` // a UUID
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Modified   time.Time `json:"modified"`
	ModifiedBy string    `json:"modified_by,omitempty"`
	Version    int       `json:"version"` // from 0, one more with each change
}

// A User signs in with a name and a password.
type User struct {
	Meta
	Name        string   `json:"name"` // in lower case, unique within the tenant
	DisplayName string   `json:"display_name,omitempty"`
	Provider    string   `json:"provider,omitempty"`    // kept as given; annal checks passwords itself
	ExternalID  string   `json:"external_id,omitempty"` // kept as given
	Standing    Standing `json:"standing,omitempty"`
	Reach       Reach    `json:"reach,omitempty"`
}

// A Group is a set of principals that policies name together.
type Group struct {
	Meta
	Name    string   `json:"name"`
	Members []string `json:"members"` // names of users, or subjects such as clients:ID; in order
}

// A Role is what clients act as.
type Role struct {
	Meta
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Provider    string `json:"provider,omitempty"`
	ExternalID  string `json:"external_id,omitempty"`
}

// A Client is a program that signs in with an id and a secret. Its name is its
// Meta.ID.
type Client struct {
	Meta
	Role        string `json:"role"`
	Description string `json:"description,omitempty"`
}

// A Policy is a document of permissions at a path.
type Policy struct {
	Meta
	Path        string       `json:"path"` // colon-separated
	Permissions []Permission `json:"permissions"`
	Deleted     time.Time    `json:"deleted"` // not zero: no longer in force, but can be restored
}

// A Permission allows or denies actions on resources to subjects. Each of these
// is a text in which <…> holds a regular expression (RE2).
type Permission struct {
	ID          string      `json:"id"`
	Description string      `json:"description"`
	Subjects    []string    `json:"subjects"`  // in lower case
	Effect      string      `json:"effect"`    // allow or deny
	Resources   []string    `json:"resources"` // nil: the policy's path and all below it
	Actions     []string    `json:"actions"`   // in lower case
	Conditions  *Conditions `json:"conditions"`
}

// Conditions narrow a permission.
type Conditions struct {
	RemoteIP *Condition `json:"remoteIP,omitempty"`
}

// A Condition is one thing that must hold.
type Condition struct {
	Type    string           `json:"type"` // CIDRCondition
	Options ConditionOptions `json:"options"`
}

// ConditionOptions are what a condition compares with.
type ConditionOptions struct {
	CIDR string `json:"cidr"`
}

// A Search asks for the names that hold a text.
type Search struct {
	Term   string // in any case; "" is everything
	Limit  int    // 0: DefaultLimit; more than MaxLimit is MaxLimit
	Cursor string // where an earlier page ended, or ""
	Role   string // of clients: only those of this role; "": of any
}

// Sizes of a page of principals.
const (
	DefaultLimit = 25
	MaxLimit     = 500
)

// A Found is a page of what a search found, ordered by name.
type Found[T any] struct {
	Items []T
	Total int    // on all pages
	Next  string // Search.Cursor of the next page; "" on the last
	Limit int    // that was used
}

// Subject spells a principal as policies do; a name that has a kind keeps it.
func Subject(kind, name string) string {
	name = strings.ToLower(name)
	switch before, _, ok := strings.Cut(name, ":"); {
	case ok && (before == KindUser || before == KindGroup || before == KindRole || before == KindClient):
		return name
	}
	return kind + ":" + name
}
