//go:build unix

package vfs

import (
	"slices"
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
