//go:build integration

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/client"
	"annal/internal/annaltest"
)

// The faults that a server meets in the world: each test makes one happen to a
// process of its own, holds it to what it acknowledged, and to saying what
// happened.

// need returns the path of a program that scripts/deps fetches.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v: run scripts/deps, and put the folder that \"scripts/deps --bin\" prints into PATH", err)
	}
	return path
}

// refuses starts a server that must end by itself with code 1, and say all of
// the words.
func (l launch) refuses(t *testing.T, words ...string) {
	t.Helper()
	p := l.start(t)
	if code := p.end(t); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	for _, w := range words {
		if !strings.Contains(p.output.String(), w) {
			t.Errorf("it does not say %q but\n%s", w, p.output)
		}
	}
}

// fetch asks with the admin token, and returns status, code of the error if it
// is one, and the whole answer.
func (p *process) fetch(t *testing.T, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, p.output)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, string(b) // the answer was cut off
	}
	return resp.StatusCode, string(b)
}

// metric returns a figure of /metrics as it is written there.
func (p *process) metric(t *testing.T, name string) string {
	t.Helper()
	_, body := p.fetch(t, "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// awaitMetric waits until a figure has a value.
func (p *process) awaitMetric(t *testing.T, name, want string) {
	t.Helper()
	got := ""
	if !annaltest.Comes(func() bool { got = p.metric(t, name); return got == want }) {
		t.Errorf("%s is %s, want %s", name, got, want)
	}
}

// awaitSaid waits until the server's log holds one of some words.
func (p *process) awaitSaid(t *testing.T, words ...string) {
	t.Helper()
	said := func(w string) bool { return strings.Contains(p.output.String(), w) }
	if !annaltest.Comes(func() bool { return slices.ContainsFunc(words, said) }) {
		t.Errorf("the server's log names none of %q\n%s", words, p.output)
	}
}

// batch makes n events with ids of their own; the same name, the same events.
func batch(name string, n int) []annal.Event {
	events := make([]annal.Event, n)
	for i := range events {
		events[i] = annal.Event{
			EventID: fmt.Sprintf("%s-%d", name, i), Time: batchTime, Tenant: fmt.Sprintf("t%d", i%3),
			Actor: annal.Actor{ID: "user:" + name}, Action: "write", Extra: `{"filler":"` + strings.Repeat("x", i%90) + `"}`,
		}
	}
	return events
}

// batchTime is when the events of batches happened.
var batchTime = time.Date(2026, 4, 23, 18, 0, 0, 0, time.UTC)

// note enters in the ledger what was acknowledged.
func (l *ledger) note(events []annal.Event, res client.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		receipt := res.Events[i]
		receipt.Duplicate = false
		l.acked[events[i].EventID] = receipt
	}
}

// refusal returns err as an answer of the server, which must ask to come back.
func refusal(t *testing.T, err error) *client.Error {
	t.Helper()
	var r *client.Error
	if !errors.As(err, &r) || r.Status != http.StatusServiceUnavailable || r.RetryAfter <= 0 {
		t.Errorf("got %v, want 503 with Retry-After", err)
		return nil
	}
	return r
}

// fill starts a small server on an empty folder, stores n batches of 50 events,
// and ends it as kill -9 does.
func fill(t *testing.T, dir string, n int) *ledger {
	t.Helper()
	l := newLedger()
	p := launch{dir: dir, size: small}.serve(t)
	c := p.client(t, -1)
	for i := range n {
		events := batch(fmt.Sprintf("fill-%d", i), 50)
		res, err := c.Append(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		l.note(events, res)
	}
	p.awaitMetric(t, "annal_segments", fmt.Sprint(max(0, n*50-1)/smallSegment))
	p.kill()
	return l
}

// copyDir copies a folder and what is in it.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "admin-token"), 0o600); err != nil {
		t.Fatal(err)
	}
}
