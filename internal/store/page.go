package store

import (
	"sync"
	"sync/atomic"

	"annal"
	"annal/internal/segment"
)

// A hit is an event of a page that was found and is yet to be read.
type hit struct {
	part part
	row  uint32
	key  int64
}

func (h *hit) mark() *annal.Mark { return &annal.Mark{Time: h.key, Position: h.part.position(h.row)} }

// Limits of a page.
const (
	usualPage    = 100     // events that a page has room for before it grows
	maxPageBytes = 8 << 20 // text of a page; a page of larger events is shorter than asked for
	worthTwo     = 32      // hits from which two goroutines read them
)

// readPage reads the events of hits, or of the first of them when the page would
// become too large. Hits lie all over the log, and each costs some waiting for
// memory, so that two goroutines share them, part by part.
func (s *Store) readPage(v *view, hits []hit) ([]annal.Event, error) {
	r := &pageRead{s: s, hits: hits, events: make([]annal.Event, len(hits)), done: make([]bool, len(hits))}
	if len(hits) < worthTwo || !r.divide() {
		r.read(false)
		return r.whole(), nil
	}
	var other error
	var both sync.WaitGroup
	both.Go(func() {
		other = segment.Guard(func() error { r.read(true); return nil }, v.segments()...)
	})
	defer both.Wait() // also when damage ends the reading here
	r.read(false)
	both.Wait()
	return r.whole(), other
}

// A pageRead is a page while it is read.
type pageRead struct {
	s      *Store
	hits   []hit
	second []bool // which hits the second goroutine reads; nil: none
	events []annal.Event
	done   []bool // which events have been read
	bytes  atomic.Int64
}

// divide gives each part's hits to that of two goroutines which has fewer. It
// reports false when there is but one part.
func (r *pageRead) divide() bool {
	sides := map[part]bool{}
	var load [2]int
	r.second = make([]bool, len(r.hits))
	for i := range r.hits {
		side, known := sides[r.hits[i].part]
		if !known {
			side = load[1] < load[0]
			sides[r.hits[i].part] = side
		}
		r.second[i] = side
		if side {
			load[1]++
		} else {
			load[0]++
		}
	}
	return load[1] > 0
}

// read reads the hits of one side, in order, until the page has too much text;
// the first event is read in any case. It must run inside a guard, which damage
// leaves by a panic.
func (r *pageRead) read(second bool) {
	code := r.s.ids.Get().(*idCode)
	defer r.s.ids.Put(code)
	var text arena
	for i := r.from(0, second); i < len(r.hits); i = r.from(i+1, second) {
		if i > 0 && r.bytes.Load() > maxPageBytes {
			return
		}
		if next := r.from(i+1, second); next < len(r.hits) {
			r.hits[next].part.ahead(r.hits[next].row)
		}
		e, before := &r.events[i], text.total
		r.hits[i].part.read(r.hits[i].row, e)
		e.ID = code.id(e.Position, e.Received.UnixMicro())
		text.own(e)
		r.bytes.Add(int64(text.total - before))
		r.done[i] = true
	}
}

// from returns the first hit of one side from i on.
func (r *pageRead) from(i int, second bool) int {
	for r.second != nil && i < len(r.hits) && r.second[i] != second {
		i++
	}
	return i
}

// whole returns the events up to the first that was not read.
func (r *pageRead) whole() []annal.Event {
	for i, done := range r.done {
		if !done {
			return r.events[:i]
		}
	}
	return r.events
}

// An arena makes strings of a page's own in few allocations.
type arena struct {
	buf   []byte
	total int // bytes so far
}

const arenaPage = 32 << 10

// own replaces e's strings by copies.
func (a *arena) own(e *annal.Event) {
	for f := range annal.NumTexts {
		s := e.Text(f)
		if *s == "" {
			continue
		}
		a.total += len(*s)
		if len(a.buf)+len(*s) > cap(a.buf) {
			a.buf = make([]byte, 0, max(arenaPage, len(*s)))
		}
		n := len(a.buf)
		a.buf = append(a.buf, *s...)
		*s = alias(a.buf[n:])
	}
}
