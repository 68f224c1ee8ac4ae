//go:build integration

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"annal/client"
	"annal/internal/annaltest"
)

// A trouble is something that keeps a disk from taking writes until it is over.
type trouble struct {
	name  string
	words string // how the server's log spells it
	// begin begins it for p, whose data is in dir, and returns what ends it.
	begin func(t *testing.T, p *process, dir string) (end func())
}

// While its disk takes no writes a server refuses them with 503, the alarm is
// on, its log says why, and reads go on. Once the trouble is over, writes resume
// by themselves. Nothing is lost or doubled.
func TestWritesResumeWhenTheTroubleIsOver(t *testing.T) {
	for _, trouble := range []trouble{
		{"full disk", "no space left on device", fillDisk},
		{"no space for the log", "no space left on device", inject("pwrite64,fallocate:error=ENOSPC")},
		{"failing writes", "input/output error", inject("pwrite64:error=EIO")},
		{"failing syncs", "input/output error", inject("fdatasync,fsync:error=EIO")},
	} {
		t.Run(trouble.name, trouble.run)
	}
}

func (x trouble) run(t *testing.T) {
	dir := filepath.Join(tmpfs(t, 16<<20), "data")
	p := launch{dir: dir, size: small}.serve(t)
	l, c := newLedger(), p.client(t, -1)
	store := func(i int) error {
		events := batch(fmt.Sprintf("b%d", i), 50)
		res, err := c.Append(t.Context(), events)
		if err == nil {
			l.note(events, res)
		}
		return err
	}
	for i := range 7 {
		if err := store(i); err != nil {
			t.Fatal(err)
		}
	}
	end := x.begin(t, p, dir)
	n := 7
	err := error(nil)
	for ; err == nil && n < 100; n++ { // what is prepared already may still be used
		err = store(n)
	}
	n-- // the one that was refused
	refusal(t, err)
	p.awaitMetric(t, "annal_write_alarm", "1")
	l.verify(t, p.client(t, -1))
	if status, _ := p.fetch(t, "/v1/health/ready"); status != 200 {
		t.Errorf("reads are served, but ready answers %d", status)
	}
	end()
	if !annaltest.Comes(func() bool { err = store(n); return err == nil }) {
		t.Fatalf("the trouble is over, but a write is answered with %v\n%s", err, p.output)
	}
	for i := range 7 {
		if err := store(n + 1 + i); err != nil {
			t.Errorf("a write after the trouble: %v", err)
		}
	}
	p.awaitMetric(t, "annal_write_alarm", "0")
	l.verify(t, p.client(t, -1))
	for _, words := range []string{"the log refuses writes", x.words, "the log takes writes again"} {
		if !strings.Contains(p.output.String(), words) {
			t.Errorf("it does not say %q but\n%s", words, p.output)
		}
	}
	p.stop(t)
	if code, said := check(dir); code != exitDone {
		t.Errorf("check exits with %d: %s", code, said)
	}
	p = launch{dir: dir, size: small}.serve(t)
	l.verify(t, p.client(t, -1))
	p.stop(t)
}

