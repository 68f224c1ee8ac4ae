// Package forward ships events to SIEMs. It keeps the destinations of every
// tenant: what kind of SIEM, where it listens, and what authenticates to it.
//
// The one idea: a destination is checked when it is written and never again, so
// that whatever is stored can be delivered to. What a SIEM accepts is one row of
// [Kinds].
//
// What authenticates to a destination is sealed with AES-256-GCM before it
// reaches the disk. The key lies in a file of its own, bound to the tenant and
// the destination's id, so that neither a copy of the database gives it away nor
// a sealed value works in another place.
package forward
