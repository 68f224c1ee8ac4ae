//go:build integration

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"annal/internal/annaltest"
)

// A failure is a system call on a file of the data folder that is made to fail.
type failure struct {
	call   string
	file   string // within the data folder
	errno  string // a key of errnos
	always bool   // from then on, not once in each thread
}

func (f failure) String() string {
	often := "once"
	if f.always {
		often = "always"
	}
	return fmt.Sprintf("%s %s %s %s", f.call, f.file, f.errno, often)
}

// calls are the system calls that are made to fail.
const calls = "fsync,fdatasync,write,pwrite64,rename,renameat,renameat2,openat,unlink,unlinkat,fallocate,ftruncate,mmap,pread64,flock,getdents64"

// under is the command that runs annal with the failure. The file named in the
// call or open behind its descriptor chooses the calls.
func (f failure) under(strace, dir, trace string) []string {
	when := "1"
	if f.always {
		when = "1+"
	}
	return []string{
		strace, "-D", "-f", "-qq", "--seccomp-bpf", "-o", trace, "-P", filepath.Join(dir, f.file),
		"-e", "trace=" + f.call, "-e", fmt.Sprintf("inject=%s:error=%s:when=%s", f.call, f.errno, when),
	}
}

// errnos says how the server's log spells a failure.
var errnos = map[string]string{
	"EIO": "input/output error", "ENOSPC": "no space left on device", "EDQUOT": "disk quota exceeded", "EMFILE": "too many open files",
}

// words is how the server's log spells the failure.
func (f failure) words() string { return errnos[f.errno] }

// A scene is work that starts from a prepared folder.
type scene struct {
	name    string
	prepare func(t *testing.T, dir string) *ledger
	batches int
}

