package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"annal"
	"annal/client"
	"annal/internal/annaltest"
	"annal/internal/server"
)

// A visitor is somebody who uses a server until ctx ends, and says when they are
// in the middle of it.
type visitor func(t *testing.T, ctx context.Context, s *running, amid func())

func visitors() map[string]visitor {
	return map[string]visitor{
		"follows":                follows,
		"appends":                appends,
		"asks":                   asks,
		"writes half a body":     halves("POST /v1/events HTTP/1.1\r\nContent-Length: 1000\r\n", "{"),
		"writes half a header":   halves("POST /v1/eve", ""),
		"reads half of a tail":   halves("GET /v1/events/tail?position=0 HTTP/1.1\r\n", ""),
		"reads half of a stream": halves("GET /v1/events HTTP/1.1\r\nAccept: application/x-ndjson\r\n", ""),
		"rests":                  halves("GET /v1/health/ready HTTP/1.1\r\n", ""),
	}
}

// Whatever clients were doing when they vanished, nothing that the server did for
// them goes on; and once it ends too, none of its goroutines, and none of the
// files in its folder, stays behind.
func TestNothingOfAServerStaysBehind(t *testing.T) {
	visit(t, config(t.TempDir()), func(s *running, idle int, vanish func()) {
		vanish()
		left := 0
		if !annaltest.Comes(func() bool {
			s.transport.CloseIdleConnections()
			left = runtime.NumGoroutine()
			return left <= idle
		}) {
			t.Errorf("%d goroutines go on without clients, of %d before they came", left, idle)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Nor does anything stay when the server is told to stop before its clients do:
// those who would go on for ever are cut off.
func TestNothingStaysBehindOfWhoeverIsCutOff(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.ShutdownTimeout = 300 * time.Millisecond
	visit(t, cfg, func(s *running, _ int, vanish func()) {
		if err := s.stop(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that requests were cut off", err)
		}
		vanish()
	})
}

// visit has clients of all kinds use a server until it, or they, end. Without
// them it has so many goroutines, about: it is idle.
func visit(t *testing.T, cfg server.Config, end func(s *running, idle int, vanish func())) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	s := startWith(t, cfg, server.Deps{SegmentRows: 500})
	if _, err := s.client(t, -1).Append(t.Context(), []annal.Event{event("first")}); err != nil {
		t.Fatal(err)
	}
	idle := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const of = 5 // each kind of visitor
	var visiting, amid sync.WaitGroup
	for _, come := range visitors() {
		for range of {
			amid.Add(1)
			visiting.Go(func() { come(t, ctx, s, sync.OnceFunc(amid.Done)) })
		}
	}
	amid.Wait()
	if open, err := annaltest.OpenIn(cfg.Data); err != nil || len(open) == 0 {
		t.Fatalf("a server that runs has %q open, %v; this proves nothing", open, err)
	}
	end(s, idle, func() { cancel(); visiting.Wait() })
	goleak.VerifyNone(t, before)
	if left, err := annaltest.OpenIn(cfg.Data); err != nil || len(left) > 0 {
		t.Errorf("files are still open or mapped: %q, %v", left, err)
	}
}

func follows(t *testing.T, ctx context.Context, s *running, amid func()) {
	after := uint64(0)
	err := s.client(t, -1).Tail(ctx, client.Tail{After: &after}, func(json.RawMessage) error { amid(); return nil })
	if err == nil {
		t.Error("a tail ends without an error")
	}
}

func appends(t *testing.T, ctx context.Context, s *running, amid func()) {
	c, name := s.client(t, -1), client.NewKey()
	for n := 0; ctx.Err() == nil; n++ {
		if _, err := c.Append(ctx, []annal.Event{event(fmt.Sprint(name, n))}); err != nil {
			gone(t, ctx, err)
			return
		}
		amid()
	}
}

func asks(t *testing.T, ctx context.Context, s *running, amid func()) {
	c := s.client(t, -1)
	for ctx.Err() == nil {
		for _, err := range c.Query(ctx, client.Query{Text: "nowhere"}) {
			if err != nil {
				gone(t, ctx, err)
				return
			}
		}
		amid()
	}
}

// gone holds that err is for the end of either side.
func gone(t *testing.T, ctx context.Context, err error) {
	t.Helper()
	var unreachable *client.UnreachableError
	if ctx.Err() == nil && !errors.As(err, &unreachable) {
		t.Errorf("got %v", err)
	}
}

// halves sends the beginning of a request and, if that is all that a server
// waits for, takes the beginning of an answer. Then it does nothing.
func halves(header, body string) visitor {
	return func(t *testing.T, ctx context.Context, s *running, amid func()) {
		conn := s.dial(t)
		defer conn.Close()
		request := header
		if strings.HasSuffix(header, "\r\n") {
			request += "Host: x\r\nAuthorization: Bearer " + s.token + "\r\n\r\n" + body
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(header, "GET") {
			if line, err := bufio.NewReaderSize(conn, 16).ReadString(' '); err != nil || line != "HTTP/1.1 " {
				t.Errorf("the answer to %q begins with %q, %v", header, line, err)
			}
		}
		amid()
		<-ctx.Done()
	}
}
