package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"annal"
	"annal/client"
	"annal/internal/server"
)

// running is a server under test.
type running struct {
	url, token string
	stop       func() error // ends it as a signal would, and waits
}

func config(dir string) server.Config {
	return server.Config{
		Data: dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", MaxConnections: 100, GCPercent: 100,
		HeaderTimeout: 5 * time.Second, BodyTimeout: 5 * time.Second, StallTimeout: 5 * time.Second,
		IdleTimeout: 5 * time.Second, QueryTimeout: 5 * time.Second, ShutdownTimeout: 5 * time.Second,
	}
}

func start(t *testing.T, cfg server.Config, log *slog.Logger) *running {
	t.Helper()
	return startWith(t, cfg, server.Deps{Logger: log, Version: "test"})
}

func startWith(t *testing.T, cfg server.Config, deps server.Deps) *running {
	t.Helper()
	s, err := server.Open(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	var once sync.Once
	stop := func() (err error) {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	t.Cleanup(func() { _ = stop() })
	token, err := os.ReadFile(filepath.Join(cfg.Data, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return &running{url: "http://" + s.Address(), token: strings.TrimSpace(string(token)), stop: stop}
}

func (r *running) client(t *testing.T, retries int) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: r.url, Token: r.token, Retries: retries})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func event(id string) annal.Event {
	return annal.Event{EventID: id, Time: time.Now().UTC(), Actor: annal.Actor{ID: "user:ada"}, Action: "read"}
}

// counts returns how often each event_id is in the log.
func counts(t *testing.T, c *client.Client) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for native, err := range c.Query(t.Context(), client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := client.ParseEvent(native)
		if err != nil {
			t.Fatal(err)
		}
		seen[e.EventID]++
	}
	return seen
}

// A server that is told to stop while clients write finishes what it has begun:
// whatever was acknowledged is there after the next start, once.
func TestShutdownUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := start(t, config(dir), nil)
	var (
		mu    sync.Mutex
		acked []string
		wg    sync.WaitGroup
	)
	for w := range 8 {
		c := s.client(t, -1)
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("w%d-%d", w, i)
				_, err := c.Append(context.Background(), []annal.Event{event(id)})
				var gone *client.UnreachableError
				if errors.As(err, &gone) {
					return
				}
				if err != nil {
					t.Errorf("got %v, want an acknowledgement or a closed connection", err)
					return
				}
				mu.Lock()
				acked = append(acked, id)
				mu.Unlock()
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	if err := s.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	wg.Wait()
	if len(acked) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	seen := counts(t, start(t, config(dir), nil).client(t, 0))
	for _, id := range acked {
		if seen[id] != 1 {
			t.Errorf("acknowledged event %s is there %d times, want once", id, seen[id])
		}
	}
}

func TestTailsDoNotHoldUpAShutdown(t *testing.T) {
	s := start(t, config(t.TempDir()), nil)
	connected := make(chan struct{})
	ended := make(chan error, 1)
	c := s.client(t, -1)
	go func() {
		ended <- c.Tail(context.Background(), client.Tail{Connected: func() error { close(connected); return nil }},
			func(json.RawMessage) error { return nil })
	}()
	<-connected
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if err := <-ended; err == nil {
		t.Error("the tail ended without an error although the server is gone")
	}
}

func TestSecondServerOnAFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, config(dir), nil)
	if s, err := server.Open(config(dir), server.Deps{}); err == nil {
		_ = s.Close()
		t.Error("two servers opened one folder")
	}
}

func TestListeningFailsClearly(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := config(t.TempDir())
	cfg.Listen = l.Addr().String()
	if _, err := server.Open(cfg, server.Deps{}); err == nil || !strings.Contains(err.Error(), cfg.Listen) {
		t.Errorf("got %v, want an error that names %s", err, cfg.Listen)
	}
	cfg.Listen = "127.0.0.1:0"
	start(t, cfg, nil) // what was opened before is closed again
}

// A client that sends half of what it announced is not waited for.
func TestSlowBodiesAreCutOff(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.BodyTimeout = 200 * time.Millisecond
	s := start(t, cfg, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{", s.token)
	if err := conn.SetReadDeadline(time.Now().Add(4 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && resp.StatusCode < 400 {
		t.Errorf("got %s, want a refusal or a closed connection", resp.Status)
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the server still waits")
	}
}

// Bodies that come in time do not limit how long the answer takes.
func TestBodyTimeoutSparesTheAnswer(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.BodyTimeout = 200 * time.Millisecond
	s := start(t, cfg, nil)
	c := s.client(t, -1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got := 0
	err := c.Tail(ctx, client.Tail{Connected: func() error {
		go func() {
			time.Sleep(600 * time.Millisecond)
			_, _ = c.Append(context.Background(), []annal.Event{event("late")})
		}()
		return nil
	}}, func(json.RawMessage) error { got++; return io.EOF })
	if err != io.EOF || got != 1 {
		t.Errorf("got %d events, %v; want one on the first connection", got, err)
	}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.MaxConnections = 1
	s := start(t, cfg, nil)
	first, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until it is accepted
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get(s.url + "/v1/health/ready")
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	select {
	case <-answered:
		t.Error("a second connection was served")
	case <-time.After(300 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the second connection got %v once there was room", err)
	}
}

func get(t *testing.T, url, authorization string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestProfilesAreNotPublic(t *testing.T) {
	s := start(t, config(t.TempDir()), nil)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if status, _ := get(t, s.url+path, ""); status != 404 {
			t.Errorf("%s answers %d on the API's address, want 404", path, status)
		}
	}
}

func TestMetricsToken(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.MetricsToken = "sesame"
	s := start(t, cfg, nil)
	for _, tt := range []struct {
		authorization string
		want          int
	}{{"", 401}, {"Bearer open", 401}, {"sesame", 401}, {"Bearer sesame", 200}} {
		if got, _ := get(t, s.url+"/metrics", tt.authorization); got != tt.want {
			t.Errorf("%q: got %d, want %d", tt.authorization, got, tt.want)
		}
	}
}

// Whatever happens, annal's own log holds no token and nothing of an event.
func TestTheLogKeepsSecrets(t *testing.T) {
	var out lockedBuffer
	s := start(t, config(t.TempDir()), slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	const marker = "marker-of-a-body"
	c := s.client(t, -1)
	e := event("id")
	e.Message = marker
	if _, err := c.Append(t.Context(), []annal.Event{e}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"action":"` + marker + `"}`, `{"` + marker, `[1,"` + marker + `"]`} {
		if _, err := c.AppendNDJSON(t.Context(), []byte(body), marker); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
	get(t, s.url+"/v1/events?text="+marker, "Bearer "+s.token)
	get(t, s.url+"/v1/events", "Bearer annal_"+marker)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{marker, s.token, strings.TrimPrefix(s.token, "annal_")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "shutting down") {
		t.Errorf("the log is not written to:\n%s", out.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
