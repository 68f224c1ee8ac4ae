package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annal/internal/auth"
	"annal/internal/book"
	"annal/internal/forward"
)

// What becomes of a key's file while the server runs is said once, and the alarm is
// on for those that a start does not make again for nothing, until it is put back.
func TestSpoiledKeysAreToldWhileServing(t *testing.T) {
	dir, logID := t.TempDir(), [16]byte{1}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	files := map[string]bool{auth.SigningKeyFile: true, forward.KeyFile: true, CursorKeyFile: false} // whether the alarm is on
	for name := range files {
		if err := book.WriteKey(filepath.Join(dir, name), "text", logID); err != nil {
			t.Fatal(err)
		}
	}
	var keys keyring
	for name, alarm := range files {
		file := filepath.Join(dir, name)
		for what, spoil := range map[string]func() error{
			"emptied":       func() error { return os.Truncate(file, 0) },
			"removed":       func() error { return os.Remove(file) },
			"another log's": func() error { return book.WriteKey(file, "text", [16]byte{9}) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				keys.look(dir, logID, log)
			}
			if n := strings.Count(said.String(), file); n < 1 || strings.Count(said.String(), "level=ERROR") != 1 || keys.hurt() != alarm {
				t.Errorf("%s %s: the alarm is %v, want %v; it says\n%s", name, what, keys.hurt(), alarm, said.String())
			}
			said.Reset()
			if err := book.WriteKey(file, "text", logID); err != nil {
				t.Fatal(err)
			}
			if keys.look(dir, logID, log); keys.hurt() || said.Len() > 0 {
				t.Errorf("%s is back, and the alarm is %v; it says\n%s", name, keys.hurt(), said.String())
			}
		}
	}
}

// In place of a key that is not what was written another is made, which is said;
// of one that cannot be read now, and may be sound, that is not said.
func TestWhatIsSaidOfAKey(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(name string) error
		next  string
	}{
		{"damaged", func(name string) error { return os.WriteFile(name, []byte("abc"), 0o600) }, "another is made, and cursors that clients hold are refused"},
		{"another log's", func(name string) error { return book.WriteKey(name, "text", [16]byte{9}) }, "another is made, and cursors that clients hold are refused"},
		{"unreadable", func(name string) error { return os.Mkdir(name, 0o700) }, ""},
	} {
		dir := t.TempDir()
		if err := tt.spoil(filepath.Join(dir, CursorKeyFile)); err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		for _, p := range stateProblems(dir, [16]byte{1}) {
			if strings.Contains(p.err.Error(), CursorKeyFile) {
				got = p.next
			}
		}
		if got != tt.next {
			t.Errorf("%s: it is said that %q, want %q", tt.name, got, tt.next)
		}
	}
}
