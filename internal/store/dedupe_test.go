package store

import (
	"testing"

	"annal"
)

// An emitter that could foresee the hash of an id could make another that hides it.
func TestHashesOfIDsCannotBeForeseen(t *testing.T) {
	e := annal.Event{Tenant: "a", EventID: "e1"}
	one, other := newDeduper(), newDeduper()
	if one.eventKey(&e) == other.eventKey(&e) {
		t.Error("two logs hash an id alike")
	}
	again := e
	if one.eventKey(&e) != one.eventKey(&again) {
		t.Error("a log hashes an id in two ways")
	}
}
