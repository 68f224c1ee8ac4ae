//go:build integration

package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"annal/internal/annaltest"
)

// However a benchmark ends, the server that it started ends too.
func TestABenchmarkLeavesNoServer(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *os.Process){
		"terminated": signaled(syscall.SIGTERM), "interrupted": signaled(syscall.SIGINT), "hung up": signaled(syscall.SIGHUP),
		"killed": signaled(syscall.SIGKILL), "told that nobody reads": signaled(syscall.SIGPIPE), "unread": func(*testing.T, *os.Process) {},
	} {
		t.Run(name, func(t *testing.T) { endBenchmark(t, end, name == "unread") })
	}
}

func signaled(s syscall.Signal) func(*testing.T, *os.Process) {
	return func(t *testing.T, p *os.Process) {
		t.Helper()
		if err := p.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// endBenchmark ends a benchmark once its server is busy, or, unread, closes what
// it writes to.
func endBenchmark(t *testing.T, end func(*testing.T, *os.Process), unread bool) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	events := "2000000" // enough to be busy
	if unread {
		events = "20000" // it soon has more to say
	}
	cmd := exec.Command(self, "bench", "--events", events, "--data", dir)
	cmd.Env = append(os.Environ(), asAnnal+"="+full)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // it has ended, if all went well
	said := bufio.NewScanner(out)
	for said.Scan() && !strings.Contains(said.Text(), "ingest") {
	}
	data := filepath.Join(dir, "data")
	if !annaltest.Comes(func() bool { // the server has events
		files, err := filepath.Glob(filepath.Join(data, "wal", "wal-0*"))
		return err == nil && len(files) > 0
	}) {
		t.Fatal("its server stores nothing")
	}
	if code, said := check(data); code != exitFailed || !strings.Contains(said, "in use") {
		t.Fatalf("before, check exits with %d: %s", code, said)
	}
	if unread {
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	end(t, cmd.Process)
	var exit *exec.ExitError
	if err := cmd.Wait(); err == nil || !errors.As(err, &exit) {
		t.Errorf("it ended with %v, want a failure", err)
	}
	if !annaltest.Comes(func() bool { _, said := check(data); return !strings.Contains(said, "in use") }) {
		t.Error("its server still runs")
	}
}
