//go:build integration

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annal/internal/annaltest"
)

// Who has more connections than the process may open files keeps others waiting, and
// the server's log says why. Nothing is lost of what was acknowledged before, and
// writes go on by themselves once there is room.
func TestFilesThatRunOutAreTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l := fill(t, dir, 9)
	p := launch{dir: dir, size: small, under: []string{"sh", "-c", `ulimit -n 64 && exec "$@"`, "sh"}}.serve(t)
	crowd := make([]net.Conn, 100)
	for i := range crowd {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd[i] = c
	}
	p.awaitSaid(t, `level=ERROR msg="connections cannot be accepted at present; they wait"`)
	p.awaitSaid(t, "too many open files")
	for _, c := range crowd {
		_ = c.Close() // its other end may have closed it
	}
	c := p.client(t, -1)
	for _, name := range []string{"a", "b", "c", "d", "e"} { // enough that a segment is sealed
		events := batch(name, 50)
		if !annaltest.Comes(func() bool {
			res, err := c.Append(t.Context(), events)
			if err == nil {
				l.note(events, res)
			}
			return err == nil
		}) {
			t.Fatalf("there is room, but writes are refused\n%s", p.output)
		}
	}
	p.awaitMetric(t, "annal_write_alarm", "0")
	l.verify(t, p.client(t, -1))
	if n := strings.Count(p.output.String(), "cannot be accepted") + strings.Count(p.output.String(), "cannot be read anew"); n > 20 {
		t.Errorf("the log is filled with %d lines that say so\n%s", n, p.output)
	}
	p.stop(t)
	if code, said := check(dir); code != exitDone {
		t.Errorf("check exits with %d: %s", code, said)
	}
}

// A data path that leads to no folder is refused with what is there; nothing is made
// in its place, nor where a link leads to.
func TestADataPathThatIsNoFolderIsRefused(t *testing.T) {
	top := t.TempDir()
	file, link, nothing := filepath.Join(top, "file"), filepath.Join(top, "link"), filepath.Join(top, "nothing")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(nothing, link); err != nil {
		t.Fatal(err)
	}
	launch{dir: file}.refuses(t, "annal: make the data folder: ", file, "not a directory")
	launch{dir: link}.refuses(t, "annal: make the data folder: ", link, "is a symbolic link to a folder that does not exist")
	for name, words := range map[string]string{file: "not a directory", link: "no such file or directory"} {
		if code, said := check(name); code != exitFailed || !strings.Contains(said, name) || !strings.Contains(said, words) {
			t.Errorf("check exits with %d: %s", code, said)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "text" {
		t.Errorf("the file is then %q, %v", b, err)
	}
	if _, err := os.Stat(nothing); err == nil {
		t.Error("what the link leads to was made")
	}
}
