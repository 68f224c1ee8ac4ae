package ingest

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"annal"
	"annal/internal/strictjson"
)

// A parser reads the events of one request.
type parser struct {
	req   *Request
	now   time.Time // one for the whole batch
	guard *Guard
	// client: the event will be sent to a server, which fills in its tenant and time.
	client bool
	r      strictjson.Reader

	form *form // of the entries, unless they are native or ScaiVault's

	events  []annal.Event // zero between their length and their capacity
	invalid annal.InvalidError
	refusal error  // of Allow
	allowed string // the tenant that Allow has let pass last

	// Of the event that is being read:
	index int
	e     *annal.Event
	given given
	texts uint32   // the text fields that were read, as bits
	flags []string // as sent and as noticed; reused
}

// given notes which members with a guessed default an event has.
type given struct{ time, outcome, severity bool }

// body reads the whole body, deciding by its content how it is divided.
func (p *parser) body() {
	switch p.r.Peek() {
	case strictjson.Array:
		p.array()
	case strictjson.Object:
		p.lines()
	default:
		p.invalid.Add(-1, "", "the body must be a JSON object, an array of objects, or objects on lines of their own")
	}
}

// typicalEvent is about how many bytes an event takes.
const typicalEvent = 320

// grow makes room for one event more, and for as many as the body may have. What
// it adds is zero.
func (p *parser) grow() {
	n := len(p.events)
	if n == cap(p.events) {
		events := make([]annal.Event, n, min(MaxEvents, max(2*n, len(p.req.Body)/typicalEvent+1)))
		copy(events, p.events)
		p.events = events
	}
	p.events = p.events[:n+1]
}

func (p *parser) array() {
	p.r.Enter()
	for p.r.Elem() {
		if !p.one() || p.broken(p.index-1) {
			return
		}
	}
	p.r.End()
	p.broken(-1)
	if p.index == 0 && len(p.invalid.Problems) == 0 {
		p.invalid.Add(-1, "", "the array holds no events")
	}
}

// lines reads NDJSON. Behind a broken line it goes on with the next one that
// begins an object, so that one answer names all that is wrong.
func (p *parser) lines() {
	for p.r.More() && p.one() {
		if p.endOfLine() {
			continue
		}
		at := bytes.Index(p.req.Body[p.r.Pos():], []byte("\n{"))
		if at < 0 {
			return
		}
		p.r.Seek(p.r.Pos() + at + 1)
	}
}

// endOfLine notes an error when the event just read is broken or more follows
// it on its line.
func (p *parser) endOfLine() bool {
	if p.r.Err() != nil {
		return !p.broken(p.index - 1)
	}
	for i, c := range p.req.Body[p.r.Pos():] {
		switch c {
		case '\n':
			return true
		case ' ', '\t', '\r':
		default:
			p.invalid.Add(p.index-1, "", "only white space may follow an event on its line (at byte "+strconv.Itoa(p.r.Pos()+i)+")")
			return false
		}
	}
	return true
}

// broken notes the reader's error, if there is one, once.
func (p *parser) broken(index int) bool {
	var e *strictjson.Error
	if !errors.As(p.r.Err(), &e) {
		return false
	}
	p.invalid.Add(index, e.Path, e.Problem+" (at byte "+strconv.Itoa(e.Offset)+")")
	p.r.Seek(e.Offset)
	return true
}

// one reads one event. It returns false when reading on is of no use.
func (p *parser) one() bool {
	if p.index == MaxEvents {
		p.invalid = *annal.Invalid("", "a batch holds at most %d events", MaxEvents)
		return false
	}
	kind := p.r.Peek()
	start := p.r.Pos()
	p.r.Seek(start)
	p.index++
	if kind != strictjson.Object {
		p.problem("", "an event must be an object")
		p.r.Skip()
	} else {
		p.grow()
		p.e, p.given, p.texts, p.flags = &p.events[len(p.events)-1], given{}, 0, p.flags[:0]
		p.event(start)
	}
	return p.refusal == nil
}

func (p *parser) event(start int) {
	switch p.req.Format {
	case Native:
		p.native()
	case ScaiVault:
		p.scaiVault()
	default:
		p.entry()
	}
	if p.r.Err() != nil {
		return
	}
	if n := p.r.Pos() - start; n > annal.MaxEventBytes {
		p.problem("", "the event has "+strconv.Itoa(n)+" bytes; at most "+strconv.Itoa(annal.MaxEventBytes)+" are allowed")
		return
	}
	p.finish()
}

// problem notes something wrong with the current event.
func (p *parser) problem(field, what string) {
	switch {
	case p.req.Format == ScaiVault:
		field = flatName(field)
	case p.form != nil:
		field = p.form.memberOf(field)
	}
	p.invalid.Add(p.index-1, field, what)
}
