package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"annal"
)

// tailChunk is how much of a tail is gathered before it is sent.
const tailChunk = 256 << 10

// tail streams events as they come, as server-sent events whose id is the
// event's position. It goes on behind the Last-Event-ID of a client that
// reconnects, else from the parameter position, else with what comes next.
func tail(p Params) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		from, err := c.tailFrom(&a)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(c.Context())
		defer cancel()
		leave, found := c.s.tails.enter(c.owner(), cancel)
		if !found {
			return &fault{status: http.StatusTooManyRequests, code: "rate_limited", message: "there are as many tails as the server allows", retry: retryTails}
		}
		defer leave()
		c.mediaType = "text/event-stream"
		c.out.b = append(c.out.b, ": annal\n\n"...)
		c.noteMissing(c.Missing(a.Query).Behind(from))
		if len(c.missing) > 0 {
			c.out.b = append(append(append(c.out.b, ": "...), c.missing.String()...), '\n', '\n')
		}
		if err := c.flush(); err != nil || c.Method == http.MethodHead {
			return err
		}
		return c.follow(ctx, a.Query, from)
	}
}

// tailFrom returns the first position to send. Positions that the log has not
// reached, say because it was restored, begin at its end.
func (c *Call) tailFrom(a *Ask) (uint64, error) {
	end := c.End()
	from := end
	if a.from != nil {
		from = *a.from
	}
	if last := c.Header.Get("Last-Event-ID"); last != "" {
		p, err := strconv.ParseUint(last, 10, 64)
		if err != nil {
			return 0, annal.Invalid("Last-Event-ID", "must be the id of an event of this stream, a whole number")
		}
		from = max(p, p+1) // the largest number has none behind it
	}
	return min(from, end), nil
}

// position reads where a tail begins.
func position(a *Ask, v string) error {
	p, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return errors.New("must be a position, a whole number")
	}
	a.from = &p
	return nil
}

// follow sends what q selects from position from on until ctx ends or the server
// or the token is gone.
func (c *Call) follow(ctx context.Context, q annal.Query, from uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	var closing sync.WaitGroup
	closing.Go(func() {
		select {
		case <-c.s.Closing:
			cancel()
		case <-ctx.Done():
		}
	})
	defer closing.Wait()
	defer cancel()
	at := c.s.Tails.begin(from)
	defer c.s.Tails.end(at)
	for {
		err := c.followForABeat(ctx, q, at)
		if errors.As(err, new(goneError)) || err == nil && (ctx.Err() != nil || !c.stillAllowed()) {
			return nil // who reads too slowly, or has gone, may resume
		}
		if err != nil {
			return err
		}
		c.out.b = append(c.out.b, ": still here"...)
		if end, at := c.End(), at.Load(); at < end {
			c.out.b = append(strconv.AppendUint(append(c.out.b, ", at "...), at, 10), " of "...)
			c.out.b = strconv.AppendUint(c.out.b, end, 10)
		}
		c.out.b = append(c.out.b, '\n', '\n')
		if c.flush() != nil {
			return nil
		}
	}
}

// followForABeat sends what q selects from position at on until it is time for
// a sign of life, or ctx ends.
func (c *Call) followForABeat(ctx context.Context, q annal.Query, at *atomic.Uint64) error {
	beat, cancel := context.WithTimeout(ctx, c.s.Heartbeat)
	defer cancel()
	for {
		next, err := c.Tail(beat, q, at.Load(), c.gather)
		if beat.Err() != nil && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
		at.Store(next)
		if len(c.out.b) == 0 {
			continue
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
}

// gather adds an event to what is sent next.
func (c *Call) gather(e *annal.Event, native []byte) (more bool) {
	c.out.b = strconv.AppendUint(append(c.out.b, "id: "...), e.Position, 10)
	c.out.b = append(append(append(c.out.b, "\ndata: "...), native...), '\n', '\n')
	return len(c.out.b) < tailChunk
}

// stillAllowed reports whether the caller still has the rights that the tail
// began with.
func (c *Call) stillAllowed() bool {
	caller, err := c.s.Auth.Authenticate(c.Context(), c.credential())
	return err == nil && c.permit(&caller) == nil && slices.Equal(caller.Tenants, c.Caller.Tenants)
}

// Tails says how open tails get on. The zero value is one of none.
type Tails struct {
	mu   sync.Mutex
	open map[*atomic.Uint64]struct{} // where each goes on from
}

// Open is how many tails there are.
func (t *Tails) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// Last is the position that the tail goes on from which is furthest behind; end
// if there is none.
func (t *Tails) Last(end uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := range t.open {
		end = min(end, at.Load())
	}
	return end
}

// begin adds a tail and returns its place, which is kept up to date until end.
func (t *Tails) begin(from uint64) *atomic.Uint64 {
	at := new(atomic.Uint64)
	at.Store(from)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[*atomic.Uint64]struct{}{}
	}
	t.open[at] = struct{}{}
	return at
}

func (t *Tails) end(at *atomic.Uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, at)
}
