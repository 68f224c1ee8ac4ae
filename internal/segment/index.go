package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"

	"annal"
)

// An indexBuilder makes the index file from columns in row order. It gives the
// same bytes for the same columns, whether they come from memory or from a
// segment's file, as long as its methods are called in the same order.
type indexBuilder struct {
	rows     int
	seed     uint64   // that of the layout
	starts   []uint32 // first row of each tenant, then the number of rows
	times    []int64  // first and last time of each tenant
	outcomes []uint8
	parts    []part
	scratch  []uint32
	fold     lowerer
	filters  []trigrams // by block; nil: no free text
}

func newIndexBuilder(starts []uint32, seed uint64) *indexBuilder {
	rows := int(starts[len(starts)-1])
	return &indexBuilder{rows: rows, seed: seed, starts: starts, scratch: make([]uint32, rows)}
}

func (x *indexBuilder) put(k kind, field uint8, b []byte) {
	x.parts = append(x.parts, part{kind: k, field: field, b: b})
}

func (x *indexBuilder) write(w *writer) error {
	x.putStats()
	x.putFilters()
	for _, p := range x.parts {
		w.section(p.kind, p.field, 0, p.b)
	}
	_, err := w.finish(nil)
	return err
}

// addTimes notes the least and greatest time of each block and tenant.
func (x *indexBuilder) addTimes(times []uint64) {
	var z []byte
	for lo := 0; lo < x.rows; lo += BlockRows {
		least, most := int64(times[lo]), int64(times[lo])
		for _, t := range times[lo:min(x.rows, lo+BlockRows)] {
			least, most = min(least, int64(t)), max(most, int64(t))
		}
		z = binary.LittleEndian.AppendUint64(z, uint64(least))
		z = binary.LittleEndian.AppendUint64(z, uint64(most))
	}
	x.put(kindZones, uint8(annal.Tenant), z)
	x.times = make([]int64, 0, 2*len(x.starts))
	for t := range len(x.starts) - 1 {
		x.times = append(x.times, int64(times[x.starts[t]]), int64(times[x.starts[t+1]-1]))
	}
}

// addOrder writes which row each arrival became, unless it is the same.
func (x *indexBuilder) addOrder(order []uint32) {
	if order == nil {
		return
	}
	for row, i := range order {
		x.scratch[i] = uint32(row)
	}
	chunks := (x.rows + subRows - 1) / subRows
	b := make([]byte, chunks*vecHeader)
	for k := range chunks {
		b = appendVec(b, 0, k*vecHeader, x.scratch[k*subRows:min(x.rows, (k+1)*subRows)], 0, true)
	}
	x.put(kindArrival, 0, append(b, make([]byte, wordPad)...))
}

// addOutcomes keeps the outcomes, which other parts count.
func (x *indexBuilder) addOutcomes(outcomes []uint8, codes []uint32) {
	x.outcomes = outcomes
	x.addZones(annal.ResultOutcome, codes, int(annal.NumOutcomes))
}

const statBytes = 4*int(annal.NumOutcomes) + 16

// putStats writes per tenant the number of each outcome and the first and last
// time.
func (x *indexBuilder) putStats() {
	b := make([]byte, 0, (len(x.starts)-1)*statBytes)
	for t := range len(x.starts) - 1 {
		var n [annal.NumOutcomes]uint32
		for _, o := range x.outcomes[x.starts[t]:x.starts[t+1]] {
			n[o]++
		}
		for _, c := range n {
			b = binary.LittleEndian.AppendUint32(b, c)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(x.times[2*t]))
		b = binary.LittleEndian.AppendUint64(b, uint64(x.times[2*t+1]))
	}
	x.put(kindStats, 0, b)
}

// addCodes indexes a field with a dictionary of size values, of which the first
// may be the empty one.
func (x *indexBuilder) addCodes(f annal.Field, codes []uint32, size int, empty bool) {
	if size == 1 && !counted(f) {
		return
	}
	x.addZones(f, codes, size)
	if size > 1 && posted(f, size) {
		x.addPostings(f, codes, size, empty && searched(f))
	}
	if counted(f) {
		x.addCounts(f, codes, size)
		x.addSums(f, codes, size)
	}
}

