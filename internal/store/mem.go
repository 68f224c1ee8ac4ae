package store

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"annal"
	"annal/internal/segment"
)

// chunkRows is how many rows of a memtable are sorted by time together.
const chunkRows = 2048

// chainedFields are those whose rows a memtable links by value.
var chainedFields = func() (fs []annal.Field) {
	for f := range annal.NumTexts {
		if annal.Fields[f].Index != annal.ByScan {
			fs = append(fs, f)
		}
	}
	return fs
}()

// A memtable holds the newest events until they are sealed into a segment. Rows
// are appended in the order of their positions; slices only ever grow at the
// end, so that a copy of their headers is a consistent snapshot.
type memtable struct {
	mu     sync.RWMutex // held by add; by readers only while they take a snapshot
	cols   segment.Columns
	inter  [annal.NumTexts]*interner // of the Shared fields
	chains [annal.NumTexts]chain     // of the fields with an index
	chunks []chunk
	tail   []uint32 // rows of the unfinished chunk, sorted as those of a chunk
	counts memCounts
	bytes  int   // of text not shared
	minKey int64 // of all rows
	maxKey int64
	codes  memCodes
}

// A chunk is consecutive rows, chunkRows unless it is the last, sorted.
type chunk struct {
	order    []uint32 // rows by time key, ties by position
	min, max int64    // time keys
}

func newMemtable(base uint64, rows int) *memtable {
	m := &memtable{minKey: math.MaxInt64, maxKey: math.MinInt64}
	m.cols.Base = base
	m.cols.Far = map[uint32]time.Time{}
	for f := range annal.NumTexts {
		if annal.Fields[f].Shared {
			m.inter[f] = newInterner()
		} else {
			m.cols.Text[f].Off = append(m.cols.Text[f].Off, 0)
		}
	}
	m.reserve(rows)
	return m
}

// reserve makes room for rows more, at least doubling what there was.
func (m *memtable) reserve(rows int) {
	c := &m.cols
	if c.N+rows <= cap(c.Time) {
		return
	}
	n := max(rows, c.N)
	c.Time, c.Seq = slices.Grow(c.Time, n), slices.Grow(c.Seq, n)
	c.Salt = slices.Grow(c.Salt, 16*n)
	c.Outcome, c.Severity = slices.Grow(c.Outcome, n), slices.Grow(c.Severity, n)
	c.Status, c.Duration = slices.Grow(c.Status, n), slices.Grow(c.Duration, n)
	for f := range annal.NumTexts {
		t := &c.Text[f]
		if annal.Fields[f].Shared {
			t.Codes = slices.Grow(t.Codes, n)
		} else {
			t.Off = slices.Grow(t.Off, n)
		}
	}
	for _, f := range chainedFields {
		m.chains[f].prev = slices.Grow(m.chains[f].prev, n)
	}
}

// add appends e; the caller holds mu and has reserved the row.
func (m *memtable) add(e *annal.Event, received int64) {
	c := &m.cols
	row := uint32(c.N)
	key := annal.TimeKey(e.Time)
	if key == math.MinInt64 || key == math.MaxInt64 {
		c.Far[row] = e.Time
	}
	m.minKey, m.maxKey = min(m.minKey, key), max(m.maxKey, key)
	if n := len(c.Received); n == 0 || c.Received[n-1].Micros != received {
		c.Received = append(c.Received, segment.Run{Row: row, Micros: received})
	}
	c.Time, c.Seq = append(c.Time, key), append(c.Seq, e.Seq)
	c.Salt = append(c.Salt, e.Salt[:]...)
	c.Outcome, c.Severity = append(c.Outcome, uint8(e.Outcome)), append(c.Severity, uint8(e.Severity))
	c.Status, c.Duration = append(c.Status, e.Request.Status), append(c.Duration, int64(e.Request.Duration))
	for f := range annal.NumTexts {
		t, s := &c.Text[f], *e.Text(f)
		if in := m.inter[f]; in != nil {
			t.Codes = append(t.Codes, in.add(s))
			continue
		}
		t.Bytes = append(t.Bytes, s...)
		t.Off = append(t.Off, uint32(len(t.Bytes)))
		m.bytes += len(s)
	}
	for _, f := range chainedFields {
		if m.inter[f] != nil {
			m.chains[f].link(c.Text[f].Codes[row])
		} else {
			m.chains[f].linkText(*e.Text(f))
		}
	}
	m.counts.add(m, e.Outcome, row)
	m.sortIn(row, key)
	c.N++
}

