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
	"annal/internal/annaltest"
	"annal/internal/server"
)

// running is a server under test.
type running struct {
	url, token string
	stop       func() error // ends it as a signal would, and waits
	transport  *http.Transport
}

// config has a server wait as long as tests do, for whatever none makes late.
func config(dir string) server.Config {
	const patience = annaltest.Patience
	return server.Config{
		Data: dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", MaxConnections: 100, GCPercent: 100,
		HeaderTimeout: patience, BodyTimeout: patience, StallTimeout: patience,
		IdleTimeout: patience, QueryTimeout: patience, ShutdownTimeout: patience,
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
	return &running{url: "http://" + s.Address(), token: strings.TrimSpace(string(token)), stop: stop, transport: &http.Transport{}}
}

func (r *running) client(t *testing.T, retries int) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: r.url, Token: r.token, Retries: retries, HTTP: &http.Client{Transport: r.transport}})
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
	const writers = 8
	busy := make(chan struct{}, writers)
	for w := range writers {
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
				if i == 20 {
					busy <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-busy
	}
	if err := s.stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	wg.Wait()
	seen := counts(t, start(t, config(dir), nil).client(t, 0))
	for _, id := range acked {
		if seen[id] != 1 {
			t.Errorf("acknowledged event %s is there %d times, want once", id, seen[id])
		}
	}
}

// A tail, which would go on for ever, ends when the server is told to stop: what
// was still running after the shutdown timeout would be an error.
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
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the tail ended without an error although the server is gone")
	}
}

func TestSecondServerOnAFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := start(t, config(dir), nil)
	if s, err := server.Open(config(dir), server.Deps{}); err == nil {
		_ = s.Close()
		t.Error("two servers opened one folder")
	} else if !strings.Contains(err.Error(), filepath.Join(dir, "LOCK")) {
		t.Errorf("got %v, want an error that names the lock", err)
	}
	if _, err := first.client(t, -1).Append(t.Context(), []annal.Event{event("undisturbed")}); err != nil {
		t.Errorf("the first server: %v", err)
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

// A client that drips is cut off although it goes on sending, and nothing of what
// it sent is stored. Who waited for its connection gets one.
func TestSlowWritersAreCutOff(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.BodyTimeout, cfg.MaxConnections = 200*time.Millisecond, 1
	s := start(t, cfg, nil)
	conn := s.dial(t)
	var dripping sync.WaitGroup
	defer dripping.Wait()
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000000\r\n\r\n", s.token)
	io.WriteString(conn, `{"actor":{"id":"user:slow"},"action":"read"}`+"\n")
	dripping.Go(func() {
		for err := error(nil); err == nil; time.Sleep(cfg.BodyTimeout / 20) {
			_, err = io.WriteString(conn, " ")
		}
	})
	if err := conn.SetReadDeadline(time.Now().Add(annaltest.Patience)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		t.Errorf("got %s, want a closed connection", resp.Status)
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Error("the server still waits")
	}
	if seen := counts(t, s.client(t, 0)); len(seen) != 0 {
		t.Errorf("the log holds %v, want nothing", seen)
	}
}

// Connections beyond the limit are served when there is room, and not before,
// however much the others ask meanwhile.
func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.MaxConnections = 1
	s := start(t, cfg, nil)
	first := s.dial(t)
	answers := bufio.NewReader(first)
	ask := func() {
		t.Helper()
		fmt.Fprint(first, "GET /v1/health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(answers, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask()
	second := s.dial(t)
	defer second.Close()
	fmt.Fprint(second, "GET /v1/health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
	answered := make(chan error, 1)
	go func() {
		_, err := http.ReadResponse(bufio.NewReader(second), nil)
		answered <- err
	}()
	for range 300 {
		ask()
	}
	select {
	case err := <-answered:
		t.Errorf("beside the first, a second connection gets an answer, %v", err)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the second connection got %v once there was room", err)
	}
}

// dial opens a connection of a test's own making.
func (r *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
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
