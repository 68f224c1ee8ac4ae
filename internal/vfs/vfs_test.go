//go:build unix

package vfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"testing"
	"unsafe"

	"annal/internal/vfs"

	"pgregory.net/rapid"
)

// disks are the implementations that must behave alike; each gets an empty folder.
func disks(t interface{ TempDir() string }) map[string]struct {
	fs  vfs.FS
	dir string
} {
	type disk = struct {
		fs  vfs.FS
		dir string
	}
	mem := vfs.NewMem(1)
	if err := mem.MkdirAll("/d"); err != nil {
		panic(err)
	}
	return map[string]disk{
		"real":   {vfs.OS{}, filepath.ToSlash(t.TempDir())},
		"memory": {mem, "/d"},
	}
}

// outcome describes an error by what callers may branch on.
func outcome(err error) string {
	for _, kind := range []error{io.EOF, fs.ErrNotExist, fs.ErrClosed, vfs.ErrLocked} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	if err != nil {
		return "error"
	}
	return "ok"
}

// step is one operation on a disk; it returns all that a program can see of it.
type step func(d vfs.FS, dir string) string

func TestMemBehavesAsTheRealDisk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 40).Draw(rt, "steps")
		var seen [2][]string
		for i, name := range []string{"real", "memory"} {
			d := disks(t)[name]
			for _, s := range steps {
				seen[i] = append(seen[i], s(d.fs, d.dir))
			}
		}
		for i := range steps {
			if seen[1][i] != seen[0][i] {
				rt.Fatalf("step %d: memory %s, real %s\nall: %q", i, seen[1][i], seen[0][i], seen[0])
			}
		}
	})
}

func drawStep(t *rapid.T) step {
	file := rapid.SampledFrom([]string{"a", "b", "sub/c", "sub/d"})
	name, other := file.Draw(t, "name"), file.Draw(t, "other")
	off, size := rapid.Int64Range(0, 3000).Draw(t, "off"), rapid.IntRange(0, 3000).Draw(t, "size")
	data := bytes.Repeat([]byte{byte(off)}, size)
	switch rapid.IntRange(0, 9).Draw(t, "op") {
	case 0:
		return func(d vfs.FS, dir string) string { return "mkdir " + outcome(d.MkdirAll(path.Join(dir, "sub"))) }
	case 1, 2:
		return func(d vfs.FS, dir string) string { return write(d, path.Join(dir, name), data, off) }
	case 3:
		return func(d vfs.FS, dir string) string { return overwrite(d, path.Join(dir, name), byte(off), size%3) }
	case 4:
		return func(d vfs.FS, dir string) string {
			return "rename " + outcome(d.Rename(path.Join(dir, name), path.Join(dir, other)))
		}
	case 5:
		return func(d vfs.FS, dir string) string { return "remove " + outcome(d.Remove(path.Join(dir, name))) }
	case 6:
		return func(d vfs.FS, dir string) string { return "remove folder " + outcome(d.Remove(path.Join(dir, "sub"))) }
	case 7:
		return func(d vfs.FS, dir string) string { return list(d, dir) + list(d, path.Join(dir, "sub")) }
	case 8:
		return func(d vfs.FS, dir string) string { return read(d, path.Join(dir, name), off, size) }
	default:
		return func(d vfs.FS, dir string) string { return lock(d, path.Join(dir, name+".lock")) }
	}
}

func write(d vfs.FS, name string, data []byte, off int64) string {
	f, err := d.Create(name)
	if err != nil {
		return "create " + outcome(err)
	}
	n, err := f.Write(data)
	m, err2 := f.Write([]byte("tail"))
	k, err3 := f.WriteAt([]byte("mid"), off)
	cut := off%2 == 0
	err4 := f.Allocate(off + 5000)
	if cut {
		err4 = errors.Join(err4, f.Truncate(off))
	}
	got := fmt.Sprint("write ", n, m, k, outcome(errors.Join(err, err2, err3, err4, f.Sync(), f.Close())))
	return got + outcome(f.Sync())
}

func overwrite(d vfs.FS, name string, fill byte, blocks int) string {
	f, err := d.OpenLog(name)
	if err != nil {
		return "openlog " + outcome(err)
	}
	defer f.Close()
	buf := vfs.Aligned(vfs.Align * (blocks + 1))
	for i := range buf {
		buf[i] = fill
	}
	n, err := f.WriteAt(buf, vfs.Align*int64(blocks))
	return fmt.Sprint("overwrite ", n, outcome(err), outcome(f.Sync()))
}

func read(d vfs.FS, name string, off int64, size int) string {
	f, err := d.Open(name)
	if err != nil {
		return "open " + outcome(err)
	}
	defer f.Close()
	buf := make([]byte, size)
	n, err := f.ReadAt(buf, off)
	_, werr := f.WriteAt([]byte("x"), 0)
	m, merr := d.Map(name)
	if merr != nil {
		return "map " + outcome(merr)
	}
	defer m.Close()
	m.Release(0, len(m.Bytes()))
	total, serr := d.Size(name)
	return fmt.Sprintf("read %d %x %s %s map %x size %d %s", n, buf[:n], outcome(err), outcome(werr), m.Bytes(), total, outcome(serr))
}

func list(d vfs.FS, dir string) string {
	names, err := d.List(dir)
	return fmt.Sprint("list ", names, outcome(err), outcome(d.SyncDir(dir)))
}

func lock(d vfs.FS, name string) string {
	first, err := d.Lock(name)
	if err != nil {
		return "lock " + outcome(err)
	}
	_, again := d.Lock(name)
	closed := first.Close()
	second, third := d.Lock(name)
	if third == nil {
		second.Close()
	}
	_ = d.Remove(name) // Mem makes no lock file
	return fmt.Sprint("lock ", outcome(again), outcome(closed), outcome(third))
}

func TestAligned(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
		b := vfs.Aligned(n)
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); at%vfs.Align != 0 || len(b) != n || cap(b)%vfs.Align != 0 || cap(b) < n {
			t.Errorf("Aligned(%d): address %x, length %d, capacity %d", n, at, len(b), cap(b))
		}
	}
}