// Each system call that keeps events, on each file, fails in turn, once and for
// as long as the server runs. Either the server does not start, and says why; or
// it serves: each batch is acknowledged or refused with 503, the alarm and the
// log say so, and reads go on. Whatever was acknowledged is there once after the
// next start, and the folder is sound.
func TestEachFailingCallLosesNothing(t *testing.T) {
	strace := need(t, "strace")
	prepared := filepath.Join(t.TempDir(), "prepared")
	before := fill(t, prepared, 9)
	for _, s := range []scene{
		{"first start", func(*testing.T, string) *ledger { return newLedger() }, 3},
		{"restart", func(t *testing.T, dir string) *ledger {
			copyDir(t, prepared, dir)
			l := newLedger()
			for id, r := range before.acked {
				l.acked[id] = r
			}
			return l
		}, 10},
	} {
		t.Run(s.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data") // the same for all: names of files are absolute
			all := s.failures(t, strace, dir)
			take := sample(all, number(t, "ANNAL_FAILING_CALLS", 24))
			t.Logf("%d of %d failures", len(take), len(all))
			for _, f := range take {
				t.Run(f.String(), func(t *testing.T) { s.play(t, strace, dir, f) })
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// sample takes n failures, evenly.
func sample(all []failure, n int) []failure {
	if len(all) <= n {
		return all
	}
	take := make([]failure, n)
	for i := range take {
		take[i] = all[i*len(all)/n]
	}
	return take
}

// traced finds the call and the file in a line of strace's: the last path, which
// is the new name when a file is renamed.
var traced = regexp.MustCompile(`^\d+ +(\w+)\(.*[<"](/[^">]*)[">]`)

// failures plays the scene without a failure, and lists every call on every
// file with each errno, by turns once and always.
func (s scene) failures(t *testing.T, strace, dir string) (all []failure) {
	t.Helper()
	trace := filepath.Join(t.TempDir(), "trace")
	l := s.prepare(t, dir)
	p := launch{dir: dir, size: small, under: []string{strace, "-D", "-f", "-y", "-qq", "-s", "0", "--seccomp-bpf", "-o", trace, "-e", "trace=" + calls}}.serve(t)
	if refusals, _ := s.work(t, p, l, 0); refusals > 0 {
		t.Fatalf("writes are refused without a failure\n%s", p.output)
	}
	p.stop(t)
	lines, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[failure]bool{}
	for line := range strings.Lines(string(lines)) {
		m := traced.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		file, inside := strings.CutPrefix(m[2], dir+"/")
		f := failure{call: m[1], file: file}
		if !inside || seen[f] || file == "admin-token" && f.call == "openat" && s.name == "restart" {
			continue
		}
		seen[f] = true
		for i, errno := range slices.Sorted(maps.Keys(errnos)) {
			f.errno, f.always = errno, (len(seen)+i)%2 == 0
			all = append(all, f)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d calls were seen; this proves little:\n%s", len(all), lines)
	}
	return all
}

// work stores the scene's batches. A batch that is refused is tried again for
// as long as annaltest.Patience lasts. It returns how many refusals there were, and
// whether the last batch was refused for good.
func (s scene) work(t *testing.T, p *process, l *ledger, while time.Duration) (refusals int, refused bool) {
	t.Helper()
	c := p.client(t, -1)
	for i := range s.batches {
		events := batch(fmt.Sprintf("work-%d", i), 50)
		for until := time.Now().Add(while); ; time.Sleep(50 * time.Millisecond) {
			res, err := c.Append(t.Context(), events)
			if err == nil {
				l.note(events, res)
				break
			}
			if refusal(t, err) == nil {
				t.Fatalf("batch %d\n%s", i, p.output)
			}
			if refusals++; time.Now().After(until) {
				return refusals, true
			}
		}
	}
	return refusals, false
}

// play plays the scene with a failure.
func (s scene) play(t *testing.T, strace, dir string, f failure) {
	trace := filepath.Join(t.TempDir(), "trace")
	l := s.prepare(t, dir)
	p := launch{dir: dir, size: small, under: f.under(strace, dir, trace)}.start(t)
	if p.ready(t) {
		p.identify(t, dir)
		s.serve(t, p, l, f)
	} else {
		s.refused(t, p, f)
	}
	tracing, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(tracing), "(INJECTED)") {
		t.Logf("the call did not come: timing decides about some files") // nothing failed, and nothing was lost
	}
	p = launch{dir: dir, size: small}.serve(t)
	l.verify(t, p.client(t, -1))
	if refusals, _ := s.work(t, p, l, 0); refusals > 0 {
		t.Errorf("%d refusals after the failure was over\n%s", refusals, p.output)
	}
	l.verify(t, p.client(t, -1))
	p.stop(t)
	if code, said := check(dir); code != exitDone {
		t.Errorf("check exits with %d: %s", code, said)
	}
}

// refused judges a server that did not start.
func (s scene) refused(t *testing.T, p *process, f failure) {
	t.Helper()
	if code := p.cmd.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	said := p.output.String()
	if !strings.Contains(said, "annal: ") || !strings.Contains(said, f.words()) || !strings.Contains(said, filepath.Base(f.file)) {
		t.Errorf("it does not name the file and the error but says\n%s", said)
	}
}

// serve works with a server that started, and judges what it says.
func (s scene) serve(t *testing.T, p *process, l *ledger, f failure) {
	t.Helper()
	refusals, refused := s.work(t, p, l, map[bool]time.Duration{false: annaltest.Patience, true: 400 * time.Millisecond}[f.always])
	if refused && !f.always {
		t.Errorf("writes are refused after the failure is over\n%s", p.output)
	}
	want := map[bool]string{false: "0", true: "1"}[refused]
	if alarm := p.metric(t, "annal_write_alarm"); alarm != want {
		t.Errorf("annal_write_alarm is %s, want %s", alarm, want)
	}
	l.verify(t, p.client(t, -1))
	if said := p.output.String(); refusals > 0 && (!strings.Contains(said, "the log refuses writes") || !strings.Contains(said, f.words())) {
		t.Errorf("it does not say that the log refuses writes, and why, but\n%s", said)
	}
	p.kill()
}
