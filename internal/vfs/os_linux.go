package vfs

import "golang.org/x/sys/unix"

const directFlag = unix.O_DIRECT

func (f *osFile) syncData() error {
	return uninterrupted(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func (f *osFile) clearDirect() error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags&^unix.O_DIRECT)
	return err
}
