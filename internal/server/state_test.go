package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annal/internal/book"
)

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
