package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"annal"
	"annal/internal/annaltest"
)

// TestMain holds that neither tails nor anything else leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A follower is a client of a tail over a real connection.
type follower struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
}

// serve listens and returns the address.
func (w *world) serve() string {
	s := httptest.NewServer(w.h)
	w.t.Cleanup(s.Close)
	return s.URL
}

func follow(t *testing.T, server, query string, by token, header ...string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), annaltest.Patience)
	r, err := http.NewRequestWithContext(ctx, "GET", server+"/v1/events/tail"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+by.secret)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t, resp, bufio.NewReader(resp.Body)}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	return f
}

// next returns the next line that begins with prefix, without it, or "" at the
// end of the stream.
func (f *follower) next(prefix string) string {
	for {
		line, err := f.in.ReadString('\n')
		if err != nil {
			return ""
		}
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
}

// wantEnd reads on to the end of the stream, which must be orderly and come
// before any further event.
func (f *follower) wantEnd() {
	f.t.Helper()
	rest, err := io.ReadAll(f.in)
	if err != nil || strings.Contains(string(rest), "id: ") {
		f.t.Errorf("the stream goes on with %.200q and ends with %v, want its end", rest, err)
	}
}

func (f *follower) wantIDs(want ...int) {
	f.t.Helper()
	for _, p := range want {
		if got := f.next("id: "); got != fmt.Sprint(p) {
			f.t.Fatalf("id %q, want %d", got, p)
		}
		if data := f.next("data: "); !strings.Contains(data, fmt.Sprintf(`"position":%d,`, p)) {
			f.t.Fatalf("data of %d is %s", p, data)
		}
	}
}

func TestTailResumes(t *testing.T) {
	w := newWorld(t)
	at := w.serve()
	acme := w.of("acme")
	for i := range 3 {
		w.put(event("read", "user:a", "p", i))
	}
	fresh := follow(t, at, "", acme)
	if fresh.resp.Header.Get("Content-Type") != "text/event-stream" || fresh.resp.Header.Get("X-Request-ID") == "" {
		t.Errorf("header %v", fresh.resp.Header)
	}
	fresh.next(": annal")
	all := follow(t, at, "?position=0", acme)
	all.wantIDs(0, 1, 2)
	resumed := follow(t, at, "?position=0", acme, "Last-Event-ID", "1") // as EventSource reconnects
	resumed.wantIDs(2)
	other := event("read", "user:b", "p", 0)
	other.Tenant = "other"
	w.put(other, event("write", "user:a", "p", 3), event("read", "user:a", "p", -100))
	for _, f := range []*follower{fresh, all, resumed} {
		f.wantIDs(4, 5) // not the other tenant's
	}
	filtered := follow(t, at, "?position=0&action=write", acme)
	filtered.wantIDs(4)
	beyond := follow(t, at, "", acme, "Last-Event-ID", "18446744073709551615")
	beyond.next(": annal")
	w.put(event("read", "user:a", "p", 9))
	beyond.wantIDs(6)
	refused := follow(t, at, "", acme, "Last-Event-ID", "x")
	if refused.resp.StatusCode != 400 {
		t.Errorf("bad Last-Event-ID: status %d, want 400", refused.resp.StatusCode)
	}
}

func TestTailBeatsAndEndsWithItsToken(t *testing.T) {
	w := newWorld(t)
	w.cfg.Heartbeat = 20 * time.Millisecond
	w.restart()
	at := w.serve()
	f := follow(t, at, "", w.super("audit:read"))
	f.next(": still here")
	f.next(": still here")
	revokeRoot(w)
	f.wantEnd()
}

// A tail that is behind is told how far, and so is whoever runs the server.
func TestTailsSayHowFarTheyAre(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.put(event("read", "user:a", "p", i))
	}
	tails := new(Tails)
	w.cfg.Heartbeat, w.cfg.Tails, w.cfg.Reader = 20*time.Millisecond, tails, slow{w.log}
	w.restart()
	f := follow(t, w.serve(), "?position=0", w.of("acme"))
	f.wantIDs(0)
	if got := f.next(": still here"); got != ", at 1 of 3" {
		t.Errorf("behind, a tail reads %q", got)
	}
	if open, last := tails.Open(), tails.Last(3); open != 1 || last != 1 {
		t.Errorf("%d tails, the last at %d, want 1 at 1", open, last)
	}
	f.resp.Body.Close()
	if !annaltest.Comes(func() bool { return tails.Open() == 0 && tails.Last(3) == 3 }) {
		t.Error("a tail that ended is still counted")
	}
}

// slow is a Reader whose tails get to the first position and no further.
type slow struct{ Reader }

func (s slow) Tail(ctx context.Context, q annal.Query, from uint64, fn func(*annal.Event, []byte) bool) (uint64, error) {
	if from > 0 {
		<-ctx.Done()
		return from, ctx.Err()
	}
	return s.Reader.Tail(ctx, q, from, func(e *annal.Event, native []byte) bool { fn(e, native); return false })
}

func TestTailsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxTails = 2
	w.restart()
	at := w.serve()
	acme := w.of("acme")
	first, second := follow(t, at, "", acme), follow(t, at, "", acme)
	first.next(": annal")
	second.next(": annal")
	third := follow(t, at, "", acme)
	if third.resp.StatusCode != 429 || third.resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third tail gets %d %v, want 429", third.resp.StatusCode, third.resp.Header)
	}
	first.resp.Body.Close()
	if !annaltest.Comes(func() bool { return follow(t, at, "", acme).resp.StatusCode == 200 }) {
		t.Error("the place of a tail that ended is not given away")
	}
}

