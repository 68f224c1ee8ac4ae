package segment

import (
	"encoding/binary"
	"fmt"

	"annal"
)

// Checksums find what changed by accident. The inspections here also make sure,
// once for each part, that its offsets and sizes lie within it.

func u32(b []byte) int { return int(binary.LittleEndian.Uint32(b)) }

// fieldOf returns the field of a section.
func (s *Segment) fieldOf(slot uint8) (annal.Field, bool) {
	for f := range s.columns {
		if s.columns[f].slot == int(slot) {
			return annal.Field(f), true
		}
	}
	return 0, false
}

// inspectCol looks into a part of the columns; it returns what is wrong, or "".
func (s *Segment) inspectCol(sec *section, b []byte) string {
	f, ok := s.fieldOf(sec.field)
	if !ok {
		return "unknown field"
	}
	c := &s.columns[f]
	fits := true
	switch sec.kind {
	case kindHot:
		return s.inspectHot(int(sec.block), b)
	case kindCold:
		return s.inspectCold(int(sec.block), b)
	case kindSalts:
		fits = int(sec.block) < s.blocks() && len(b) == s.rowsOf(int(sec.block))*SaltBytes
	case kindDict:
		fits = dictFits(b, int(c.dict))
	case kindParent:
		fits = vecFits(b, 0, int(s.columns[c.parent].dict))
	case kindTenants:
		fits = s.tenantsFit(b)
	case kindStatus:
		fits = len(b) == 4*int(s.columns[annal.Status].dict)
	case kindFar:
		fits = len(b)%farBytes == 0
	case kindReceived:
		fits = len(b) >= 4 && u32(b) > 0 && vecFits(b, 4, u32(b)) && vecFits(b, 4+vecHeader, u32(b))
	case kindKeys:
		fits = len(b)%keyBytes == 0
	}
	if !fits {
		return "impossible contents"
	}
	return ""
}

func (s *Segment) inspectHot(block int, b []byte) string {
	if block >= s.blocks() {
		return "no such block"
	}
	rows := s.rowsOf(block)
	for slot := range s.slots + numBlockX {
		n := rows
		if k := slot - s.timeSlot(); k >= 0 && k < 2*subBlocks {
			n = min(max(rows-k%subBlocks*subRows, 0), subRows)
		}
		if !vecFits(b, slot*vecHeader, n) {
			return fmt.Sprintf("impossible column %d", slot)
		}
	}
	return ""
}

func (s *Segment) inspectCold(block int, b []byte) string {
	if block >= s.blocks() || len(b) < s.coldHeader() {
		return "no such block"
	}
	rows := s.rowsOf(block)
	if u32(b) != s.coldHeader() {
		return "impossible offsets"
	}
	for slot := range s.slots {
		from, to := u32(b[slot*4:]), u32(b[slot*4+4:])
		if from > to || to > len(b) {
			return "impossible offsets"
		}
		f, ok := s.fieldOf(uint8(slot))
		if !ok || s.columns[f].form != formBlob {
			continue
		}
		if what := blobFits(b[from:to], rows); what != "" {
			return f.String() + ": " + what
		}
	}
	return ""
}

func blobFits(b []byte, rows int) string {
	if len(b) == 0 {
		return "no blob"
	}
	switch b[0] {
	case blobTemplate:
		var t template
		return t.parse(b, rows)
	case blobGroups:
		return checkGroups(b, rows)
	}
	return "unknown blob"
}

func dictFits(b []byte, n int) bool {
	if len(b) < 4*(n+2) || u32(b) != n {
		return false
	}
	at, size := 0, len(b)-4*(n+2)
	for i := range n + 1 {
		off := u32(b[4+4*i:])
		if off < at {
			return false
		}
		at = off
	}
	return at == size
}

func (s *Segment) tenantsFit(b []byte) bool {
	if !vecFits(b, 0, s.tenants+1) || !vecFits(b, vecHeader, s.tenants) {
		return false
	}
	v := vecAt(b, 0)
	for i := range s.tenants {
		if v.at(i) >= v.at(i+1) {
			return false
		}
	}
	return v.at(0) == 0 && v.at(s.tenants) == uint64(s.rows)
}

// inspectIdx looks into a part of the index; it returns what is wrong, or "".
func (s *Segment) inspectIdx(sec *section, b []byte) string {
	f, ok := s.fieldOf(sec.field)
	if !ok {
		return "unknown field"
	}
	size := s.codesOf(f)
	fits := true
	switch sec.kind {
	case kindStats:
		fits = len(b) == s.tenants*statBytes
	case kindPostings:
		fits = s.postingsFit(f, b, size)
	case kindHash:
		fits = s.hashFits(b)
	case kindZones:
		n := 16
		if f != annal.Tenant {
			n = zoneBytes(size)
		}
		fits = len(b) == n*s.blocks()
	case kindCounts:
		fits = s.countsFit(b)
	case kindSums:
		fits = vecFits(b, 0, size) && (size > 1 && posted(f, size) || vecFits(b, vecHeader, size+1) && ascends(vecAt(b, vecHeader), size, s.rows))
	case kindFilter:
		fits = filtersFit(b, s.blocks())
	case kindDictFilter:
		fits = filtersFit(b, (size+dictGroup-1)/dictGroup)
	case kindArrival:
		fits = s.arrivalFits(b)
	}
	if !fits {
		return "impossible contents"
	}
	return ""
}

func (s *Segment) postingsFit(f annal.Field, b []byte, size int) bool {
	if !vecFits(b, 0, size+1) {
		return false
	}
	starts := vecAt(b, 0)
	listed := int(min(starts.at(size), uint64(s.rows)))
	return (listed == s.rows || searched(f)) && vecFits(b, vecHeader, listed) && ascends(starts, size, listed)
}

// ascends reports whether n+1 values begin at 0, never fall and end at last.
func ascends(v vec, n, last int) bool {
	prev := uint64(0)
	for i := range n + 1 {
		x := v.at(i)
		if x < prev || i == 0 && x != 0 {
			return false
		}
		prev = x
	}
	return prev == uint64(last)
}

func (s *Segment) hashFits(b []byte) bool {
	if len(b) < hashHeader || u32(b) != int(bucketBits(s.rows)) {
		return false
	}
	buckets, entries := 1<<u32(b), u32(b[4:])
	return entries <= s.rows && len(b) >= hashHeader+2*entries && vecFits(b, 8, buckets+1) &&
		vecFits(b, 8+vecHeader, entries) && ascends(vecAt(b, 8), buckets, entries)
}

func (s *Segment) countsFit(b []byte) bool {
	if len(b) < countHeader || u32(b) > s.rows {
		return false
	}
	n := u32(b)
	for i, size := range []int{s.tenants + 1, n, n, n} {
		if !vecFits(b, 4+i*vecHeader, size) {
			return false
		}
	}
	return ascends(vecAt(b, 4), s.tenants, n)
}

func (s *Segment) arrivalFits(b []byte) bool {
	for k := 0; k*subRows < s.rows; k++ {
		if !vecFits(b, k*vecHeader, min(subRows, s.rows-k*subRows)) {
			return false
		}
	}
	return true
}
