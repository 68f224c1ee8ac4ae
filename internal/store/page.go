package store

import "annal"

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
	readAtOnce   = 16      // hits of one part that are read together
)

// readPage reads the events of hits, or of the first of them when the page would
// become too large. It must run inside a guard, which damage leaves by a panic.
func (s *Store) readPage(hits []hit) []annal.Event {
	code := s.ids.Get().(*idCode)
	defer s.ids.Put(code)
	events := make([]annal.Event, len(hits))
	var text arena
	var rows [readAtOnce]uint32
	var into [readAtOnce]*annal.Event
	done := 0
	for from := 0; from < len(hits) && done == from; {
		n := 0
		for ; n < readAtOnce && from+n < len(hits) && hits[from+n].part == hits[from].part; n++ {
			rows[n], into[n] = hits[from+n].row, &events[from+n]
		}
		hits[from].part.readAll(rows[:n], into[:n], func(i int) {
			if done > 0 && text.total > maxPageBytes {
				return
			}
			e := into[i]
			e.ID = code.id(e.Position, e.Received.UnixMicro())
			text.own(e)
			done++
		})
		from += n
	}
	return events[:done]
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
