package identity

import "time"

// A Tenant is somebody with a log of their own.
type Tenant struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`    // for people
	Partner string    `json:"partner,omitempty"` // who looks after it, if anybody
	Profile string    `json:"profile,omitempty"` // whose defaults it follows: see Profiles
	Created time.Time `json:"created"`
	Deleted time.Time `json:"deleted,omitzero"` // not zero: it is no more, but its events may still be there
}

// Profiles returns the profiles that a tenant may have.
func Profiles() []string { return []string{"scaivault", "dsv", "certifyclouds", "scaikey"} }
