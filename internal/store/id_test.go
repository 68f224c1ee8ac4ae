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

// TestIDsOfABatch checks that ids made together are those made one by one, and
// that duplicates keep theirs.
func TestIDsOfABatch(t *testing.T) {
	c := newIDCode([16]byte{1, 2, 3})
	const received = 1_790_000_000_123_456
	for _, n := range []int{0, 1, idLanes - 1, idLanes, idLanes + 1, 5*idLanes + 3} {
		receipts := make([]annal.Receipt, n)
		for i := range receipts {
			receipts[i] = annal.Receipt{Position: rand.Uint64(), Duplicate: i%7 == 3}
		}
		c.ids(receipts, received)
		for i, r := range receipts {
			want := c.id(r.Position, received)
			if r.Duplicate {
				want = annal.ID{}
			}
			if r.ID != want {
				t.Fatalf("id %d of %d: %s, want %s", i, n, r.ID.UUID(), want.UUID())
			}
		}
	}
}

func BenchmarkIDs(b *testing.B) {
	c := newIDCode([16]byte{1, 2, 3})
	receipts := make([]annal.Receipt, 1000)
	for i := range receipts {
		receipts[i].Position = uint64(i)
	}
	for b.Loop() {
		c.ids(receipts, 1_790_000_000_000_000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(receipts)), "ns/id")
}

func BenchmarkID(b *testing.B) {
	c := newIDCode([16]byte{1, 2, 3})
	for i := range b.N {
		c.id(uint64(i), 1_790_000_000_000_000)
	}
}
