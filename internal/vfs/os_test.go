//go:build unix

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// Each folder that gets a new name is synced, or a power cut could take the data
// folder with all that was acknowledged in it.
func TestFoldersAreMadeDurably(t *testing.T) {
	top := t.TempDir()
	want := []string{top + "/a/b", top + "/a", top}
	if got := holders(top + "/a/b/c"); !slices.Equal(got, want) {
		t.Errorf("%q are to be synced, want %q", got, want)
	}
	for range 2 {
		if err := (OS{}).MkdirAll(top + "/a/b/c"); err != nil {
			t.Fatal(err)
		}
		if got := holders(top + "/a/b/c"); got != nil {
			t.Errorf("it is there, and %q are to be synced", got)
		}
	}
}

// What stands where a folder is to be is named for what it is, not as a file that
// exists.
func TestWhatIsNoFolderIsNamed(t *testing.T) {
	top := t.TempDir()
	for _, tt := range []struct {
		name  string
		place func(name string) error
		words string
	}{
		{"file", func(name string) error { return os.WriteFile(name, nil, 0o600) }, "not a directory"},
		{"dangling", func(name string) error { return os.Symlink(top+"/nothing", name) }, "dangling is a symbolic link to a folder that does not exist"},
		{"endless", func(name string) error { return os.Symlink(name, name) }, "too many levels of symbolic links"},
	} {
		if err := tt.place(top + "/" + tt.name); err != nil {
			t.Fatal(err)
		}
		if err := (OS{}).MkdirAll(top + "/" + tt.name); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.words)
		}
	}
	if _, err := os.Stat(top + "/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the link leads to was made: %v", err)
	}
}

// Who removes a lock's file, taking it for a stale one, lets nobody in.
func TestALockOutlivesItsFile(t *testing.T) {
	name := t.TempDir() + "/LOCK"
	first, err := (OS{}).Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if second, err := (OS{}).Lock(name); !errors.Is(err, ErrLocked) {
			t.Fatalf("a second lock: %v, %v, want %v", second, err, ErrLocked)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := (OS{}).Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
}
