package ingest

import (
	"strings"
	"sync/atomic"

	"github.com/zeebo/xxh3"
)

// A cleanSet remembers texts that were found to hold no secret, since paths,
// user agents and the like come again and again. It forgets freely: a text has
// one place, which it takes when it is seen for the second time.
type cleanSet struct {
	seen  [cleanPlaces]atomic.Uint32 // hash of the latest text that came to the place
	texts [cleanPlaces]atomic.Pointer[string]
}

const (
	cleanPlaces  = 1 << 14 // a power of two
	shortestKept = 12      // bytes; shorter texts are looked through faster
	longestKept  = 256     // bytes
)

// has reports whether s is known to be clean.
func (c *cleanSet) has(s string, h uint64) bool {
	t := c.texts[h%cleanPlaces].Load()
	return t != nil && *t == s
}

// note remembers s, which is clean, if it came before.
func (c *cleanSet) note(s string, h uint64) {
	if mark := uint32(h >> 32); c.seen[h%cleanPlaces].Swap(mark) == mark {
		kept := strings.Clone(s)
		c.texts[h%cleanPlaces].Store(&kept)
	}
}

// recurs reports whether a text of this length is worth remembering.
func recurs(s string) bool { return len(s) >= shortestKept && len(s) <= longestKept }

func textHash(s string) uint64 { return xxh3.HashString(s) }
