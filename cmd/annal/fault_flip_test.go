//go:build integration

package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// flips is how many bytes are flipped, unless ANNAL_FLIPS says otherwise; and
// ANNAL_FLIP_SEED chooses others.
const flips = 36

// inhabited makes a folder with every kind of file that a server writes: events
// sealed and not, a person, a policy, a destination, logins, noted reads. The
// server has rested before it is killed.
func inhabited(t *testing.T, dir string) *ledger {
	t.Helper()
	l := fill(t, dir, 13)
	p := launch{dir: dir, size: small}.serve(t)
	for _, r := range []struct{ path, body string }{
		{"/v1/tenants", `{"id":"acme","name":"Acme"}`},
		{"/v1/t/acme/users", `{"userName":"ada","password":"Correct-Horse-9-Battery"}`},
		{"/v1/t/acme/config/siem", `{"siemType":"splunk","name":"main","host":"splunk.example","port":8088,"protocol":"https","endpoint":"/services/collector/event",` +
			`"loggingFormat":"json","authMethod":"token","auth":"hec-token-5f3c0a","sendToEngine":false,"pool":"","allowSelfSigned":true}`},
	} {
		p.post(t, r.path, r.body)
	}
	l.interrogate(t, p)
	rested := ""
	for range 100 {
		now := p.metric(t, "annal_wal_written_bytes_total") + p.metric(t, "annal_access_notes_total")
		if now == rested {
			break
		}
		rested = now
		time.Sleep(1500 * time.Millisecond)
	}
	p.kill()
	return l
}

// files lists a folder's files, below it.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err = filepath.Rel(dir, name)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Whichever byte of whichever file is flipped: check names the file and a range
// that holds the byte, or the byte means nothing. A server starts and serves
// every event that is not reported as lost, once, and says what it found; or,
// where it cannot go on without the file, it ends and names it.
func TestFlippedBytesAreFoundAnywhere(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := inhabited(t, prepared)
	token, err := os.ReadFile(filepath.Join(prepared, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, prepared)
	found := 0
	rnd := rand.New(rand.NewPCG(uint64(number(t, "ANNAL_FLIP_SEED", 1)), 7))
	n := number(t, "ANNAL_FLIPS", flips)
	for i := range n {
		file := all[i%len(all)]
		whole, err := os.ReadFile(filepath.Join(prepared, file))
		if err != nil {
			t.Fatal(err)
		}
		at := rnd.IntN(len(whole))
		if len(whole) > 64<<10 && rnd.IntN(4) > 0 { // most of it is zeros
			at = rnd.IntN(len(strings.TrimRight(string(whole), "\x00")))
		}
		t.Run(fmt.Sprintf("%s byte %d", file, at), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			copyDir(t, prepared, dir)
			whole[at] ^= 1 << rnd.IntN(8)
			overwrite(t, filepath.Join(dir, file), whole)
			if l.judgeFlip(t, dir, file, at, strings.TrimSpace(string(token))) {
				found++
			}
		})
	}
	if found < n/3 {
		t.Errorf("only %d of %d flips hit bytes that mean something", found, n)
	}
}

// Whatever befalls a file beside the log while the server is down: check names
// it. A server makes again what costs little, and says so; without any other it
// ends, and says what to do.
func TestSpoiledStateIsFound(t *testing.T) {
	prepared, another := filepath.Join(t.TempDir(), "prepared"), filepath.Join(t.TempDir(), "another")
	l := inhabited(t, prepared)
	inhabited(t, another)
	for _, file := range []string{"state.db", "signing-key", "forward.db", "forward-key", "cursor-key", "access/LOG"} {
		for _, s := range append(spoilings(), spoiling{"another folder's", func(t *testing.T, name string) {
			b, err := os.ReadFile(filepath.Join(another, file))
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, name, b)
		}}) {
			if !strings.HasPrefix(s.name, "flipped") { // a byte may mean nothing: see above
				t.Run(file+" "+s.name, func(t *testing.T) {
					dir := filepath.Join(t.TempDir(), "data")
					copyDir(t, prepared, dir)
					s.do(t, filepath.Join(dir, file))
					l.judgeState(t, dir, file, file == "cursor-key" || file == "signing-key" && s.name == "removed")
				})
			}
		}
	}
}

func (l *ledger) judgeState(t *testing.T, dir, file string, remade bool) {
	t.Helper()
	if code, said := check(dir); code != exitFailed || !strings.Contains(said, file) && !strings.Contains(said, filepath.Dir(file)) {
		t.Errorf("check exits with %d and says\n%s", code, said)
	}
	if !remade {
		launch{dir: dir, size: small}.refuses(t, "annal: ", filepath.Dir(filepath.Join(dir, file)))
		return
	}
	p := launch{dir: dir, size: small}.serve(t)
	if !strings.Contains(p.output.String(), file) {
		t.Errorf("the server does not name the file\n%s", p.output)
	}
	if a := l.interrogate(t, p); a.failed > 0 || len(a.missing) > 0 {
		t.Errorf("%d questions fail and %d events are missing", a.failed, len(a.missing))
	}
	p.stop(t)
	if code, said := check(dir); code != exitDone {
		t.Errorf("after the start, check says\n%s", said)
	}
}

// vital says whether a server does not start without a file as it was.
func vital(file string) bool {
	return slices.Contains([]string{"LOG", "access/LOG", "state.db", "signing-key", "forward.db", "forward-key"}, file)
}

// ranges finds the bytes that a line of check's names.
var ranges = regexp.MustCompile(`bytes (\d+) to (\d+)`)

// pointsAt says whether a line of check's names the file and a range that holds
// the byte.
func pointsAt(said, file string, at int) bool {
	for line := range strings.Lines(said) {
		for _, m := range ranges.FindAllStringSubmatch(line, -1) {
			var from, to int
			if _, err := fmt.Sscan(m[1]+" "+m[2], &from, &to); err == nil && strings.Contains(line, path.Base(file)) && from <= at && at < to {
				return true
			}
		}
	}
	return false
}

// judgeFlip reports whether the byte means something.
func (l *ledger) judgeFlip(t *testing.T, dir, file string, at int, token string) bool {
	t.Helper()
	code, said := check(dir)
	if code != exitDone && (code != exitFailed || !pointsAt(said, file, at)) {
		t.Fatalf("check exits with %d and says\n%s", code, said)
	}
	if code == exitFailed && vital(file) {
		launch{dir: dir, size: small}.refuses(t, "annal: ", file, "backup")
		return true
	}
	p := launch{dir: dir, size: small}.serve(t)
	p.token = token
	a := l.interrogate(t, p)
	if code == exitDone && (a.failed > 0 || len(a.missing) > 0) {
		t.Errorf("check finds nothing, but %d questions fail and %d events are missing\n%s", a.failed, len(a.missing), p.output)
	}
	for position := range a.missing {
		if !reported(p.output.String(), position) {
			t.Fatalf("position %d is missing and not reported\n%s", position, p.output)
		}
	}
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".idx"), ".col")
	unread := strings.Contains(file, "segments/") && a.failed == 0 && len(a.missing) == 0
	if code == exitFailed && !unread && !strings.Contains(p.output.String(), name) {
		t.Errorf("the server does not name the file\n%s", p.output)
	}
	p.stop(t)
	return code == exitFailed
}
