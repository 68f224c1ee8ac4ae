package vfs

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const directFlag = unix.O_DIRECT

func (f *osFile) syncData() error {
	return f.control(func(fd int) error {
		return uninterrupted(func() error { return unix.Fdatasync(fd) })
	})
}

// Allocate reserves space; file systems that cannot are excused.
func (f *osFile) Allocate(size int64) error {
	err := f.control(func(fd int) error {
		return uninterrupted(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	})
	if err == nil || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return fmt.Errorf("allocate %d bytes for %s: %w", size, f.Name(), err)
}

// clearDirect turns an open file to buffered writes.
func (f *osFile) clearDirect() error {
	return f.control(func(fd int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags&^unix.O_DIRECT)
		return err
	})
}

// control runs a call on the descriptor, which stays open meanwhile.
func (f *osFile) control(call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if conn.Control(func(fd uintptr) { failed = call(int(fd)) }) != nil {
		return fs.ErrClosed // the only reason
	}
	return failed
}
