package store

import (
	"math/rand/v2"
	"testing"

	"annal"
)

// TestIDsLeadToTheirPosition checks that ids are UUIDv7, distinct, and lead back.
func TestIDsLeadToTheirPosition(t *testing.T) {
	c := newIDCode([16]byte{1, 2, 3})
	seen := map[annal.ID]bool{}
	for i := range uint64(20_000) {
		p := i
		if i%3 == 0 {
			p = rand.Uint64N(1 << 48)
		}
		id := c.id(p, int64(1_790_000_000_000_000+i))
		if got, ok := c.position(id); !ok || got != p {
			t.Fatalf("position(id(%d)) = %d, %v", p, got, ok)
		}
		if id[6]>>4 != 7 || id[8]>>6 != 2 {
			t.Fatalf("id %s is no UUIDv7", id.UUID())
		}
		if seen[id] {
			t.Fatalf("id %s came twice", id)
		}
		seen[id] = true
	}
}

func BenchmarkID(b *testing.B) {
	c := newIDCode([16]byte{1, 2, 3})
	for i := range b.N {
		c.id(uint64(i), 1_790_000_000_000_000)
	}
}