// sortIn puts a row into the unfinished chunk. Rows come nearly in order of time,
// so that its place is near the end.
func (m *memtable) sortIn(row uint32, key int64) {
	keys := m.cols.Time
	at := len(m.tail)
	if at > 0 && keys[m.tail[at-1]] > key {
		at = sort.Search(at, func(i int) bool { return keys[m.tail[i]] > key })
	}
	m.tail = slices.Insert(m.tail, at, row)
	if len(m.tail) == chunkRows {
		ch := chunk{order: slices.Clone(m.tail)}
		ch.min, ch.max = keys[ch.order[0]], keys[ch.order[chunkRows-1]]
		m.chunks, m.tail = append(m.chunks, ch), m.tail[:0]
	}
}

// hash32 is the hash that a memtable links a text by; "" has 0.
func hash32(s string) uint32 {
	if s == "" {
		return 0
	}
	return uint32(xxh3.HashString(s))
}

// sealed returns the rows as what a segment is built from. No more may be added.
func (m *memtable) sealed() *segment.Columns {
	m.mu.Lock()
	defer m.mu.Unlock()
	for f, in := range m.inter {
		if in != nil {
			m.cols.Text[f].Values = in.values
		}
	}
	return &m.cols
}

// size is the memtable's text in bytes, which bounds it beside its rows.
func (m *memtable) size() int {
	n := m.bytes
	for _, in := range m.inter {
		if in != nil {
			n += in.bytes
		}
	}
	return n
}

// A memView is a consistent snapshot of a memtable that readers use without a
// lock.
type memView struct {
	cols   segment.Columns
	chunks []chunk
	tail   chunk
	minKey int64
	maxKey int64
	table  *memtable // for find and counts
}

func (m *memtable) view() *memView {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.viewLocked()
}

func (m *memtable) viewLocked() *memView {
	v := &memView{cols: m.cols, chunks: m.chunks, minKey: m.minKey, maxKey: m.maxKey, table: m}
	if n := len(m.tail); n > 0 {
		v.tail = chunk{slices.Clone(m.tail), m.cols.Time[m.tail[0]], m.cols.Time[m.tail[n-1]]}
	}
	for f, in := range m.inter {
		if in != nil {
			v.cols.Text[f].Values = in.values
		}
	}
	if len(m.cols.Far) > 0 { // seldom; readers must not share a map with add
		v.cols.Far = make(map[uint32]time.Time, len(m.cols.Far))
		for row, t := range m.cols.Far {
			v.cols.Far[row] = t
		}
	}
	return v
}

// find returns the code of s in field f.
func (v *memView) find(f annal.Field, s string) (code uint32, ok bool) {
	v.table.mu.RLock()
	defer v.table.mu.RUnlock()
	code, ok = v.table.inter[f].find(s)
	return code, ok && int(code) < len(v.cols.Text[f].Values)
}

// uses returns how many rows of the live table have a value of set in field f,
// which is at least how many of the view do.
func (v *memView) uses(f annal.Field, set *codeSet) (n int) {
	v.table.mu.RLock()
	defer v.table.mu.RUnlock()
	counts := v.table.inter[f].counts
	set.each(func(code uint32) { n += int(counts[code]) })
	return n
}

// text returns text field f of a row; it is valid as long as the view.
func (v *memView) text(f annal.Field, row int) string {
	t := &v.cols.Text[f]
	if t.Codes != nil {
		return t.Values[t.Codes[row]]
	}
	return alias(t.Bytes[t.Off[row]:t.Off[row+1]])
}

func (v *memView) position(row int) uint64 { return v.cols.Base + uint64(row) }

func (v *memView) received(row int) int64 {
	runs := v.cols.Received
	i, found := slices.BinarySearchFunc(runs, uint32(row), func(r segment.Run, row uint32) int { return cmp.Compare(r.Row, row) })
	if !found {
		i--
	}
	return runs[i].Micros
}

// timeOf returns a row's exact time.
func (v *memView) timeOf(row int) time.Time {
	if t, far := v.cols.Far[uint32(row)]; far {
		return t
	}
	return annal.KeyTime(v.cols.Time[row])
}

// read fills e, but for its ID, from a row; its strings live as long as the view.
func (v *memView) read(row int, e *annal.Event) {
	c := &v.cols
	*e = annal.Event{
		Position: v.position(row), Seq: c.Seq[row], Received: time.UnixMicro(v.received(row)).UTC(),
		Outcome: annal.Outcome(c.Outcome[row]), Severity: annal.Severity(c.Severity[row]),
	}
	e.Time = v.timeOf(row)
	copy(e.Salt[:], c.Salt[16*row:])
	e.Request.Status, e.Request.Duration = c.Status[row], time.Duration(c.Duration[row])
	for f := range annal.NumTexts {
		*e.Text(f) = v.text(f, row)
	}
}
