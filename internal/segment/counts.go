package segment

import (
	"iter"
	"slices"

	"annal"
)

// A CodeCount counts the rows that have a code, and those of them that did not
// succeed.
type CodeCount struct {
	Code   uint32
	N      uint64
	Failed uint64
}

// HasCounts reports whether Counts can be asked for a field: action, actor.id
// and resource.path.
func (s *Segment) HasCounts(f annal.Field) bool { return s.idxSec[kindCounts][f] >= 0 }

// counts finds the counts of a tenant: entries lo to hi of the vecs of codes,
// rows, and rows that did not succeed. There are none when its codes hardly repeat.
func (s *Segment) counts(f annal.Field, tenant TenantRange) (vecs [3]vec, lo, hi int) {
	b := s.idx.bytes(s.idxSec[kindCounts][f])
	starts := vecAt(b, 4)
	for i := range vecs {
		vecs[i] = vecAt(b, 4+(i+1)*vecHeader)
	}
	return vecs, int(starts.at(int(tenant.Code))), int(starts.at(int(tenant.Code) + 1))
}

// Counts yields how often each value of a field occurs in the rows of a tenant or
// of [Segment.All], by ascending code, when HasCounts; else nothing.
func (s *Segment) Counts(f annal.Field, tenant TenantRange) iter.Seq[CodeCount] {
	return func(yield func(CodeCount) bool) {
		if !s.HasCounts(f) {
			return
		}
		if s.isAll(tenant) {
			s.countAll(f, yield)
			return
		}
		vecs, lo, hi := s.counts(f, tenant)
		if lo == hi {
			s.countRows(f, tenant, yield)
			return
		}
		for i := lo; i < hi; i++ {
			if !yield(CodeCount{uint32(vecs[0].at(i)), vecs[1].at(i), vecs[2].at(i)}) {
				return
			}
		}
	}
}

// sums finds the counts of all rows of several tenants, by code: how many have a
// lower code, and how many did not succeed.
func (s *Segment) sums(f annal.Field) (starts, failed vec) {
	b := s.idx.bytes(s.idxSec[kindSums][f])
	if size := s.codesOf(f); size > 1 && posted(f, size) {
		return vecAt(s.idx.bytes(s.idxSec[kindPostings][f]), 0), vecAt(b, 0)
	}
	return vecAt(b, vecHeader), vecAt(b, 0)
}

// countAll counts the rows of several tenants. Every code has some.
func (s *Segment) countAll(f annal.Field, yield func(CodeCount) bool) {
	starts, failed := s.sums(f)
	for c := range s.codesOf(f) {
		if !yield(CodeCount{uint32(c), starts.at(c+1) - starts.at(c), failed.at(c)}) {
			return
		}
	}
}

// countsAtOnce is how many counts AddCounts unpacks together.
const countsAtOnce = 1024

// AddCounts calls add with counts that add up to those of [Segment.Counts], many
// at a time: parallel slices of codes, rows and rows that did not succeed. A code
// may come several times.
func (s *Segment) AddCounts(f annal.Field, tenant TenantRange, add func(codes, n, failed []uint32)) {
	if !s.HasCounts(f) {
		return
	}
	if s.isAll(tenant) {
		s.addAll(f, add)
		return
	}
	vecs, lo, hi := s.counts(f, tenant)
	if lo == hi {
		s.addRows(f, tenant, add)
		return
	}
	var out [3][]uint32
	for ; lo < hi; lo += countsAtOnce {
		for i := range vecs {
			out[i] = vecs[i].appendCodes(out[i][:0], lo, min(lo+countsAtOnce, hi))
		}
		add(out[0], out[1], out[2])
	}
}

// addAll does so for all rows of several tenants.
func (s *Segment) addAll(f annal.Field, add func(codes, n, failed []uint32)) {
	starts, lost := s.sums(f)
	size := s.codesOf(f)
	var codes, n, failed []uint32
	for lo := 0; lo < size; lo += countsAtOnce {
		hi := min(lo+countsAtOnce, size)
		codes, n, failed = codes[:0], starts.appendCodes(n[:0], lo, hi+1), lost.appendCodes(failed[:0], lo, hi)
		for i := range hi - lo {
			codes = append(codes, uint32(lo+i))
			n[i] = n[i+1] - n[i]
		}
		add(codes, n[:hi-lo], failed)
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

// countRows counts a tenant whose codes hardly repeat.
func (s *Segment) countRows(f annal.Field, tenant TenantRange, yield func(CodeCount) bool) {
	codes := s.Codes(f, tenant.Lo, tenant.Hi, make([]uint32, 0, tenant.Hi-tenant.Lo))
	outcomes := s.Outcomes(tenant.Lo, tenant.Hi, make([]uint8, 0, len(codes)))
	keys := make([]uint64, len(codes)) // the code, and whether it failed
	for i, c := range codes {
		keys[i] = uint64(c)<<1 | uint64(flag(annal.Outcome(outcomes[i]) != annal.Success))
	}
	slices.Sort(keys)
	for i := 0; i < len(keys); {
		count := CodeCount{Code: uint32(keys[i] >> 1)}
		for ; i < len(keys) && uint32(keys[i]>>1) == count.Code; i++ {
			count.N++
			count.Failed += keys[i] & 1
		}
		if !yield(count) {
			return
		}
	}
}
