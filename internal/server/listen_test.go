package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"annal/internal/annaltest"
)

// limit is what the clients of these tests keep to, or not. They run in bubbles,
// where time is exact and passes only while everybody waits.
const limit = time.Minute

// limited returns both ends of a connection that was accepted with a limit.
func limited(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	pipes := annaltest.NewPipes()
	theirs = pipes.Dial()
	ours, err := newLimitListener(pipes, 1, limit, slog.New(slog.DiscardHandler)).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// Who takes nothing of an answer is cut off after the limit; who takes it slowly
// is not, however long that lasts in all.
func TestReadersWhoTakeNothingAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, theirs := limited(t)
		defer theirs.Close()
		go func() {
			b := make([]byte, 1)
			for range 5 {
				time.Sleep(limit - 1)
				_, _ = theirs.Read(b)
			}
		}()
		for i := range 5 {
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Errorf("piece %d: %v", i, err)
			}
		}
		began := time.Now()
		if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != limit {
			t.Errorf("got %v after %v, want %v after %v", err, time.Since(began), os.ErrDeadlineExceeded, limit)
		}
	})
}

// As many connections as are allowed are accepted, and each that ends makes room
// for one.
func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := annaltest.NewPipes()
		l := newLimitListener(pipes, 2, limit, slog.New(slog.DiscardHandler))
		accepted, ended := make(chan net.Conn, 9), make(chan error, 1)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		for range 4 {
			defer pipes.Dial().Close()
		}
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Fatalf("%d connections are accepted at a time, want 2", n)
		}
		first := <-accepted
		for range 2 { // to close one twice makes room for one
			_ = first.Close()
		}
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Errorf("after one ended there are %d others, want 2", n)
		}
		_ = l.Close() // of a listener that never fails
		synctest.Wait()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("who waits for room at the end gets %v, want %v", err, net.ErrClosed)
		}
	})
}

// An exhausted listener has no connection to give.
type exhausted struct{ net.Listener }

func (exhausted) Accept() (net.Conn, error) { return nil, syscall.EMFILE }

// That nobody gets a connection any more is said, but not each time that it is
// tried; the end of the listener is no news.
func TestConnectionsThatCannotBeAcceptedAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		pipes := annaltest.NewPipes()
		l := newLimitListener(exhausted{pipes}, 1, limit, slog.New(slog.NewTextHandler(&said, nil)))
		for range 3 * 60 { // over three minutes
			if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
				t.Fatalf("got %v, want %v", err, syscall.EMFILE)
			}
			time.Sleep(time.Second)
		}
		const words = "level=ERROR msg=\"connections cannot be accepted at present; they wait\" problem=\"too many open files\"\n"
		if n := strings.Count(said.String(), words); n != 3 || strings.Count(said.String(), "\n") != 3 {
			t.Errorf("in three minutes it is said %d times, want 3:\n%s", n, said.String())
		}
		said.Reset()
		l = newLimitListener(pipes, 1, limit, slog.New(slog.NewTextHandler(&said, nil)))
		_ = pipes.Close() // of a listener that never fails
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || said.Len() > 0 {
			t.Errorf("a listener that is closed gives %v and says %q", err, said.String())
		}
	})
}

// A sender is how the body of a request arrives.
type sender struct {
	name   string
	every  time.Duration // between two pieces of a byte each; 0: all comes at once
	pieces int           // how many come, of bodyPieces that were announced
	want   int           // status of the answer; 0: the connection is closed without one
}

const bodyPieces = 12

// However a body comes, it has one limit in all: a client that drips holds its
// connection no longer than one that is silent. What comes in time is answered,
// however long the answer takes.
func TestBodiesHaveALimit(t *testing.T) {
	for _, s := range []sender{
		{"at once", 0, bodyPieces, http.StatusOK},
		{"slowly, but in time", limit/bodyPieces - 1, bodyPieces, http.StatusOK},
		{"silent from the beginning", limit, 0, 0},
		{"silent in the middle", time.Second, bodyPieces / 2, 0},
		{"dripping", limit/bodyPieces + time.Second, bodyPieces, 0},
	} {
		t.Run(s.name, func(t *testing.T) { synctest.Test(t, s.run) })
	}
}

