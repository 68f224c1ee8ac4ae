package segment

import (
	"encoding/binary"
	"sort"
	"time"

	"annal"
)

// blockMask takes the row within its block.
const blockMask = BlockRows - 1

// sub returns the vec that holds a row's time or position, and the row's place
// in it.
func (s *Segment) sub(slot, row int) (vec, int) {
	k := row >> subShift & (subBlocks - 1)
	return vecAt(s.hot(row>>blockBits), (slot+k)*vecHeader), row & (subRows - 1)
}

// TimeAt returns the time key of a row.
func (s *Segment) TimeAt(row int) int64 {
	v, i := s.sub(s.timeSlot(), row)
	return int64(v.at(i))
}

// TimeOf returns the exact time of a row, however far.
func (s *Segment) TimeOf(row int) time.Time { return s.exact(row, s.TimeAt(row)) }

func (s *Segment) exact(row int, key int64) time.Time {
	at := s.colSec[kindFar][0]
	if !isFar(key) || at < 0 {
		return annal.KeyTime(key)
	}
	b := s.col.bytes(at)
	n := len(b) / farBytes
	i := sort.Search(n, func(i int) bool { return u32(b[i*farBytes:]) >= row })
	if i == n {
		return annal.KeyTime(key)
	}
	b = b[i*farBytes:]
	return time.Unix(int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint32(b[4:]))).UTC()
}

// LowerTime returns the first row in lo ≤ row < hi whose time key is at least
// key, or hi. The rows must belong to one tenant.
func (s *Segment) LowerTime(lo, hi int, key int64) int {
	lo, hi = s.narrow(lo, hi, key)
	return lo + sort.Search(hi-lo, func(i int) bool { return s.TimeAt(lo+i) >= key })
}

// narrow bounds the row that LowerTime looks for by the times that the index has
// of each block, so that no other block is read. Only the first and the last
// block may hold rows of other tenants too.
func (s *Segment) narrow(lo, hi int, key int64) (int, int) {
	first, last := lo>>blockBits, (hi-1)>>blockBits
	if first >= last {
		return lo, hi
	}
	b := first + 1 + sort.Search(last-first, func(i int) bool { return s.latest(first+1+i) >= key })
	if b > last {
		return hi, hi
	}
	start, end := b<<blockBits, min(hi, (b+1)<<blockBits)
	switch least, _ := s.BlockTimes(b); {
	case b > first+1 || s.latest(first) < key: // all before the block are earlier
		if least >= key {
			return start, start
		}
		return start, end
	case least >= key:
		return lo, start
	case b < last: // all of the block is the tenant's, and begins before key
		return start, end
	}
	return lo, hi
}

// latest returns the greatest time key of a block.
func (s *Segment) latest(block int) int64 {
	_, most := s.BlockTimes(block)
	return most
}

// PositionAt returns the position of a row.
func (s *Segment) PositionAt(row int) uint64 {
	v, i := s.sub(s.positionSlot(), row)
	return v.at(i)
}

// SeqAt returns the seq of a row.
func (s *Segment) SeqAt(row int) uint64 {
	lo, _, first := s.tenantRows(s.tenantOf(row))
	return s.seqIn(lo, first, row)
}

func (s *Segment) seqIn(lo int, first uint64, row int) uint64 {
	v := vecAt(s.hot(row>>blockBits), s.seqSlot()*vecHeader)
	return first + uint64(row-lo) + v.at(row&blockMask)
}

// ReceivedAt returns when a row was received, in µs since 1970.
func (s *Segment) ReceivedAt(row int) int64 {
	micros, _, _ := s.receivedOf(s.PositionAt(row))
	return micros
}

// receivedOf returns when a position was received, and the positions from ≤ p <
// to for which the same holds.
func (s *Segment) receivedOf(position uint64) (micros int64, from, to uint64) {
	b := s.col.bytes(s.colSec[kindReceived][0])
	n := u32(b)
	positions, times := vecAt(b, 4), vecAt(b, 4+vecHeader)
	i := sort.Search(n, func(i int) bool { return positions.at(i) > position }) - 1
	to = s.last + 1
	if i+1 < n {
		to = positions.at(i + 1)
	}
	i = max(i, 0)
	return int64(times.at(i)), positions.at(i), to
}

// RowOf returns the row of a position; false when it is not here.
func (s *Segment) RowOf(position uint64) (row int, ok bool) {
	if position < s.first || position > s.last {
		return 0, false
	}
	if s.last-s.first+1 == uint64(s.rows) {
		return s.arrivalRow(int(position - s.first)), true
	}
	i := sort.Search(s.rows, func(i int) bool { return s.PositionAt(s.arrivalRow(i)) >= position })
	if i == s.rows {
		return 0, false
	}
	row = s.arrivalRow(i)
	return row, s.PositionAt(row) == position
}

// arrivalRow returns the row that the i-th arrival became.
func (s *Segment) arrivalRow(i int) int {
	at := s.idxSec[kindArrival][0]
	if at < 0 {
		return i
	}
	v := vecAt(s.idx.bytes(at), i>>subShift*vecHeader)
	return int(v.at(i & (subRows - 1)))
}

// Code returns the code of a row: into Dict(f), into Statuses, or the outcome or
// severity itself. The field must have codes: a text with a dictionary,
// outcome, severity or status.
func (s *Segment) Code(f annal.Field, row int) uint32 {
	c := &s.columns[f]
	switch {
	case c.form == formTenant:
		return s.tenantOf(row)
	case c.dict == 1:
		return 0
	case c.form == formDerived:
		v := vecAt(s.col.bytes(s.colSec[kindParent][f]), 0)
		return uint32(v.at(int(s.Code(c.parent, row))))
	}
	v := vecAt(s.hot(row>>blockBits), c.slot*vecHeader)
	return uint32(v.at(row & blockMask))
}

