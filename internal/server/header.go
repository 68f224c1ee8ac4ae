package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// Headers lie in memory while they arrive, from whomever: ten thousand connections
// that all send one of 64 KiB slowly would take a gigabyte. Most headers are
// small, so that few connections at a time may have a large one.
const (
	smallHeader     = 8 << 10
	maxLargeHeaders = 256 // connections; further ones are cut off
)

var errLargeHeaders = errors.New("too many large headers arrive at the same time")

// A header is what a connection has read of one.
type header struct {
	mu     sync.Mutex
	size   int  // bytes read since the latest request was answered; guarded by mu, as are the others
	large  bool // it has a place among the large ones
	inside bool // a request is being answered: what is read is its body
	closed bool
}

// add counts n bytes.
func (h *header) add(n int, l *limitListener) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.size += n; h.inside || h.large || h.closed || h.size <= smallHeader {
		return nil
	}
	select {
	case l.large <- struct{}{}:
		h.large = true
		return nil
	default:
		return errLargeHeaders
	}
}

// enter says that a request is being answered now, or no longer.
func (h *header) enter(inside bool, l *limitListener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside, h.size = inside, 0
	h.release(l)
}

func (h *header) end(l *limitListener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.release(l)
}

// release gives the place among the large ones back; the caller holds mu.
func (h *header) release(l *limitListener) {
	if h.large {
		h.large = false
		<-l.large
	}
}

// Read counts what arrives before a request is answered.
func (c *limitedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		err = c.header.add(n, c.listener)
	}
	return n, err
}

type connKey struct{}

// withConn tells requests of the connection that they came by.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// noteHeaders tells connections when a header is complete.
func noteHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*limitedConn); ok {
			c.header.enter(true, c.listener)
			defer c.header.enter(false, c.listener)
		}
		next.ServeHTTP(w, r)
	})
}
