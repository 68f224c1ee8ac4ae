package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// A memFile is an open handle. Its fields but off never change; off and the
// inode are guarded by disk.mu.
type memFile struct {
	disk     *Mem
	node     *inode
	name     string
	writable bool
	direct   bool // offsets and lengths must be aligned
	closed   bool
	off      int64 // where Write continues
}

var errAlignment = errors.New("direct write is not aligned")

func (f *memFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	off := f.off
	f.disk.mu.Unlock()
	n, err := f.WriteAt(p, off)
	f.disk.mu.Lock()
	f.off += int64(n)
	f.disk.mu.Unlock()
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	fault := f.disk.begin(OpWrite, f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.check(OpWrite, true); err != nil {
		return 0, err
	}
	if f.direct && (off%Align != 0 || len(p)%Align != 0) {
		return 0, &fs.PathError{Op: string(OpWrite), Path: f.name, Err: errAlignment}
	}
	if fault != nil {
		p = p[:f.disk.rng.IntN(len(p)+1)]
	}
	f.node.write(p, off)
	return len(p), fault
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.disk.begin(OpRead, f.name); err != nil {
		return 0, err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.check(OpRead, false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: string(OpRead), Path: f.name, Err: fs.ErrInvalid}
	}
	if len(p) == 0 {
		return 0, nil
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Sync() error {
	fault := f.disk.begin(OpSync, f.name)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.check(OpSync, false); err != nil {
		return err
	}
	if fault != nil {
		f.node.settle(f.disk.rng)
		return fault
	}
	f.node.sync()
	return nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.disk.begin(OpTruncate, f.name); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.check(OpTruncate, true); err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: string(OpTruncate), Path: f.name, Err: fs.ErrInvalid}
	}
	f.node.truncate(size)
	return nil
}

func (f *memFile) Allocate(int64) error {
	if err := f.disk.begin(OpAllocate, f.name); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.check(OpAllocate, true)
}

func (f *memFile) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	return nil
}

// check refuses what a handle may not do. The caller holds disk.mu.
func (f *memFile) check(op Op, write bool) error {
	if f.closed {
		return &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrClosed}
	}
	if write && !f.writable {
		return &fs.PathError{Op: string(op), Path: f.name, Err: fs.ErrPermission}
	}
	return nil
}

type memMapping struct{ b []byte }

func (m *memMapping) Bytes() []byte { return m.b }

func (m *memMapping) Look() (bool, Stamp) { return true, Stamp{} }

func (m *memMapping) Fetch(int, int) {}

func (m *memMapping) Release(int, int) {}

func (m *memMapping) Close() error {
	m.b = nil
	return nil
}
