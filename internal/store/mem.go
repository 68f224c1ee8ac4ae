package store

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"annal"
	"annal/internal/segment"
)

// chunkRows is how many rows of a memtable are sorted by time together.
const chunkRows = 2048

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
	bytes  int          // of text not shared
	full   int          // rows
	weight atomic.Int64 // see weigh
	minKey int64        // of all rows
	maxKey int64
	codes  memCodes

	room    *room          // what is left of the memory it may use
	scratch []*annal.Event // of one batch while it is added
	views   int            // that contain the table; guarded by Store.mu
}

// A chunk is consecutive rows, chunkRows unless it is the last, sorted.
type chunk struct {
	order    []uint32 // rows by time key, ties by position
	min, max int64    // time keys
}

// newMemtable returns an empty memtable whose first event has position base, and
// which is full with so many rows. It lies in the room given.
func newMemtable(base uint64, full int, in *room) *memtable {
	m := &memtable{minKey: math.MaxInt64, maxKey: math.MinInt64, full: full, cols: in.cols, room: in}
	m.cols.Base = base
	m.cols.Far = map[uint32]time.Time{}
	for f := range annal.NumTexts {
		if annal.Fields[f].Shared {
			m.inter[f] = newInterner()
		}
	}
	m.reserve(full / firstShare)
	return m
}

// firstShare is the part of a full memtable for which there is room at first.
const firstShare = 8

// reserve makes room for rows more: for twice as many as there are, but not for
// more than a full memtable has. Texts that are absent in every row have no
// column.
func (m *memtable) reserve(rows int) {
	c := &m.cols
	if c.N+rows <= cap(c.Time) {
		return
	}
	n := max(rows, min(c.N, m.full-c.N))
	c.Time, c.Seq = slices.Grow(c.Time, n), slices.Grow(c.Seq, n)
	c.Salt = slices.Grow(c.Salt, segment.SaltBytes*n)
	c.Outcome, c.Severity = slices.Grow(c.Outcome, n), slices.Grow(c.Severity, n)
	c.Status, c.Duration = slices.Grow(c.Status, n), slices.Grow(c.Duration, n)
	for f := range annal.NumTexts {
		t := &c.Text[f]
		if t.Codes != nil {
			t.Codes = slices.Grow(t.Codes, n)
		}
		if t.Off != nil {
			t.Off = slices.Grow(t.Off, n)
		}
		if prev := m.chains[f].prev; prev != nil {
			m.chains[f].prev = slices.Grow(prev, n)
		}
	}
}

// unitRows is how many events a memtable takes at once, column by column: so few
// that they stay in the processor's cache, and so many that the table of a
// column's values does too.
const unitRows = 64

// add appends events; the caller holds mu.
func (m *memtable) add(events []*annal.Event, received int64) {
	m.reserve(len(events))
	for len(events) > 0 {
		n := min(unitRows, len(events))
		m.addUnit(events[:n], received)
		events = events[n:]
	}
	m.weigh()
}

func (m *memtable) addUnit(events []*annal.Event, received int64) {
	c := &m.cols
	first := uint32(c.N)
	if n := len(c.Received); n == 0 || c.Received[n-1].Micros != received {
		c.Received = append(c.Received, segment.Run{Row: first, Micros: received})
	}
	for i, e := range events {
		m.addNumbers(e, first+uint32(i))
	}
	for f := range annal.NumTexts {
		if annal.Fields[f].Shared {
			m.addShared(f, events)
		} else {
			m.addPlain(f, events)
		}
	}
	for i, e := range events {
		m.counts.add(m, e.Outcome, first+uint32(i))
		m.sortIn(first+uint32(i), c.Time[first+uint32(i)])
	}
	c.N += len(events)
}

func (m *memtable) addNumbers(e *annal.Event, row uint32) {
	c := &m.cols
	key := annal.TimeKey(e.Time)
	if isFar(key) {
		c.Far[row] = e.Time
	}
	m.minKey, m.maxKey = min(m.minKey, key), max(m.maxKey, key)
	c.Time, c.Seq = append(c.Time, key), append(c.Seq, e.Seq)
	c.Salt = append(c.Salt, e.Salt[:]...)
	c.Outcome, c.Severity = append(c.Outcome, uint8(e.Outcome)), append(c.Severity, uint8(e.Severity))
	c.Status, c.Duration = append(c.Status, e.Request.Status), append(c.Duration, int64(e.Request.Duration))
}

// addShared appends the codes of a field that is interned, and links its rows.
func (m *memtable) addShared(f annal.Field, events []*annal.Event) {
	t, in := &m.cols.Text[f], m.inter[f]
	linked := annal.Fields[f].Index != annal.ByScan
	if t.Codes == nil {
		if absent(f, events) {
			in.counts[0] += uint32(len(events))
			return
		}
		n, size, old := m.cols.N, cap(m.cols.Time), &m.room.texts[f]
		t.Codes = zeros(old.places, n, size)
		if linked {
			m.chains[f].begin(zeros(old.links, n, size), true)
		}
	}
	n := len(t.Codes)
	t.Codes = in.addUnit(t.Codes, f, events)
	if linked {
		for _, code := range t.Codes[n:] {
			m.chains[f].link(code)
		}
	}
}

// addPlain appends the texts of a field that is not interned, and links its rows.
func (m *memtable) addPlain(f annal.Field, events []*annal.Event) {
	t := &m.cols.Text[f]
	linked := annal.Fields[f].Index != annal.ByScan
	if t.Off == nil {
		if absent(f, events) {
			return
		}
		n, size, old := m.cols.N, cap(m.cols.Time), &m.room.texts[f]
		t.Off, t.Bytes = zeros(old.places, n+1, size+1), old.bytes
		if linked {
			m.chains[f].begin(zeros(old.links, n, size), false)
		}
	}
	for _, e := range events {
		s := *e.Text(f)
		t.Bytes = append(t.Bytes, s...)
		t.Off = append(t.Off, uint32(len(t.Bytes)))
		m.bytes += len(s)
		if linked {
			m.chains[f].linkText(s)
		}
	}
}

// absent reports whether none of the events has a text in field f.
func absent(f annal.Field, events []*annal.Event) bool {
	for _, e := range events {
		if *e.Text(f) != "" {
			return false
		}
	}
	return true
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
	switch {
	case t.Codes != nil:
		return t.Values[t.Codes[row]]
	case t.Off != nil:
		return alias(t.Bytes[t.Off[row]:t.Off[row+1]])
	}
	return ""
}

// code returns the code of an interned field of a row.
func (v *memView) code(f annal.Field, row uint32) uint32 { return codeIn(v.cols.Text[f].Codes, row) }

// codeIn returns a row's code; where there is no column every row has the code
// of the absent text.
func codeIn(codes []uint32, row uint32) uint32 {
	if codes == nil {
		return 0
	}
	return codes[row]
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
