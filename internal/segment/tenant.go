package segment

import (
	"encoding/binary"
	"sort"

	"annal"
)

// A TenantRange is the rows of one tenant: Lo ≤ row < Hi, in order of time and
// position.
type TenantRange struct {
	Tenant   string
	Code     uint32 // in Dict(annal.Tenant); see All
	Lo, Hi   int
	FirstSeq uint64 // the lowest
	Events   uint64
	MinTime  int64
	MaxTime  int64
	Outcomes [annal.NumOutcomes]uint64
}

// NumTenants returns how many tenants have rows.
func (s *Segment) NumTenants() int { return s.tenants }

// TenantAt returns the range of the tenant with a code, 0 ≤ code < NumTenants.
func (s *Segment) TenantAt(code uint32) TenantRange {
	lo, hi, seq := s.tenantRows(code)
	t := TenantRange{
		Tenant: s.Dict(annal.Tenant).At(code), Code: code, Lo: lo, Hi: hi, FirstSeq: seq, Events: uint64(hi - lo),
	}
	b := s.idx.bytes(s.idxSec[kindStats][0])[int(code)*statBytes:]
	for o := range t.Outcomes {
		t.Outcomes[o] = uint64(binary.LittleEndian.Uint32(b[4*o:]))
	}
	b = b[4*len(t.Outcomes):]
	t.MinTime, t.MaxTime = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	return t
}

// All returns all rows as if they were one tenant's, which has no name. Its rows
// are not in the order of time where there are several tenants; its code is then
// the first that no tenant has.
func (s *Segment) All() TenantRange {
	if s.tenants == 1 {
		return s.TenantAt(0)
	}
	if t := s.all.Load(); t != nil {
		return *t
	}
	t := &TenantRange{Code: uint32(s.tenants), Hi: s.rows, Events: uint64(s.rows), MinTime: s.minTime, MaxTime: s.maxTime}
	b := s.idx.bytes(s.idxSec[kindStats][0])
	for ; len(b) > 0; b = b[statBytes:] {
		for o := range t.Outcomes {
			t.Outcomes[o] += uint64(binary.LittleEndian.Uint32(b[4*o:]))
		}
	}
	s.all.Store(t)
	return *t
}

// Tenants returns the ranges of all tenants, by name.
func (s *Segment) Tenants() []TenantRange {
	all := make([]TenantRange, s.tenants)
	for i := range all {
		all[i] = s.TenantAt(uint32(i))
	}
	return all
}

// Tenant returns the range of a tenant; false when it has no rows here.
func (s *Segment) Tenant(name string) (TenantRange, bool) {
	code, ok := s.Dict(annal.Tenant).Find(name)
	if !ok {
		return TenantRange{}, false
	}
	return s.TenantAt(code), true
}

func (s *Segment) tenantTable() []byte { return s.col.bytes(s.colSec[kindTenants][0]) }

// tenantRows returns a tenant's rows and its lowest seq.
func (s *Segment) tenantRows(code uint32) (lo, hi int, seq uint64) {
	b := s.tenantTable()
	starts, seqs := vecAt(b, 0), vecAt(b, vecHeader)
	return int(starts.at(int(code))), int(starts.at(int(code) + 1)), seqs.at(int(code))
}

// tenantOf returns the code of the tenant that a row belongs to.
func (s *Segment) tenantOf(row int) uint32 {
	if s.tenants == 1 {
		return 0
	}
	v := vecAt(s.tenantTable(), 0)
	return uint32(sort.Search(s.tenants, func(i int) bool { return v.at(i) > uint64(row) }) - 1)
}

// tenantCodes appends the tenant codes of rows lo to hi.
func (s *Segment) tenantCodes(lo, hi int, dst []uint32) []uint32 {
	for lo < hi {
		code := s.tenantOf(lo)
		_, end, _ := s.tenantRows(code)
		for end = min(end, hi); lo < end; lo++ {
			dst = append(dst, code)
		}
	}
	return dst
}
