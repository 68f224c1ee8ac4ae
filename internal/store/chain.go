package store

import (
	"math/rand/v2"

	"github.com/zeebo/xxh3"

	"annal"
)

// A chain links the rows of a memtable that share a value of one field, newest
// first: last is the newest row of each code, or of each bucket of hashes, and
// prev leads from each row to the one before. Both hold row+1; 0 ends a chain.
type chain struct {
	last []uint32
	prev []uint32 // by row; elements do not change once written
	seed uint64   // of the hash; nobody can foresee which texts share buckets
}

// chainBuckets is how many buckets the hashes of a ByHash field share.
const chainBuckets = 1 << 16

// begin makes the chain of the rows so far, which all lack the field; linked
// says whether they are in a chain of their own. links has a zero for each.
func (c *chain) begin(links []uint32, linked bool) {
	c.prev = links
	c.seed = rand.Uint64()
	if !linked {
		return
	}
	for row := range links {
		links[row] = uint32(row)
	}
	c.last = append(c.last[:0], uint32(len(links)))
}

// link adds the next row to the chain at index i of last.
func (c *chain) link(i uint32) {
	if n := len(c.last); int(i) >= n {
		c.last = append(c.last, make([]uint32, max(int(i)+1-n, n))...)
	}
	c.prev = append(c.prev, c.last[i])
	c.last[i] = uint32(len(c.prev))
}

// linkText adds the next row by its text; rows where that is absent are in no
// chain.
func (c *chain) linkText(s string) {
	if s == "" {
		c.prev = append(c.prev, 0)
		return
	}
	c.link(c.bucket(s))
}

// bucket is where a text of a ByHash field is linked.
func (c *chain) bucket(s string) uint32 { return uint32(xxh3.HashStringSeed(s, c.seed) % chainBuckets) }

// linked calls fn with the rows of v in the chain that a text of a ByHash field is
// linked in, newest first.
func (v *memView) linked(f annal.Field, s string, fn func(row int)) {
	v.table.mu.RLock()
	i := v.table.chains[f].bucket(s)
	v.table.mu.RUnlock()
	v.chained(f, i, fn)
}

// chained calls fn with the rows of v in the chain at i, newest first.
func (v *memView) chained(f annal.Field, i uint32, fn func(row int)) {
	v.table.mu.RLock()
	c := v.table.chains[f]
	next := uint32(0)
	if int(i) < len(c.last) {
		next = c.last[i]
	}
	v.table.mu.RUnlock()
	for ; next != 0; next = c.prev[next-1] {
		if row := int(next - 1); row < v.cols.N {
			fn(row)
		}
	}
}
