//go:build integration && linux

package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A step is a question of a wizard and the keys that answer it.
type step struct{ question, keys string }

// wizard answers the client's questions through pipes. The client takes them
// for a terminal: it asks where the cursor is, and reads keys, so that the
// answers to the one must not come in between the others.
func (d dsvClient) wizard(steps []step, args ...string) {
	d.t.Helper()
	cmd := d.command(args...)
	keys, in, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd.Stdin = keys
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	_ = keys.Close()
	limit := time.AfterFunc(wizardLimit, func() { _ = cmd.Process.Kill() })
	shown, left := converse(in, out, steps)
	err = cmd.Wait()
	if !limit.Stop() || err != nil || len(left) > 0 {
		d.t.Fatalf("dsv %v: %v, %d questions not asked\n%q\n%s", args, err, len(left), shown, &complaints)
	}
}

// wizardLimit bounds a wizard that waits for what does not come.
const wizardLimit = time.Minute

// whereIsTheCursor is what a program asks its terminal.
const whereIsTheCursor = "\x1b[6n"

// converse reads what the client shows, tells it where the cursor is, and
// answers its questions. It returns all that was shown, and the questions that
// were not.
func converse(in *os.File, out io.Reader, steps []step) (shown string, left []step) {
	defer in.Close()
	var all, fresh strings.Builder
	b := make([]byte, 4096)
	for {
		n, err := out.Read(b)
		if err != nil {
			return all.String(), steps
		}
		all.Write(b[:n])
		fresh.Write(b[:n])
		for range strings.Count(string(b[:n]), whereIsTheCursor) {
			press(in, "\x1b[24;80R")
		}
		if len(steps) > 0 && strings.Contains(fresh.String(), steps[0].question) && asked(fresh.String(), steps[0].question) {
			press(in, steps[0].keys)
			steps = steps[1:]
			fresh.Reset()
		}
	}
}

// press writes keys and waits until the client has taken them: what it reads
// together with the place of the cursor, it forgets.
func press(in *os.File, keys string) {
	if _, err := in.WriteString(keys); err != nil {
		return // the client has gone, which shows in how it ended
	}
	for range 5000 {
		if n, err := unix.IoctlGetInt(int(in.Fd()), unix.TIOCINQ); err != nil || n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// asked reports whether the question is followed by all that the client asks of
// its terminal: a line of input is preceded by two questions for the cursor, a
// list or a yes or no is not.
func asked(shown, question string) bool {
	_, after, _ := strings.Cut(shown, question)
	if !strings.HasSuffix(question, ":") {
		return true
	}
	return strings.Count(after, whereIsTheCursor) >= 2
}

// post sends a JSON body as the first admin.
func (p *process) post(t *testing.T, path, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("POST %s: %s %s %v", path, resp.Status, answer, err)
	}
}
