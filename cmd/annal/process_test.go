package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/client"
	"annal/internal/annaltest"
)

// A process is "annal serve" in a process of its own.
type process struct {
	cmd    *exec.Cmd
	url    string // once it is ready
	token  string
	output *lockedBuilder
	ended  chan struct{} // closed when it has ended
}

func serve(t *testing.T, dir string) *process {
	t.Helper()
	return launch{dir: dir}.serve(t)
}

// A launch is how to start a process; its zero values are what is usual.
type launch struct {
	dir     string
	size    string   // of its files; "": full
	address string   // "": one that the system picks
	flags   []string // further ones of serve
	under   []string // a command that runs annal as itself
}

// start starts the process and does not wait for it.
func (l launch) start(t *testing.T) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if l.address == "" {
		l.address = "127.0.0.1:0"
	}
	if l.size == "" {
		l.size = full
	}
	p := &process{output: &lockedBuilder{}, ended: make(chan struct{})}
	args := slices.Concat(l.under, []string{self, "serve", "--data", l.dir, "--listen", l.address}, l.flags)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(), asAnnal+"="+l.size)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }() // how it ended is in its state
	t.Cleanup(p.kill)
	return p
}

// serve starts the process and waits until it is ready.
func (l launch) serve(t *testing.T) *process {
	t.Helper()
	p := l.start(t)
	if !p.ready(t) {
		t.Fatalf("the server does not start\n%s", p.output)
	}
	p.identify(t, l.dir)
	return p
}

// listening finds the address in what a server says.
var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// ready waits until the server answers, and reports false if it ends instead.
func (p *process) ready(t *testing.T) bool {
	t.Helper()
	var said []string
	if !annaltest.Comes(func() bool {
		said = listening.FindStringSubmatch(p.output.String())
		return said != nil || p.hasEnded()
	}) {
		t.Fatalf("the server neither listens nor ends\n%s", p.output)
	}
	if said == nil {
		return false
	}
	p.url = said[1]
	var err error
	if !annaltest.Comes(func() bool { err = askReady(p.url); return err == nil || p.hasEnded() }) {
		t.Fatalf("the server neither answers nor ends: %v\n%s", err, p.output)
	}
	return err == nil
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// identify takes the admin token of the data folder.
func (p *process) identify(t *testing.T, dir string) {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(dir, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	p.token = strings.TrimSpace(string(token))
}

// kill ends the process as kill -9 does, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop ends it as a service manager does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != exitDone {
		t.Errorf("the server ended with %v, want %d\n%s", p.cmd.ProcessState, exitDone, p.output)
	}
}

// end waits until the process ends by itself, and returns its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	if !annaltest.Comes(p.hasEnded) {
		t.Fatalf("the server does not end\n%s", p.output)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) client(t *testing.T, retries int) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Server: p.url, Token: p.token, Retries: retries})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A ledger is what writers were told is kept.
type ledger struct {
	mu    sync.Mutex
	acked map[string]annal.Receipt // by event_id
}

func newLedger() *ledger { return &ledger{acked: map[string]annal.Receipt{}} }

// size is how many events were acknowledged.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// write appends batches until the server is gone. A batch without an answer is
// sent again in the next round, by resend.
func (l *ledger) write(t *testing.T, c *client.Client, name string, unanswered *[]annal.Event) {
	for i := 0; ; i++ {
		batch := *unanswered
		if batch == nil {
			batch = make([]annal.Event, 1+i%7)
			for j := range batch {
				batch[j] = annal.Event{
					EventID: fmt.Sprintf("%s-%d-%d", name, i, j), Time: time.Now().UTC(), Tenant: fmt.Sprintf("t%d", j%3),
					Actor: annal.Actor{ID: "user:" + name}, Action: "write", Extra: `{"filler":"` + strings.Repeat("x", i%400) + `"}`,
				}
			}
		}
		*unanswered = batch
		res, err := c.Append(context.Background(), batch)
		if err != nil {
			if _, gone := err.(*client.UnreachableError); !gone {
				t.Errorf("append: %v", err)
			}
			return
		}
		*unanswered = nil
		l.mu.Lock()
		for j := range batch {
			receipt := res.Events[j]
			receipt.Duplicate = false
			l.acked[batch[j].EventID] = receipt
		}
		l.mu.Unlock()
	}
}

// verify compares the log with the ledger: every acknowledged event is there
// exactly once, at the place that was acknowledged.
func (l *ledger) verify(t *testing.T, c *client.Client) {
	t.Helper()
	seen := map[string]annal.Receipt{}
	for native, err := range c.Query(t.Context(), client.Query{Oldest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := client.ParseEvent(native)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := seen[e.EventID]; twice {
			t.Errorf("%s is there twice", e.EventID)
		}
		seen[e.EventID] = annal.Receipt{ID: e.ID, Seq: e.Seq, Position: e.Position}
	}
	missing := 0
	for id, want := range l.acked {
		got, ok := seen[id]
		if !ok {
			missing++
		} else if got != want {
			t.Errorf("%s: is at %+v, acknowledged at %+v", id, got, want)
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged events are missing", missing, len(l.acked))
	}
}

// check runs "annal check" and returns how it exits and what it says.
func check(dir string) (code int, said string) {
	var out strings.Builder
	code = run(context.Background(), &env{out: &out, err: &out}, []string{"check", "--data", dir})
	return code, out.String()
}

// number is the number in an environment variable, or usual.
func number(t *testing.T, variable string, usual int) int {
	t.Helper()
	text, set := os.LookupEnv(variable)
	if !set {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number from 1 on", variable, text)
	}
	return n
}

// tail -f shows what is stored after it began, and what was newest before it,
// each once, and goes on when the server comes back.
func TestTailFollows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := serve(t, dir)
	c := p.client(t, -1)
	store := func(id string, at time.Time) {
		t.Helper()
		if _, err := c.Append(t.Context(), []annal.Event{{EventID: id, Time: at, Actor: annal.Actor{ID: "a"}, Action: "read"}}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().UTC()
	store("old", now.Add(-time.Hour))
	store("newest", now)
	var out, errs lockedBuilder
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		ended <- run(ctx, &env{out: &out, err: &errs}, []string{"tail", "-f", "-n", "1", "--json", "--server", p.url, "--token", p.token})
	}()
	out.await(t, `"event_id":"newest"`)
	store("late", now.Add(-2*time.Hour)) // its own time is older, but it comes now
	out.await(t, `"event_id":"late"`)
	p.kill()
	launch{dir: dir, address: strings.TrimPrefix(p.url, "http://")}.serve(t)
	store("afterwards", now)
	out.await(t, `"event_id":"afterwards"`)
	cancel()
	if code := <-ended; code != exitDone {
		t.Errorf("tail ended with %d: %s", code, errs.String())
	}
	if got := out.String(); strings.Count(got, "\n") != 3 || strings.Contains(got, `"old"`) {
		t.Errorf("tail showed\n%s", got)
	}
}

// A lockedBuilder is output that is read while it is written.
type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuilder) await(t *testing.T, text string) {
	t.Helper()
	if !annaltest.Comes(func() bool { return strings.Contains(l.String(), text) }) {
		t.Fatalf("%s does not come; so far:\n%s", text, l.String())
	}
}