// searched says that a field is listed by value for free text alone. Rows where
// it is absent, often most of them, are then left out.
func searched(f annal.Field) bool {
	return annal.Fields[f].Index == annal.ByScan && annal.Fields[f].Search && !annal.Fields[f].Shared
}

// posted says that the rows of each value of a field with a dictionary of size
// values are listed.
func posted(f annal.Field, size int) bool {
	return annal.Fields[f].Index != annal.ByScan || searched(f) && size > bitmapZone
}

// counted says which fields have counts per tenant and, where there are several,
// of all tenants.
func counted(f annal.Field) bool {
	return f == annal.Action || f == annal.ActorID || f == annal.ResourcePath
}

const bitmapZone = 256 // values up to which a zone is a set, not a range

func zoneBytes(size int) int {
	if size > bitmapZone {
		return 8
	}
	return (size + 63) / 64 * 8
}

// addZones notes which codes each block has: a set of bits when there are few
// values, else the least and the greatest.
func (x *indexBuilder) addZones(f annal.Field, codes []uint32, size int) {
	if size == 1 {
		return
	}
	n := zoneBytes(size)
	var z []byte
	for lo := 0; lo < x.rows; lo += BlockRows {
		block := codes[lo:min(x.rows, lo+BlockRows)]
		at := len(z)
		z = append(z, make([]byte, n)...)
		if size > bitmapZone {
			binary.LittleEndian.PutUint32(z[at:], slices.Min(block))
			binary.LittleEndian.PutUint32(z[at+4:], slices.Max(block))
			continue
		}
		for _, c := range block {
			z[at+int(c>>3)] |= 1 << (c & 7)
		}
	}
	x.put(kindZones, uint8(f), z)
}

// addPostings lists the rows of each code: two vecs, where each code's rows
// begin and the rows. The rows of code 0 may be left out.
func (x *indexBuilder) addPostings(f annal.Field, codes []uint32, size int, without0 bool) {
	starts := make([]uint32, size+1)
	for _, c := range codes {
		starts[c+1]++
	}
	if without0 {
		starts[1] = 0
	}
	for c := range size {
		starts[c+1] += starts[c]
	}
	next := slices.Clone(starts[:size])
	for row, c := range codes {
		if c == 0 && without0 {
			continue
		}
		x.scratch[next[c]] = uint32(row)
		next[c]++
	}
	b := make([]byte, 2*vecHeader)
	b = appendVec(b, 0, 0, starts, 0, false)
	b = appendVec(b, 0, vecHeader, x.scratch[:starts[size]], 0, false)
	x.put(kindPostings, uint8(f), append(b, make([]byte, wordPad)...))
}

// addCounts counts each tenant's codes: four vecs, where each tenant's entries
// begin, the codes, how many rows, and how many of them did not succeed. A
// tenant whose codes hardly repeat has no entries: its rows are counted when
// asked.
func (x *indexBuilder) addCounts(f annal.Field, codes []uint32, size int) {
	n, failed := make([]uint32, size), make([]uint32, size)
	var starts, outCodes, outN, outFailed []uint32
	var seen []uint32
	for t := range len(x.starts) - 1 {
		lo, hi := x.starts[t], x.starts[t+1]
		seen = seen[:0]
		for row := lo; row < hi; row++ {
			c := codes[row]
			if n[c] == 0 {
				seen = append(seen, c)
			}
			n[c]++
			if x.outcomes[row] != uint8(annal.Success) {
				failed[c]++
			}
		}
		slices.Sort(seen)
		starts = append(starts, uint32(len(outCodes)))
		keep := len(seen)*rowsPerCount <= int(hi-lo)
		for _, c := range seen {
			if keep {
				outCodes, outN, outFailed = append(outCodes, c), append(outN, n[c]), append(outFailed, failed[c])
			}
			n[c], failed[c] = 0, 0
		}
	}
	starts = append(starts, uint32(len(outCodes)))
	b := make([]byte, countHeader)
	for i, v := range [][]uint32{starts, outCodes, outN, outFailed} {
		b = appendVec(b, 0, 4+i*vecHeader, v, 0, false)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(outCodes)))
	x.put(kindCounts, uint8(f), append(b, make([]byte, wordPad)...))
}

