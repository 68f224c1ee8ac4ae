package store

import (
	"strconv"
	"testing"

	"github.com/zeebo/xxh3"
)

// TestCollisionsInMemoryCannotBeChosen links texts that share a bucket when they are
// hashed without the chain's seed.
func TestCollisionsInMemoryCannotBeChosen(t *testing.T) {
	var c chain
	c.begin(nil, false)
	used := map[uint32]bool{}
	const texts = 32
	for i, chosen := 0, 0; chosen < texts; i++ {
		if s := strconv.Itoa(i); xxh3.HashString(s)%chainBuckets == 0 {
			used[c.bucket(s)] = true
			chosen++
		}
	}
	if len(used) < texts/2 {
		t.Errorf("%d texts share %d buckets", texts, len(used))
	}
}