// Who has all tails loses some to others, and not all.
func TestTailsAreShared(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxTails = 4
	w.restart()
	at := w.serve()
	begin := func(by token) *follower {
		f := follow(t, at, "", by)
		if f.resp.StatusCode == 200 {
			f.next(": annal")
		}
		return f
	}
	acme, other := w.of("acme"), w.of("other")
	var many []*follower
	for range 4 {
		many = append(many, begin(acme))
	}
	for i := range 2 {
		if f := begin(other); f.resp.StatusCode != 200 {
			t.Errorf("tail %d of another tenant gets %d", i, f.resp.StatusCode)
		}
	}
	for name, by := range map[string]token{"the other tenant": other, "the first one": acme} {
		if f := begin(by); f.resp.StatusCode != 429 {
			t.Errorf("a third tail of %s gets %d, want 429", name, f.resp.StatusCode)
		}
	}
	for _, f := range many[2:] {
		if line := f.next("id: "); line != "" {
			t.Errorf("a tail that lost its place reads %q", line)
		}
	}
	w.put(event("read", "user:a", "p", 1))
	for _, f := range many[:2] {
		f.wantIDs(0)
	}
	if f := begin(w.of("third")); f.resp.StatusCode != 200 {
		t.Errorf("a tail of a third tenant gets %d", f.resp.StatusCode)
	}
}

func TestTailEndsWhenTheServerCloses(t *testing.T) {
	w := newWorld(t)
	closing := make(chan struct{})
	w.cfg.Closing = closing
	w.restart()
	f := follow(t, w.serve(), "", w.of("acme"))
	f.next(": annal")
	close(closing)
	f.wantEnd()
}

// A tail is cut once its reader has taken nothing for WriteStall, and no sooner.
func TestSlowTailsAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		observed := make(chan string, 1)
		w.cfg.Observe = func(route string, status int, _ time.Duration) { observed <- fmt.Sprint(route, " ", status) }
		w.restart()
		conn := w.dial("GET", "/v1/events/tail?position=0", w.of("acme"))
		for i := range 5 { // slow, but it reads: in all longer than the limit
			w.put(event("read", "user:a", "p", i))
			time.Sleep(DefaultWriteStall - 1)
			conn.drain()
		}
		w.put(event("read", "user:a", "p", 5))
		began := time.Now()
		if got := <-observed; got != "GET /v1/events/tail 200" {
			t.Errorf("observed %q", got)
		}
		if took := time.Since(began); took != DefaultWriteStall {
			t.Errorf("a reader that does not read is cut after %v, want %v", took, DefaultWriteStall)
		}
	})
}

func TestStreamThatBreaksIsNotTakenForWhole(t *testing.T) {
	w := newWorld(t)
	for i := range 2000 {
		e := full()
		e.EventID = fmt.Sprint("id-", i)
		w.put(e)
	}
	w.cfg.Reader = breaking{w.log}
	w.restart()
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.serve()+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.of("acme").secret)
	r.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s := bufio.NewScanner(resp.Body)
	s.Buffer(nil, 1<<20)
	lines := 0
	for s.Scan() {
		lines++
	}
	if s.Err() == nil || lines < 500 {
		t.Errorf("the broken stream ends after %d lines with %v", lines, s.Err())
	}
}

// breaking is a Reader whose scans break off.
type breaking struct{ Reader }

func (b breaking) Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error {
	n := 0
	return b.Reader.Scan(ctx, q, func(e *annal.Event) error {
		if n++; n > 1000 {
			return annal.ErrTooCostly
		}
		return fn(e)
	})
}

// The limit of a stream's reader is not one of what comes next on the connection,
// however long that takes to come.
func TestConnectionOutlivesItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 700 { // more than one chunk
			e := full()
			e.EventID = fmt.Sprint("id-", i)
			w.put(e)
		}
		acme := w.of("acme")
		const stream, page = "Accept: text/csv", "Accept: application/json"
		conn := w.dial("GET", "/v1/events", acme, stream)
		in := bufio.NewReader(conn)
		for _, next := range []string{page, stream, page} {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 2*streamChunk && next == page {
				t.Fatalf("%d bytes, %v", n, err)
			}
			time.Sleep(2 * DefaultWriteStall)
			conn.ask("GET", "/v1/events", acme, next)
		}
		if _, err := http.ReadResponse(in, nil); err != nil {
			t.Fatal(err)
		}
	})
}

// A rawConn is a connection in memory, of a test's own requests.
type rawConn struct {
	net.Conn
	t *testing.T
}

// dial serves w in memory, for tests in a bubble, and asks.
func (w *world) dial(method, path string, by token, header ...string) rawConn {
	pipes := annaltest.NewPipes()
	server := &http.Server{Handler: w.h}
	go func() { _ = server.Serve(pipes) }() // until it is closed
	c := rawConn{pipes.Dial(), w.t.(*testing.T)}
	w.t.Cleanup(func() { _, _ = c.Close(), server.Close() })
	c.ask(method, path, by, header...)
	return c
}

// drain reads what there is.
func (c rawConn) drain() {
	c.t.Helper()
	err := c.SetReadDeadline(time.Now().Add(1))
	if err == nil {
		_, err = io.Copy(io.Discard, c)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("the connection ends with %v", err)
	}
}

func (c rawConn) ask(method, path string, by token, header ...string) {
	c.t.Helper()
	lines := append([]string{method + " " + path + " HTTP/1.1", "Host: x", "Authorization: Bearer " + by.secret}, header...)
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}
