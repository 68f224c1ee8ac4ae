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

// Counts yields how often each value of a field occurs in a tenant's rows, by
// ascending code, when HasCounts; else nothing.
func (s *Segment) Counts(f annal.Field, tenant TenantRange) iter.Seq[CodeCount] {
	return func(yield func(CodeCount) bool) {
		if !s.HasCounts(f) {
			return
		}
		b := s.idx.bytes(s.idxSec[kindCounts][f])
		starts := vecAt(b, 4)
		lo, hi := int(starts.at(int(tenant.Code))), int(starts.at(int(tenant.Code)+1))
		if lo == hi {
			s.countRows(f, tenant, yield)
			return
		}
		codes, n, failed := vecAt(b, 4+vecHeader), vecAt(b, 4+2*vecHeader), vecAt(b, 4+3*vecHeader)
		for i := lo; i < hi; i++ {
			if !yield(CodeCount{uint32(codes.at(i)), n.at(i), failed.at(i)}) {
				return
			}
		}
	}
}

// countsAtOnce is how many counts AddCounts unpacks together.
const countsAtOnce = 1024

// AddCounts calls add with the counts that [Segment.Counts] yields, many at a
// time: parallel slices of codes, rows and rows that did not succeed.
func (s *Segment) AddCounts(f annal.Field, tenant TenantRange, add func(codes, n, failed []uint32)) {
	if !s.HasCounts(f) {
		return
	}
	b := s.idx.bytes(s.idxSec[kindCounts][f])
	starts := vecAt(b, 4)
	lo, hi := int(starts.at(int(tenant.Code))), int(starts.at(int(tenant.Code)+1))
	vecs := [3]vec{vecAt(b, 4+vecHeader), vecAt(b, 4+2*vecHeader), vecAt(b, 4+3*vecHeader)}
	var out [3][]uint32
	for ; lo < hi; lo += countsAtOnce {
		for i := range vecs {
			out[i] = vecs[i].appendCodes(out[i][:0], lo, min(lo+countsAtOnce, hi))
		}
		add(out[0], out[1], out[2])
	}
	if len(out[0]) > 0 {
		return
	}
	s.countRows(f, tenant, func(c CodeCount) bool {
		add([]uint32{c.Code}, []uint32{uint32(c.N)}, []uint32{uint32(c.Failed)})
		return true
	})
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
