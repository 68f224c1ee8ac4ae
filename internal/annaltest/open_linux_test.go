package annaltest

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// What is open, mapped though closed, or removed though open, is seen; what is
// neither, and what lies elsewhere, is not.
func TestOpenInSeesWhatIsOpenOrMapped(t *testing.T) {
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() }) // it may be closed
		if _, err := f.Write(make([]byte, os.Getpagesize())); err != nil {
			t.Fatal(err)
		}
		return f
	}
	want := func(names ...string) {
		t.Helper()
		for i := range names {
			names[i] = filepath.Join(dir, "in", names[i])
		}
		if got, err := OpenIn(filepath.Join(dir, "in")); err != nil || !slices.Equal(got, names) {
			t.Errorf("got %q, %v, want %q", got, err, names)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	create("beside")
	create("in-another")
	want()
	open, mapped := create("in/a"), create("in/b")
	create("in/closed").Close()
	m, err := syscall.Mmap(int(mapped.Fd()), 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	want("a", "b")
	mapped.Close()
	want("a", "b")
	if err := syscall.Munmap(m); err != nil {
		t.Fatal(err)
	}
	want("a")
	if err := os.Remove(open.Name()); err != nil {
		t.Fatal(err)
	}
	want("a (deleted)")
	open.Close()
	want()
}