func (s sender) run(t *testing.T) {
	var sending sync.WaitGroup
	defer sending.Wait()
	pipes := annaltest.NewPipes()
	served := make(chan error, 1)
	server := &http.Server{Handler: boundBody(limit, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		served <- err
		if err == nil {
			time.Sleep(10 * limit)
			err = r.Context().Err() // the limit must not end the work either
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))}
	go func() { _ = server.Serve(pipes) }() // until it is closed
	defer server.Close()
	conn := pipes.Dial()
	defer conn.Close()
	began := time.Now()
	sending.Go(func() {
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", bodyPieces)
		for range s.pieces {
			time.Sleep(s.every)
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
		}
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	switch late := <-served; {
	case s.want != 0 && (err != nil || resp.StatusCode != s.want || late != nil):
		t.Errorf("got %v, %v, and the body was read with %v; want %d", resp, err, late, s.want)
	case s.want == 0 && (err == nil || !errors.Is(late, os.ErrDeadlineExceeded) || time.Since(began) != limit):
		t.Errorf("got %v, %v after %v, and the body was read with %v; want a closed connection after %v", resp, err, time.Since(began), late, limit)
	}
}

// A request without a body has no such limit.
func TestTheLimitOfBodiesSparesOtherRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := annaltest.NewPipes()
		server := &http.Server{Handler: boundBody(limit, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(10 * limit):
			case <-r.Context().Done():
				w.WriteHeader(http.StatusBadRequest)
			}
		}))}
		go func() { _ = server.Serve(pipes) }() // until it is closed
		defer server.Close()
		conn := pipes.Dial()
		defer conn.Close()
		go func() { _, _ = io.Copy(conn, strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\n\r\n")) }()
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("got %v, %v, want %d", resp, err, http.StatusOK)
		}
	})
}

// A reader who keeps reading gets all of a long answer, however long that takes.
func TestLongAnswersReachSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, theirs := limited(t)
		defer theirs.Close()
		const pieces = 8
		go func() {
			b := make([]byte, writePiece)
			for range pieces {
				time.Sleep(limit - 1)
				if _, err := io.ReadFull(theirs, b); err != nil {
					return
				}
			}
		}()
		if n, err := conn.Write(make([]byte, pieces*writePiece)); n != pieces*writePiece || err != nil {
			t.Errorf("%d bytes are written, %v; want %d", n, err, pieces*writePiece)
		}
	})
}

// A few connections may have large headers at a time; those with small ones do not
// notice, nor does who sends a large one when the others are gone.
func TestLargeHeadersAreFew(t *testing.T) {
	s := &Server{cfg: Config{MaxConnections: 2 * maxLargeHeaders, HeaderTimeout: time.Minute, BodyTimeout: time.Minute, StallTimeout: time.Minute}, log: slog.New(slog.DiscardHandler)}
	l, err := s.listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	}))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = l.server.Serve(l.listener) }()
	defer l.server.Close()
	begin := func() net.Conn {
		c, err := net.Dial("tcp", l.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	large := "X-Large: " + strings.Repeat("a", 2*smallHeader) + "\r\n"
	ask := func(c net.Conn, header, body string) error {
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != int64(len(body)) || err != nil {
			return fmt.Errorf("%d bytes, %w", n, err)
		}
		return nil
	}
	var crowd []net.Conn
	for range maxLargeHeaders {
		c := begin()
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+large)
		crowd = append(crowd, c)
	}
	places := l.listener.(*limitListener).large
	for len(places) < maxLargeHeaders {
		time.Sleep(time.Millisecond)
	}
	late := begin()
	defer late.Close()
	if err := ask(late, large, "x"); err == nil {
		t.Error("a large header beyond the limit is taken")
	}
	small := begin()
	defer small.Close()
	for range 2 { // on one connection; bodies do not count
		if err := ask(small, "", strings.Repeat("x", 4*smallHeader)); err != nil {
			t.Errorf("a small header: %v", err)
		}
	}
	for _, c := range crowd {
		_ = c.Close()
	}
	for len(places) > 0 {
		time.Sleep(time.Millisecond)
	}
	if err := ask(small, large, "x"); err != nil || len(places) > 0 {
		t.Errorf("a large header: %v, and %d places are taken", err, len(places))
	}
}
