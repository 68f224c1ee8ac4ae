package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"annal"
)

// maxTailAhead bounds what a tail gathers ahead of its reader.
const maxTailAhead = 256 << 10

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
		select {
		case c.s.tails <- struct{}{}:
			defer func() { <-c.s.tails }()
		default:
			return &fault{status: http.StatusTooManyRequests, code: "rate_limited", message: "there are as many tails as the server allows", retry: retryTails}
		}
		c.mediaType = "text/event-stream"
		c.out.b = append(c.out.b, ": annal\n\n"...)
		if err := c.flush(); err != nil || c.Method == http.MethodHead {
			return err
		}
		return c.follow(a.Query, from)
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

// follow sends what a goroutine reads from the log until the client, the server
// or the token is gone.
func (c *Call) follow(q annal.Query, from uint64) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	feed := newFeed(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.Tail(ctx, q, from, feed.add) }()
	defer func() { cancel(); feed.stop(); <-ended }()
	beat := time.NewTicker(c.s.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-c.Context().Done():
			return nil
		case <-c.s.Closing:
			return nil
		case err := <-ended:
			ended <- err
			return err
		case <-feed.more:
			c.out.b = feed.take(c.out.b)
		case <-beat.C:
			if !c.stillAllowed() {
				return nil
			}
			c.out.b = append(c.out.b, ": still here\n\n"...)
		}
		if err := c.flush(); err != nil {
			return nil // the client has gone, or reads too slowly: it may resume
		}
	}
}

// stillAllowed reports whether the caller still has the rights that the tail
// began with.
func (c *Call) stillAllowed() bool {
	caller, err := c.s.Auth.Authenticate(c.Context(), c.credential())
	return err == nil && c.permit(&caller) == nil && slices.Equal(caller.Tenants, c.Caller.Tenants)
}

// A feed hands events from the log's goroutine to the connection's.
type feed struct {
	ctx  context.Context
	more chan struct{} // something waits

	mu      sync.Mutex
	space   sync.Cond // waiting may be added to, or stopped is set
	waiting []byte
	stopped bool
}

func newFeed(ctx context.Context) *feed {
	f := &feed{ctx: ctx, more: make(chan struct{}, 1)}
	f.space.L = &f.mu
	return f
}

// add appends e and waits while too much is waiting.
func (f *feed) add(e *annal.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiting) >= maxTailAhead && !f.stopped {
		f.space.Wait()
	}
	if f.stopped {
		return context.Canceled
	}
	f.waiting = strconv.AppendUint(append(f.waiting, "id: "...), e.Position, 10)
	f.waiting = e.AppendJSON(append(f.waiting, "\ndata: "...))
	f.waiting = append(f.waiting, '\n', '\n')
	select {
	case f.more <- struct{}{}:
	default:
	}
	return nil
}

// take appends what waits to b.
func (f *feed) take(b []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	b = append(b, f.waiting...)
	f.waiting = f.waiting[:0]
	f.space.Signal()
	return b
}

func (f *feed) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.space.Signal()
}
