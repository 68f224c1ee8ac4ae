package ingest

import (
	"hash/maphash"
	"sync/atomic"
)

// A cleanSet remembers texts that were found to hold no secret, since paths,
// user agents and the like come again and again. It forgets freely: a text has
// one place, which it takes when it is seen for the second time. Texts are known
// by a hash of 64 bits whose key is drawn when the process starts: that another
// text passes for a known one has a chance of one in 2^64, and nobody can look
// for such a text.
type cleanSet struct {
	seed  maphash.Seed
	seen  [cleanPlaces]atomic.Uint32 // of the latest text that came to the place
	known [cleanPlaces]atomic.Uint64 // hash of the text that has the place; 0: none
}

const (
	cleanPlaces  = 1 << 16 // a power of two
	shortestKept = 12      // bytes; shorter texts are looked through faster
	longestKept  = 256     // bytes
)

func (c *cleanSet) hash(s string) uint64 { return maphash.String(c.seed, s) }

// has reports whether the text with hash h is known to be clean.
func (c *cleanSet) has(h uint64) bool { return c.known[h%cleanPlaces].Load() == h && h != 0 }

// note remembers the clean text with hash h, if it came before.
func (c *cleanSet) note(h uint64) {
	if mark := uint32(h >> 32); c.seen[h%cleanPlaces].Swap(mark) == mark {
		c.known[h%cleanPlaces].Store(h)
	}
}

// recurs reports whether a text of this length is worth remembering.
func recurs(s string) bool { return len(s) >= shortestKept && len(s) <= longestKept }
