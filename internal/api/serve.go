package api

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"

	"annal"
)

type server struct {
	Config
	dialects  []Dialect
	router    router
	tails     *places       // of running tails
	reports   chan struct{} // one token for each PDF that is being made
	bodies    *room         // see room.go
	works     *room
	answers   *room
	buffers   sync.Pool // of *[]byte
	zstds     sync.Pool // of *zstd.Decoder
	own       recorder
	snapshots snapshots
	reference func() ([]byte, error) // the page, made when it is first asked for
}

// maxPooled bounds the buffers that are kept for reuse.
const maxPooled = 1 << 20

func (s *server) buffer() []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 32<<10)
}

func (s *server) recycle(b []byte) {
	if cap(b) <= maxPooled {
		s.buffers.Put(&b)
	}
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.Now()
	c := &Call{Request: r, s: s, w: w, dialect: &s.dialects[0], id: s.requestID(r)}
	if r.ContentLength == 0 { // else the body takes its time first
		c.out.b = s.buffer()
	}
	h := w.Header()
	h.Set("X-Request-ID", c.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	defer func() {
		_ = c.passed() // nobody writes to w once this has ended
		c.letGo()
		s.recycle(c.out.b)
		took := s.Now().Sub(start)
		s.Observe(c.pattern(), c.status, took)
		s.noteAccess(c, took)
	}()
	defer s.caught(c)
	if err := s.handle(c); err != nil {
		s.fail(c, err)
	} else if c.status == 0 {
		c.send(c.route.Status, c.mediaType)
	}
}

func (c *Call) pattern() string {
	if c.route == nil {
		return OtherRoute
	}
	return c.route.Pattern
}

// handle brings a call to its verb.
func (s *server) handle(c *Call) error {
	if err := s.route(c); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), s.QueryTimeout)
	defer cancel()
	c.ctx = ctx
	return s.audited(c, func() error {
		if err := c.identify(); err != nil {
			return err
		}
		c.mediaType = "application/json"
		return c.route.Do(c)
	})
}

// fail answers with an error in the dialect's shape. When the answer has begun,
// the connection is cut, so that nobody takes a part for the whole.
func (s *server) fail(c *Call, err error) {
	var gone goneError
	if c.Context().Err() != nil || errors.As(err, &gone) {
		c.status = ClientGone
		panic(http.ErrAbortHandler) // an empty answer would look like success to a proxy
	}
	f := statusOf(err, c.dialect)
	if f.Status >= http.StatusInternalServerError {
		s.Logger.LogAttrs(c.Context(), slog.LevelError, "request failed", slog.String("request_id", c.id),
			slog.String("route", c.pattern()), slog.Int("status", f.Status), slog.Any("error", err))
	}
	if c.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.refuse(c, f)
}

// refuse sends f in the dialect's shape.
func (s *server) refuse(c *Call, f Failure) {
	f.RequestID = c.id
	h := c.w.Header()
	h.Del("Content-Disposition") // an error is no download
	if f.allow != "" {
		h.Set("Allow", f.allow)
	}
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="annal"`)
	}
	c.out.b = c.dialect.Fail(c.out.b[:0], &f)
	c.send(f.Status, c.dialect.ErrorType)
}

// send writes the answer in c.out.
func (c *Call) send(status int, mediaType string) {
	if !c.answer(len(c.out.b)) {
		c.out.b = nil
		c.s.refuse(c, statusOf(annal.ErrBusy, c.dialect))
		return
	}
	c.status = status
	h := c.w.Header()
	if status != http.StatusNoContent {
		h.Set("Content-Type", mediaType)
		h.Set("Content-Length", strconv.Itoa(len(c.out.b)))
	}
	c.tellMissing(status)
	c.w.WriteHeader(status)
	_, _ = c.w.Write(c.out.b) // a client that has gone needs no answer
}

// caught turns a panic of ours into an answer.
func (s *server) caught(c *Call) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.Logger.LogAttrs(c.Context(), slog.LevelError, "panic", slog.String("request_id", c.id),
		slog.String("route", c.pattern()), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	if c.status != 0 {
		panic(http.ErrAbortHandler)
	}
	s.refuse(c, statusOf(errors.New("panic"), c.dialect))
}

// requestID takes the client's id, if it is one that may be shown and logged, or
// makes one.
func (s *server) requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-ID"); saneID(id) {
		return id
	}
	var b [12]byte
	if _, err := io.ReadFull(s.Rand, b[:]); err != nil {
		panic("api: no randomness: " + err.Error())
	}
	return "req_" + hex.EncodeToString(b[:])
}

func saneID(id string) bool {
	if id == "" || len(id) > MaxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}
