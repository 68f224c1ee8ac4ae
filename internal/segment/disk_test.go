package segment

import (
	"testing"

	"annal/internal/vfs"
)

// contents reads a file of the test disk.
func contents(t testing.TB, disk vfs.FS, name string) string {
	t.Helper()
	size, err := disk.Size("d/" + name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := disk.Open("d/" + name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if size > 0 {
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// put writes a file of the test disk.
func put(t testing.TB, disk vfs.FS, name, b string) {
	t.Helper()
	f, err := disk.Create("d/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(b)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
