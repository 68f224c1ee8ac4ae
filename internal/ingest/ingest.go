// Package ingest lets events in. It turns what others send into [annal.Event]s
// that may be stored: complete, within limits, in canonical form and free of
// secret values.
//
// The one idea: every way in ends in the same [Ingest.Receive], which either
// hands a whole batch to the log or names everything that is wrong with it.
// Foreign audit logs (see [Decode]) become native events first, so that they
// take the same way as everything else.
//
// The hot path is one pass over the body: texts share the body's memory, and
// nothing is allocated for an event that needs no rewriting: requests take turns
// with the memory of their events.
package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"annal"
	"annal/internal/strictjson"
)

// Limits of one request.
const (
	MaxEvents     = 10_000 // events in a batch
	DefaultTenant = "default"
)

// An Appender stores a batch: all of its events or none. It must not keep
// the slice of events, though it may keep their strings.
type Appender interface {
	Append(ctx context.Context, b *annal.Batch) ([]annal.Receipt, error)
}

// A Format is the form in which events are written.
type Format uint8

// The formats that arrive over HTTP.
const (
	Native    Format = iota // annal's own, see docs
	ScaiVault               // ScaiVault's flat entry

	// Entries as further dialects show them; see [form].
	DSV
	CertifyClouds
	ScaiKey
)

// FormatNamed returns the format that a dialect's name stands for; annal's own
// is that of all other names.
func FormatNamed(dialect string) Format {
	switch dialect {
	case "scaivault":
		return ScaiVault
	case "dsv":
		return DSV
	case "certifyclouds":
		return CertifyClouds
	case "scaikey":
		return ScaiKey
	}
	return Native
}

// Config says what an [Ingest] works with.
type Config struct {
	Log   Appender
	Now   func() time.Time // nil: time.Now
	Guard *Guard           // nil: one with the usual rules
}

// Ingest receives events. It is safe for concurrent use.
type Ingest struct {
	log   Appender
	now   func() time.Time
	guard *Guard
	rooms sync.Pool // []annal.Event's, as pointers, all of whose elements up to the capacity are zero
}

// New returns an Ingest.
func New(c Config) *Ingest {
	in := &Ingest{log: c.Log, now: c.Now, guard: c.Guard}
	if in.now == nil {
		in.now = time.Now
	}
	if in.guard == nil {
		in.guard = NewGuard(GuardConfig{})
	}
	return in
}

// A Request is one body of events and what is known about its sender.
type Request struct {
	// Body is an object, an array of objects, or objects on lines of their own
	// (NDJSON). It belongs to the events from now on: it must not be changed or
	// reused, even after an error.
	Body   []byte
	Format Format
	Tenant string                    // for events that name none; "": DefaultTenant
	Allow  func(tenant string) error // may the caller write there? nil: everywhere
	Key    string                    // idempotency key of the request with its owner, or ""
}

// A Result says what became of a Request.
type Result struct {
	Accepted   int // events, duplicates among them
	Duplicates int // events that were there before
	Receipts   []annal.Receipt
}

// Receive reads the events of a request and stores them, all or none. It
// returns an *[annal.InvalidError] that lists what is wrong with them, the
// error of Allow, or that of the log.
func (in *Ingest) Receive(ctx context.Context, req Request) (Result, error) {
	room, _ := in.rooms.Get().(*[]annal.Event)
	if room == nil {
		room = new([]annal.Event)
	}
	events, err := in.parse(&req, *room)
	defer func() {
		clear(events) // whose texts hold the body
		*room = events[:0]
		in.rooms.Put(room)
	}()
	if err != nil {
		return Result{}, err
	}
	batch := annal.Batch{Events: events, Key: req.Key}
	if req.Key != "" {
		batch.Digest = digest(req)
	}
	receipts, err := in.log.Append(ctx, &batch)
	if err != nil {
		return Result{}, err
	}
	res := Result{Accepted: len(receipts), Receipts: receipts}
	for i := range receipts {
		if receipts[i].Duplicate {
			res.Duplicates++
		}
	}
	return res, nil
}

// Parse reads the events of a request without storing them.
func (in *Ingest) Parse(req Request) ([]annal.Event, error) {
	events, err := in.parse(&req, nil)
	if err != nil {
		return nil, err
	}
	return events, nil
}

// parse reads the events of a request into room, which is empty and whose
// memory is zero, or into a larger one. It returns what it has used, also with
// an error.
func (in *Ingest) parse(req *Request, room []annal.Event) ([]annal.Event, error) {
	if req.Tenant == "" {
		req.Tenant = DefaultTenant
	}
	p := parser{
		req:    req,
		now:    in.now().UTC(),
		guard:  in.guard,
		r:      strictjson.NewReader(req.Body, annal.MaxExtraDepth),
		events: room,
	}
	p.body()
	switch {
	case p.refusal != nil:
		return p.events, p.refusal
	case len(p.invalid.Problems) > 0:
		return p.events, &p.invalid
	}
	return p.events, nil
}

// digest tells requests with the same idempotency key apart.
func digest(req Request) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d %q ", req.Format, req.Tenant)
	h.Write(req.Body)
	return [32]byte(h.Sum(nil))
}