// tmpfs returns a folder on a disk of its own of a size. That takes root:
// without it the folder is an ordinary one, which fillDisk tells by.
func tmpfs(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		return dir
	}
	if err := syscall.Mount("annal-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk writes until the disk of dir is full.
func fillDisk(t *testing.T, p *process, dir string) (end func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("NOT TESTED: a disk that is really full, which takes root to mount; system calls are made to say so instead")
		return inject("pwrite64,write,fallocate:error=ENOSPC")(t, p, dir)
	}
	name := filepath.Join(filepath.Dir(dir), "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// inject makes every one of some system calls of a running server fail.
func inject(what string) func(*testing.T, *process, string) func() {
	return func(t *testing.T, p *process, _ string) func() {
		t.Helper()
		trace := filepath.Join(t.TempDir(), "trace")
		strace := exec.Command(need(t, "strace"), "-f", "-o", trace, "-p", fmt.Sprint(p.cmd.Process.Pid),
			"-e", "trace="+strings.Split(what, ":")[0], "-e", "inject="+what)
		said := &lockedBuilder{}
		strace.Stderr = said
		if err := strace.Start(); err != nil {
			t.Fatal(err)
		}
		said.await(t, "attached")
		return func() {
			t.Helper()
			if err := strace.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
			_ = strace.Wait() // it ends by the signal
		}
	}
}

// A folder that cannot be written to is refused with the reason, and left as it
// is; it can still be checked.
func TestReadOnlyFolderIsRefused(t *testing.T) {
	for _, state := range []string{"with a log", "empty"} {
		t.Run(state, func(t *testing.T) {
			root := tmpfs(t, 8<<20)
			dir := filepath.Join(root, "data")
			if state == "empty" {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			} else {
				fill(t, dir, 9)
			}
			words := readOnly(t, root, dir)
			launch{dir: dir, size: small}.refuses(t, "annal: ", dir, words)
			if state == "empty" {
				return
			}
			if code, said := check(dir); code != exitDone {
				t.Errorf("check exits with %d: %s", code, said)
			}
		})
	}
}

// readOnly makes the folder unwritable: its disk where that takes root to do,
// since modes do not stop root. It returns what the system calls it.
func readOnly(t *testing.T, root, dir string) (words string) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := syscall.Mount("", root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return "read-only file system"
	}
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = os.Chmod(name, 0o700) })
		return os.Chmod(name, 0o500)
	})
	if err != nil {
		t.Fatal(err)
	}
	return "permission denied"
}

// A second server on a folder in use says which process has it and what to do;
// the first one is not disturbed.
func TestSecondServerOnAFolderIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := serve(t, dir)
	l, events := newLedger(), batch("first", 10)
	launch{dir: dir}.refuses(t, filepath.Join(dir, "LOCK"), fmt.Sprintf("locked by another process, number %d", p.cmd.Process.Pid), "--data")
	res, err := p.client(t, -1).Append(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	l.note(events, res)
	if code, said := check(dir); code != exitFailed || !strings.Contains(said, "is in use") {
		t.Errorf("check of a folder in use exits with %d: %s", code, said)
	}
	l.verify(t, p.client(t, -1))
	p.kill()
	p = serve(t, dir) // the lock of a killed process is nobody's
	l.verify(t, p.client(t, -1))
}

// A server that stands still for a while, as a suspended machine does, goes on:
// those who wait get their answers, a tail its events, and nothing is doubled.
func TestStandstillLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch{dir: dir, size: small}.serve(t)
	l := newLedger()
	var sent, tailed atomic.Int64
	tail := p.client(t, -1)
	connected := make(chan struct{})
	go func() {
		_ = tail.Tail(t.Context(), client.Tail{Connected: func() error { close(connected); return nil }}, func(json.RawMessage) error { tailed.Add(1); return nil })
	}()
	<-connected
	done := make(chan struct{})
	errs := make(chan error, 4)
	for w := range cap(errs) {
		c := p.client(t, 100)
		go func() { errs <- l.keepWriting(t, c, fmt.Sprint("w", w), done, &sent) }()
	}
	goesOn := func() {
		t.Helper()
		before := sent.Load()
		if !annaltest.Comes(func() bool { return sent.Load() > before+1000 }) {
			t.Error("nobody gets an answer any more")
		}
	}
	stand := time.Duration(number(t, "ANNAL_STANDSTILL_SECONDS", 2)) * time.Second
	for range 2 {
		goesOn()
		p.signal(t, syscall.SIGSTOP)
		time.Sleep(stand)
		p.signal(t, syscall.SIGCONT)
	}
	goesOn()
	close(done)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	l.verify(t, p.client(t, -1))
	if !annaltest.Comes(func() bool { return tailed.Load() >= sent.Load() }) || tailed.Load() != sent.Load() {
		t.Errorf("the tail saw %d events of %d", tailed.Load(), sent.Load())
	}
	p.stop(t)
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// keepWriting appends until done is closed, and counts what was acknowledged.
func (l *ledger) keepWriting(t *testing.T, c *client.Client, name string, done <-chan struct{}, sent *atomic.Int64) error {
	for i := 0; ; i++ {
		select {
		case <-done:
			return nil
		default:
		}
		events := batch(fmt.Sprintf("%s-%d", name, i), 20)
		res, err := c.Append(t.Context(), events)
		if err != nil {
			return err
		}
		l.note(events, res)
		sent.Add(int64(len(events)))
	}
}
