package segment

import (
	"slices"
	"sort"

	"annal"
)

// countsAtOnce is how many counts are unpacked together.
const countsAtOnce = 1024

// HasCounts reports whether Counts can be asked for a field: action, actor.id
// and resource.path.
func (s *Segment) HasCounts(f annal.Field) bool { return s.idxSec[kindCounts][f] >= 0 }

// Counts are how often each value of a field occurs in the rows of a tenant or of
// all: by ascending code the number of rows, and of those that did not succeed.
type Counts struct {
	first  int // its entries: first ≤ i < end
	end    int
	next   int          // the first that Next has not returned
	codes  vec          // of each entry, unless every code has one
	n      vec          // rows of each entry; where every code has one, of those below
	failed vec          // of the rows of each entry
	dense  bool         // every code has an entry
	list   *[3][]uint32 // the entries themselves, when the index has none
	out    [3][]uint32  // what Next returned
}

// Counts returns the counts of a tenant's rows, or of [Segment.All], in a field
// that HasCounts.
func (s *Segment) Counts(f annal.Field, tenant TenantRange) *Counts {
	if c := s.counts(f, tenant); c != nil {
		return c
	}
	list := s.countRows(f, tenant)
	return &Counts{end: len(list[0]), list: list}
}

// counts finds the counts in the index; nil: the tenant's codes hardly repeat, so
// that it has none.
func (s *Segment) counts(f annal.Field, tenant TenantRange) *Counts {
	if i := s.idxSec[kindSums][f]; i >= 0 && tenant.Hi-tenant.Lo == s.rows {
		b, size := s.idx.bytes(i), s.codesOf(f)
		c := &Counts{end: size, n: vecAt(b, vecHeader), failed: vecAt(b, 0), dense: true}
		if size > 1 && posted(f, size) {
			c.n = vecAt(s.idx.bytes(s.idxSec[kindPostings][f]), 0)
		}
		return c
	}
	b := s.idx.bytes(s.idxSec[kindCounts][f])
	starts, t := vecAt(b, 4), int(tenant.Code)
	c := &Counts{first: int(starts.at(t)), end: int(starts.at(t + 1)),
		codes: vecAt(b, 4+vecHeader), n: vecAt(b, 4+2*vecHeader), failed: vecAt(b, 4+3*vecHeader)}
	if c.next = c.first; c.first == c.end {
		return nil
	}
	return c
}

// Next returns some more counts, none at the end: parallel slices of codes, rows,
// and rows that did not succeed. They are valid until the next call.
func (c *Counts) Next() (codes, n, failed []uint32) {
	lo, hi := c.next, min(c.next+countsAtOnce, c.end)
	c.next = hi
	switch {
	case lo == hi:
		return nil, nil, nil
	case c.list != nil:
		return c.list[0][lo:hi], c.list[1][lo:hi], c.list[2][lo:hi]
	case !c.dense:
		for i, v := range [3]*vec{&c.codes, &c.n, &c.failed} {
			c.out[i] = v.appendCodes(c.out[i][:0], lo, hi)
		}
		return c.out[0], c.out[1], c.out[2]
	}
	codes, n, failed = c.out[0][:0], c.n.appendCodes(c.out[1][:0], lo, hi+1), c.failed.appendCodes(c.out[2][:0], lo, hi)
	for i := range hi - lo {
		codes = append(codes, uint32(lo+i))
		n[i] = n[i+1] - n[i]
	}
	c.out = [3][]uint32{codes, n, failed}
	return codes, n[:hi-lo], failed
}

// Again has Next begin anew.
func (c *Counts) Again() { c.next = c.first }

// Of returns the counts of one code.
func (c *Counts) Of(code uint32) (n, failed uint64) {
	i := int(code)
	if c.dense {
		return c.n.at(i+1) - c.n.at(i), c.failed.at(i)
	}
	if c.list != nil {
		i, found := slices.BinarySearch(c.list[0], code)
		if !found {
			return 0, 0
		}
		return uint64(c.list[1][i]), uint64(c.list[2][i])
	}
	i = c.first + sort.Search(c.end-c.first, func(i int) bool { return c.codes.at(c.first+i) >= uint64(code) })
	if i == c.end || c.codes.at(i) != uint64(code) {
		return 0, 0
	}
	return c.n.at(i), c.failed.at(i)
}

// AddCounts calls add with counts that add up to those of [Segment.Counts], many
// at a time. A code may come several times.
func (s *Segment) AddCounts(f annal.Field, tenant TenantRange, add func(codes, n, failed []uint32)) {
	c := s.counts(f, tenant)
	if c == nil {
		s.addRows(f, tenant, add)
		return
	}
	for codes, n, failed := c.Next(); len(codes) > 0; codes, n, failed = c.Next() {
		add(codes, n, failed)
	}
}

// addRows does so for a tenant whose codes hardly repeat, row by row.
func (s *Segment) addRows(f annal.Field, tenant TenantRange, add func(codes, n, failed []uint32)) {
	one := slices.Repeat([]uint32{1}, min(countsAtOnce, tenant.Hi-tenant.Lo))
	failed := make([]uint32, len(one))
	var codes []uint32
	var outcomes []uint8
	for lo := tenant.Lo; lo < tenant.Hi; lo += countsAtOnce {
		hi := min(lo+countsAtOnce, tenant.Hi)
		codes, outcomes = s.Codes(f, lo, hi, codes[:0]), s.Outcomes(lo, hi, outcomes[:0])
		for i, o := range outcomes {
			failed[i] = uint32(flag(annal.Outcome(o) != annal.Success))
		}
		add(codes, one[:hi-lo], failed[:hi-lo])
	}
}

// countRows counts the rows of a tenant whose codes hardly repeat.
func (s *Segment) countRows(f annal.Field, tenant TenantRange) *[3][]uint32 {
	codes := s.Codes(f, tenant.Lo, tenant.Hi, make([]uint32, 0, tenant.Hi-tenant.Lo))
	outcomes := s.Outcomes(tenant.Lo, tenant.Hi, make([]uint8, 0, len(codes)))
	keys := make([]uint64, len(codes)) // the code, and whether it failed
	for i, c := range codes {
		keys[i] = uint64(c)<<1 | uint64(flag(annal.Outcome(outcomes[i]) != annal.Success))
	}
	slices.Sort(keys)
	var list [3][]uint32
	for i, k := range keys {
		if i == 0 || k>>1 != keys[i-1]>>1 {
			list[0], list[1], list[2] = append(list[0], uint32(k>>1)), append(list[1], 0), append(list[2], 0)
		}
		last := len(list[0]) - 1
		list[1][last]++
		list[2][last] += uint32(k & 1)
	}
	return &list
}
