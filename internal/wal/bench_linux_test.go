package wal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"annal/internal/vfs"
	"annal/internal/wal"

	"golang.org/x/sys/unix"
)

// buffered is a disk whose log files go through the page cache, as where direct
// writes are refused.
type buffered struct{ vfs.OS }

func (buffered) OpenLog(name string) (vfs.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	return bufferedFile{f}, err
}

type bufferedFile struct{ *os.File }

func (bufferedFile) Allocate(int64) error { return nil }

func (f bufferedFile) Sync() error { return unix.Fdatasync(int(f.Fd())) }

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{512, 800 << 10} {
		for _, disk := range []struct {
			name string
			fs   vfs.FS
		}{{"direct", vfs.OS{}}, {"buffered", buffered{}}} {
			b.Run(fmt.Sprintf("%s/%d", disk.name, size), func(b *testing.B) {
				l, _, _, err := collect(wal.Config{FS: disk.fs, Dir: filepath.ToSlash(b.TempDir())}, 0)
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				payload := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				next := uint64(0)
				for b.Loop() {
					if err := l.Append(wal.Record{Position: next, Count: 1}, payload); err != nil {
						b.Fatal(err)
					}
					if next++; next%500 == 0 {
						if err := l.Trim(next); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
