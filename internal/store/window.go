package store

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"annal"
)

// Limits of the windows that tails share.
const (
	nearRows       = 2 << 10  // positions of a window that is read from memory
	farRows        = 8 << 10  // positions of a window that is read from segments
	maxWindowText  = 4 << 20  // bytes of a window's texts, unless one event has more
	maxWindows     = 256      // see [windows]
	maxWindowBytes = 48 << 20 // see [windows]
	maxUnused      = 20       // residentChecks that an unused window is kept for
)

// A window is all events of from ≤ position < to, of every tenant, as tails
// share them. Its events do not change; their JSON is made when the first tail
// wants it.
type window struct {
	from, to uint64
	events   []annal.Event // by position; keep nothing of the store alive
	tenants  []string      // that have events here
	tenant   []uint32      // of each event, in tenants
	size     atomic.Int64  // bytes, about

	mu     sync.Mutex
	native [][]byte // of each event; nil: not made yet
	room   arena

	unused int // residentChecks since its latest use; guarded by windows.mu
}

// show calls fn with w's events that q selects from position from on, until fn
// wants no more or it is late. It returns the position behind what it went through,
// and the bytes of JSON that it showed.
func (w *window) show(q *annal.Query, from uint64, late func() bool, fn func(*annal.Event, []byte) bool) (next uint64, sent int) {
	visible, some := w.visible(q.Tenants)
	if !some {
		return w.to, 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	first, _ := slices.BinarySearchFunc(w.events, from, func(e annal.Event, p uint64) int { return cmp.Compare(e.Position, p) })
	is := newMatcher(q)
	for i := first; i < len(w.events); i++ {
		e := &w.events[i]
		if (i-first)%eventsPerLook == eventsPerLook-1 && late() {
			return e.Position, sent
		}
		if visible != nil && !visible[w.tenant[i]] || !is.matches(e) {
			continue
		}
		native := w.json(i)
		sent += len(native)
		if !fn(e, native) {
			return e.Position + 1, sent
		}
	}
	return w.to, sent
}

// eventsPerLook is how many events a tail goes through between looks at the clock.
const eventsPerLook = 64

// A matcher tells what a query selects as [annal.Query.Matches] does. It reads the
// words of the query once.
type matcher struct {
	q     annal.Query // without its text
	words []*word
}

func newMatcher(q *annal.Query) *matcher {
	m := &matcher{*q, newWords(q.Text)}
	m.q.Text = ""
	return m
}

func (m *matcher) matches(e *annal.Event) bool {
	if !m.q.Matches(e) {
		return false
	}
	for _, w := range m.words {
		if !w.in(e) {
			return false
		}
	}
	return true
}

// in reports whether one of the fields that free text looks at has the word.
func (w *word) in(e *annal.Event) bool {
	for f := range annal.NumTexts {
		if annal.Fields[f].Search && w.finder.In(*e.Text(f)) {
			return true
		}
	}
	return false
}

// visible says which of w's tenants are among tenants (nil: all are), and
// whether some are.
func (w *window) visible(tenants []string) (visible []bool, some bool) {
	if tenants == nil {
		return nil, len(w.events) > 0
	}
	visible = make([]bool, len(w.tenants))
	for i, t := range w.tenants {
		visible[i] = hasTenant(tenants, t)
		some = some || visible[i]
	}
	return visible, some
}

// json returns event i in native form; the caller holds mu.
func (w *window) json(i int) []byte {
	if w.native == nil {
		w.native = make([][]byte, len(w.events))
	}
	if w.native[i] == nil {
		before := w.room.total
		w.native[i] = w.room.native(&w.events[i])
		w.size.Add(int64(w.room.total - before))
	}
	return w.native[i]
}

// native returns e in native form, in a's own memory.
func (a *arena) native(e *annal.Event) []byte {
	if cap(a.buf)-len(a.buf) < nativeRoom {
		a.buf = make([]byte, 0, arenaPage)
	}
	n := len(a.buf)
	b := e.AppendJSON(a.buf[n:])
	a.total += len(b)
	if n+len(b) <= cap(a.buf) { // else it has moved to memory of its own
		a.buf = a.buf[:n+len(b)]
	}
	return b[:len(b):len(b)]
}

// nativeRoom is what most events take at most in native form.
const nativeRoom = 2 << 10

// errWide says that a window holds more text than maxWindowText.
var errWide = errors.New("a window of large events")

// readWindow reads from ≤ position < to, or as much of its beginning as
// maxWindowText allows.
func (s *Store) readWindow(from, to uint64) (*window, error) {
	for {
		w := &window{from: from, to: to}
		var text arena
		err := s.reading(func(v *view) error {
			w.events, text = w.events[:0], arena{}
			return v.window(w, &text)
		})
		if errors.Is(err, errWide) {
			to = from + (to-from)/2
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range w.events {
			w.events[i].ID = s.id(w.events[i].Position, w.events[i].Received.UnixMicro())
		}
		w.noteTenants()
		w.size.Store(int64(text.total) + int64(len(w.events))*int64(unsafe.Sizeof(annal.Event{})+unsafe.Sizeof([]byte{})))
		return w, nil
	}
}

// window reads the events of w.
func (v *view) window(w *window, text *arena) error {
	for _, seg := range v.segs {
		if seg.Last() < w.from || seg.First() >= w.to {
			continue
		}
		if err := seg.window(w, text); err != nil {
			return err
		}
	}
	for _, m := range v.mems {
		mv := m.view()
		base := mv.cols.Base
		for p := max(base, w.from); p < min(w.to, base+uint64(mv.cols.N)); p++ {
			var e annal.Event
			mv.read(int(p-base), &e)
			if err := w.keep(&e, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// window reads x's part of w: rows in the order of the file, which are then put
// in the order of their positions.
func (x *sealed) window(w *window, text *arena) error {
	var at rows
	for p := max(w.from, x.First()); p < w.to && p <= x.Last(); p++ {
		if row, ok := x.RowOf(p); ok {
			at = append(at, uint32(row))
		}
	}
	slices.Sort(at)
	r := x.NewReader()
	first := len(w.events)
	for _, row := range at {
		var e annal.Event
		if err := r.Read(int(row), &e); err != nil {
			return err
		}
		if err := w.keep(&e, text); err != nil {
			return err
		}
	}
	x.Whole()
	slices.SortFunc(w.events[first:], func(a, b annal.Event) int { return cmp.Compare(a.Position, b.Position) })
	return nil
}

// keep adds e with a copy of its texts to w.
func (w *window) keep(e *annal.Event, text *arena) error {
	text.own(e)
	if text.total > maxWindowText && w.to-w.from > 1 {
		return errWide
	}
	w.events = append(w.events, *e)
	return nil
}

// noteTenants lists whose events w has.
func (w *window) noteTenants() {
	known := map[string]uint32{}
	w.tenant = make([]uint32, len(w.events))
	for i := range w.events {
		t := w.events[i].Tenant
		if i > 0 && t == w.events[i-1].Tenant {
			w.tenant[i] = w.tenant[i-1]
			continue
		}
		n, ok := known[t]
		if !ok {
			n = uint32(len(w.tenants))
			known[t], w.tenants = n, append(w.tenants, t)
		}
		w.tenant[i] = n
	}
}

// windows are those that were read last, for other tails to come.
type windows struct {
	mu       sync.Mutex
	list     []*window // the one that was used last is last
	max      int       // windows kept
	maxBytes int64     // of all that are kept, unless one has more
}

// find returns the window that goes furthest from position p, if there is any.
func (c *windows) find(p uint64) *window {
	c.mu.Lock()
	defer c.mu.Unlock()
	best := -1
	for i, w := range c.list {
		if w.from <= p && p < w.to && (best < 0 || w.to > c.list[best].to) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	w := c.list[best]
	w.unused = 0
	c.list = append(append(c.list[:best], c.list[best+1:]...), w)
	return w
}

// add keeps w and lets go of those that were used longest ago, if they are too
// many now.
func (c *windows) add(w *window) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, w)
	size, from := int64(0), len(c.list)
	for from > 0 && len(c.list)-from < c.max {
		if size += c.list[from-1].size.Load(); size > c.maxBytes && from < len(c.list) {
			break
		}
		from--
	}
	c.list = slices.Delete(c.list, 0, from)
}

// forget lets go of windows that no tail has wanted for a while; it is called
// once every residentCheck.
func (c *windows) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(w *window) bool {
		w.unused++
		return w.unused > maxUnused
	})
}