// Codes appends the codes of rows lo ≤ row < hi; see [Segment.Code].
func (s *Segment) Codes(f annal.Field, lo, hi int, dst []uint32) []uint32 {
	c := &s.columns[f]
	if c.form == formTenant {
		return s.tenantCodes(lo, hi, dst)
	}
	if c.form == formDerived && c.dict > 1 {
		at := len(dst)
		dst = s.Codes(c.parent, lo, hi, dst)
		v := vecAt(s.col.bytes(s.colSec[kindParent][f]), 0)
		for i, p := range dst[at:] {
			dst[at+i] = uint32(v.at(int(p)))
		}
		return dst
	}
	s.eachBlock(lo, hi, func(block, from, to int) {
		if c.dict == 1 {
			dst = append(dst, make([]uint32, to-from)...)
			return
		}
		v := vecAt(s.hot(block), c.slot*vecHeader)
		dst = v.appendCodes(dst, from, to)
	})
	return dst
}

// eachBlock calls f with each block that rows lo to hi touch and the rows within
// it.
func (s *Segment) eachBlock(lo, hi int, f func(block, from, to int)) {
	for lo < hi {
		block := lo >> blockBits
		end := min(hi, (block+1)<<blockBits)
		f(block, lo&blockMask, end-block<<blockBits)
		lo = end
	}
}

// Outcome returns the outcome of a row.
func (s *Segment) Outcome(row int) annal.Outcome {
	return annal.Outcome(s.Code(annal.ResultOutcome, row))
}

// Severity returns the severity of a row.
func (s *Segment) Severity(row int) annal.Severity {
	return annal.Severity(s.Code(annal.SeverityLevel, row))
}

// Outcomes appends the outcomes of rows lo ≤ row < hi.
func (s *Segment) Outcomes(lo, hi int, dst []uint8) []uint8 {
	return s.smalls(annal.ResultOutcome, lo, hi, dst)
}

// Severities appends the severities of rows lo ≤ row < hi.
func (s *Segment) Severities(lo, hi int, dst []uint8) []uint8 {
	return s.smalls(annal.SeverityLevel, lo, hi, dst)
}

func (s *Segment) smalls(f annal.Field, lo, hi int, dst []uint8) []uint8 {
	s.eachBlock(lo, hi, func(block, from, to int) {
		v := vecAt(s.hot(block), s.columns[f].slot*vecHeader)
		for i := from; i < to; i++ {
			dst = append(dst, uint8(v.at(i)))
		}
	})
	return dst
}

// StatusValues returns the statuses that occur, ascending; the code of a status
// is its place here.
func (s *Segment) StatusValues() []int32 {
	list := make([]int32, s.codesOf(annal.Status))
	for i := range list {
		list[i] = s.statusOf(uint32(i))
	}
	return list
}

func (s *Segment) statusOf(code uint32) int32 {
	return int32(binary.LittleEndian.Uint32(s.col.bytes(s.colSec[kindStatus][0])[4*code:]))
}

// Status returns the status of a row.
func (s *Segment) Status(row int) int32 { return s.statusOf(s.Code(annal.Status, row)) }

// Statuses appends the statuses of rows lo ≤ row < hi.
func (s *Segment) Statuses(lo, hi int, dst []int32) []int32 {
	values := s.col.bytes(s.colSec[kindStatus][0])
	s.eachBlock(lo, hi, func(block, from, to int) {
		v := vecAt(s.hot(block), s.columns[annal.Status].slot*vecHeader)
		for i := from; i < to; i++ {
			dst = append(dst, int32(binary.LittleEndian.Uint32(values[4*v.at(i):])))
		}
	})
	return dst
}

// Duration returns the duration of a row.
func (s *Segment) Duration(row int) time.Duration {
	v := vecAt(s.hot(row>>blockBits), s.columns[annal.Duration].slot*vecHeader)
	return time.Duration(v.at(row & blockMask))
}

// Durations appends the durations, in ns, of rows lo ≤ row < hi.
func (s *Segment) Durations(lo, hi int, dst []int64) []int64 {
	s.eachBlock(lo, hi, func(block, from, to int) {
		v := vecAt(s.hot(block), s.columns[annal.Duration].slot*vecHeader)
		dst = v.appendInts(dst, from, to)
	})
	return dst
}

// Times appends the time keys of rows lo ≤ row < hi.
func (s *Segment) Times(lo, hi int, dst []int64) []int64 {
	return s.subs(s.timeSlot(), lo, hi, dst)
}

// Positions appends the positions of rows lo ≤ row < hi; as int64, since
// positions stay below 2^63.
func (s *Segment) Positions(lo, hi int, dst []int64) []int64 {
	return s.subs(s.positionSlot(), lo, hi, dst)
}

func (s *Segment) subs(slot, lo, hi int, dst []int64) []int64 {
	for lo < hi {
		v, from := s.sub(slot, lo)
		to := min(subRows, from+hi-lo)
		dst = v.appendInts(dst, from, to)
		lo += to - from
	}
	return dst
}

// Keys returns the idempotency keys, in the order in which they were given.
func (s *Segment) Keys() []Key {
	at := s.colSec[kindKeys][0]
	if at < 0 {
		return nil
	}
	b := s.col.bytes(at)
	keys := make([]Key, len(b)/keyBytes)
	for i := range keys {
		r := b[i*keyBytes:]
		keys[i] = Key{
			Hash: [16]byte(r), Digest: [16]byte(r[16:]), Position: binary.LittleEndian.Uint64(r[32:]),
			Received: int64(binary.LittleEndian.Uint64(r[40:])), Count: binary.LittleEndian.Uint32(r[48:]),
		}
	}
	return keys
}