// summed says that the codes of all rows are counted, of however many tenants: not
// when the counts of the only one say it.
func summed(tenants, rows, size int) bool { return tenants > 1 || size*rowsPerCount > rows }

// addSums counts the codes of all rows: two vecs, how many rows of each code did
// not succeed, and how many rows have a lower code. The latter is empty where the
// postings say it.
func (x *indexBuilder) addSums(f annal.Field, codes []uint32, size int) {
	if !summed(len(x.starts)-1, x.rows, size) {
		return
	}
	failed, starts := make([]uint32, size), make([]uint32, size+1)
	for row, c := range codes {
		starts[c]++
		if x.outcomes[row] != uint8(annal.Success) {
			failed[c]++
		}
	}
	startsOf(starts)
	if size > 1 && posted(f, size) {
		starts = nil
	}
	b := appendVec(make([]byte, 2*vecHeader), 0, 0, failed, 0, false)
	b = appendVec(b, 0, vecHeader, starts, 0, false)
	x.put(kindSums, uint8(f), append(b, make([]byte, wordPad)...))
}

// A tenant's counts are kept when its codes have at least so many rows each, on
// average.
const rowsPerCount = 4

// countHeader is u32 entries and four vec headers.
const countHeader = 4 + 4*vecHeader

// Hash buckets hold about 1<<bucketShift rows.
const (
	bucketShift = 5
	hashHeader  = 8 + 2*vecHeader
)

// addBlob indexes a field without a dictionary.
func (x *indexBuilder) addBlob(f annal.Field, at func(int) []byte) {
	if annal.Fields[f].Index == annal.ByHash {
		x.addHashes(f, at)
	}
	if annal.Fields[f].Search {
		x.addFilters(at)
	}
}

// addHashes writes u32 bits, u32 entries, two vecs (where each bucket
// begins; the rows) and a 16-bit fingerprint for each entry. The top bits of a
// text's xxh3 hash with the layout's seed choose the bucket, the next 16 are the fingerprint. Absent texts
// have no entry.
func (x *indexBuilder) addHashes(f annal.Field, at func(int) []byte) {
	shift := bucketBits(x.rows)
	starts := make([]uint32, 1<<shift+1)
	heads := make([]uint64, x.rows) // bucket and fingerprint, plus one; 0: absent
	entries := 0
	for row := range heads {
		if b := at(row); len(b) > 0 {
			h := xxh3.HashSeed(b, x.seed) >> (64 - shift - 16)
			heads[row] = h + 1
			starts[h>>16+1]++
			entries++
		}
	}
	for i := range 1 << shift {
		starts[i+1] += starts[i]
	}
	next := slices.Clone(starts[:1<<shift])
	rows, prints := x.scratch[:entries], make([]byte, 2*entries)
	for row, h := range heads {
		if h == 0 {
			continue
		}
		h--
		k := next[h>>16]
		next[h>>16]++
		rows[k] = uint32(row)
		binary.LittleEndian.PutUint16(prints[2*k:], uint16(h))
	}
	b := make([]byte, hashHeader)
	binary.LittleEndian.PutUint32(b, uint32(shift))
	binary.LittleEndian.PutUint32(b[4:], uint32(entries))
	b = append(b, prints...)
	b = appendVec(b, 0, 8, starts, 0, false)
	b = appendVec(b, 0, 8+vecHeader, rows, 0, false)
	x.put(kindHash, uint8(f), append(b, make([]byte, wordPad)...))
}

// bucketBits returns the log2 of the buckets for a number of rows.
func bucketBits(rows int) uint { return uint(max(0, bits.Len(uint(rows))-bucketShift)) }
