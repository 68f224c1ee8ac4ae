package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// A limitListener accepts no more than a number of connections at a time, and
// cuts off those whose other end takes nothing of what is written for stall.
type limitListener struct {
	net.Listener
	free  chan struct{} // one element for each connection that may still be accepted
	stall time.Duration
	large chan struct{} // holds one element for each connection with a large header
	done  chan struct{}
	once  sync.Once
	log   *slog.Logger
	told  time.Time // when it was last said that the system gives no connection; Accept's alone
}

func newLimitListener(l net.Listener, connections int, stall time.Duration, log *slog.Logger) *limitListener {
	limit := &limitListener{Listener: l, free: make(chan struct{}, connections), stall: stall, large: make(chan struct{}, maxLargeHeaders), done: make(chan struct{}), log: log}
	for range connections {
		limit.free <- struct{}{}
	}
	return limit
}

// Accept waits until fewer connections than the limit are open.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case <-l.free:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.free <- struct{}{}
		l.tell(err)
		return nil, err
	}
	return &limitedConn{Conn: c, listener: l}, nil
}

// tellEvery is how long nothing more is said of connections that cannot be accepted.
const tellEvery = time.Minute

// tell says that the system gives no connection, most likely because the process
// may open no more files. net/http tries again soon, and callers wait meanwhile.
func (l *limitListener) tell(err error) {
	if errors.Is(err, net.ErrClosed) || time.Since(l.told) < tellEvery {
		return
	}
	l.told = time.Now()
	l.log.Error("connections cannot be accepted at present; they wait", "problem", err)
}

// Close ends Accept, also one that waits for a connection to end.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	listener *limitListener
	once     sync.Once
	header   header
}

// writePiece is how much of an answer is written at a time.
const writePiece = 64 << 10

// Write gives each piece of an answer the time that a stalled reader gets. A
// long answer to a reader who keeps reading has no limit.
func (c *limitedConn) Write(b []byte) (n int, err error) {
	for more := true; more; more = len(b) > n {
		if err := c.SetWriteDeadline(time.Now().Add(c.listener.stall)); err != nil {
			return n, err
		}
		written, err := c.Conn.Write(b[n:min(n+writePiece, len(b))])
		if n += written; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *limitedConn) Close() error {
	c.once.Do(func() {
		c.header.end(c.listener)
		c.listener.free <- struct{}{}
	})
	return c.Conn.Close()
}

// boundBody gives each request's body limit to arrive, and cuts off who takes
// longer. (http.Server.ReadTimeout would also end long answers, such as a tail.)
func boundBody(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		body := &boundedBody{ReadCloser: r.Body, until: time.Now().Add(limit)}
		if http.NewResponseController(w).SetReadDeadline(body.until) == nil {
			r.Body = body
		}
		next.ServeHTTP(w, r)
		if body.late {
			panic(http.ErrAbortHandler) // whatever the answer is, it is not to what was meant
		}
	})
}

// A boundedBody notes that the deadline has passed. Once the body is all there,
// net/http lifts the deadline itself: it goes on reading, to see the client leave.
type boundedBody struct {
	io.ReadCloser
	until time.Time
	late  bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.late = !time.Now().Before(b.until) // else the API has ended it, and answers
	}
	return n, err
}
