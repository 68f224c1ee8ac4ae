package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"annal"
)

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
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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
	if line := f.next("id: "); line != "" {
		t.Errorf("after the token was revoked: %q", line)
	}
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
	for range 500 { // until the server has noticed
		if tails.Open() == 0 && tails.Last(3) == 3 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a tail that ended is still counted")
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
	for range 200 { // until the server has noticed
		if follow(t, at, "", acme).resp.StatusCode == 200 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the place of a tail that ended is not given away")
}

func TestTailEndsWhenTheServerCloses(t *testing.T) {
	w := newWorld(t)
	closing := make(chan struct{})
	w.cfg.Closing = closing
	w.restart()
	f := follow(t, w.serve(), "", w.of("acme"))
	f.next(": annal")
	close(closing)
	if line := f.next("id: "); line != "" {
		t.Errorf("after the close: %q", line)
	}
}

func TestSlowTailsAreCut(t *testing.T) {
	w := newWorld(t)
	w.cfg.WriteStall = 100 * time.Millisecond
	observed := make(chan string, 1)
	w.cfg.Observe = func(route string, status int, _ time.Duration) { observed <- fmt.Sprint(route, " ", status) }
	w.restart()
	big := event("read", "user:a", "p", 0)
	big.Message = strings.Repeat("x", annal.Fields[annal.Message].Max)
	for range 2000 { // more than the connection's buffers hold
		w.put(big)
	}
	follow(t, w.serve(), "?position=0", w.of("acme"))
	select {
	case got := <-observed:
		if got != "GET /v1/events/tail 200" {
			t.Errorf("observed %q", got)
		}
	case <-time.After(15 * time.Second):
		t.Error("a reader that does not read is not cut")
	}
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

func TestConnectionOutlivesItsStreams(t *testing.T) {
	w := newWorld(t)
	w.cfg.WriteStall = 50 * time.Millisecond
	w.restart()
	for i := range 700 { // more than one chunk
		e := full()
		e.EventID = fmt.Sprint("id-", i)
		w.put(e)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.serve(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 3 {
		if _, err := fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\nAuthorization: Bearer %s\r\n\r\n", w.of("acme").secret); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 2*streamChunk {
			t.Fatalf("%d bytes, %v", n, err)
		}
		time.Sleep(2 * w.cfg.WriteStall)
	}
}
