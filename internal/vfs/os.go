//go:build unix

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	filePerm = 0o600
	dirPerm  = 0o700
)

// OS is the real disk.
type OS struct{}

// Create makes or empties a file, readable by its owner alone.
func (OS) Create(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

// Open opens an existing file for reading.
func (OS) Open(name string) (File, error) {
	return openFile(name, os.O_RDONLY)
}

// OpenLog opens an existing file for direct writes, or for buffered ones where
// the file system refuses them.
func (OS) OpenLog(name string) (File, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), os.O_RDWR|directFlag, 0)
	if err == nil {
		return &osFile{File: f, direct: directFlag != 0}, nil
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return nil, err
	}
	return openFile(name, os.O_RDWR)
}

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), flag, filePerm)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

// Map maps a whole file; an empty one maps to no bytes.
func (OS) Map(name string) (Mapping, error) {
	f, err := os.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return &osMapping{}, nil
	}
	if int64(int(info.Size())) != info.Size() {
		return nil, fmt.Errorf("map %s: %d bytes are more than the address space holds", name, info.Size())
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	return &osMapping{name: filepath.FromSlash(name), b: b}, nil
}

// Rename moves a file.
func (OS) Rename(from, to string) error {
	return os.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

// Remove removes a file or an empty folder.
func (OS) Remove(name string) error { return os.Remove(filepath.FromSlash(name)) }

// List returns the names in a folder.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// MkdirAll makes folders, open to their owner alone, durably.
func (o OS) MkdirAll(dir string) error {
	holders := holders(dir)
	if err := os.MkdirAll(filepath.FromSlash(dir), dirPerm); err != nil {
		return noFolder(filepath.FromSlash(dir), err)
	}
	for _, holder := range holders {
		if err := o.SyncDir(holder); err != nil {
			return fmt.Errorf("make %s durable: %w", dir, err)
		}
	}
	return nil
}

// noFolder says why a folder cannot be made. That something of its name exists
// is no reason by itself: it is a link to nothing, or cannot be looked at.
func noFolder(name string, err error) error {
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, hidden := os.Stat(name); errors.Is(hidden, fs.ErrNotExist) {
		return fmt.Errorf("%s is a symbolic link to a folder that does not exist", name)
	} else if hidden != nil {
		return hidden
	}
	return err
}

// holders lists the folders that get a new name when dir is made, the lowest first.
func holders(dir string) (list []string) {
	for {
		if _, err := os.Stat(filepath.FromSlash(dir)); !errors.Is(err, fs.ErrNotExist) {
			return list
		}
		dir = path.Dir(dir)
		list = append(list, dir)
	}
}

// Size returns the size of a file.
func (OS) Size(name string) (int64, error) {
	info, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// SyncDir syncs a folder.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock takes flock(2) on a file, and on its folder, in case somebody takes the file
// for a stale one and removes it. The file stays when the lock is released. It
// tells people which process has the lock; what is not writable can be locked
// too, and tells nobody.
func (OS) Lock(name string) (io.Closer, error) {
	name = filepath.FromSlash(name)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
		if readable, again := os.Open(name); again == nil {
			f, err = readable, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err = flock(f); errors.Is(err, unix.EWOULDBLOCK) {
		err = lockedBy(f)
	}
	var folder *os.File
	if err == nil {
		folder, err = lockFolder(filepath.Dir(name))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	noteHolder(f)
	return &osLock{f, folder}, nil
}

func flock(f *os.File) error {
	return uninterrupted(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
}

// lockFolder takes flock(2) on a folder. File systems that cannot are excused.
func lockFolder(name string) (*os.File, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if errors.Is(flock(d), unix.EWOULDBLOCK) {
		d.Close()
		return nil, ErrLocked
	}
	return d, nil
}

// An osLock is a locked file and its folder.
type osLock struct{ file, folder *os.File }

func (l *osLock) Close() error { return errors.Join(l.file.Close(), l.folder.Close()) }

// noteHolder writes this process's number into a lock file. It does not matter
// when that fails: the lock is what counts.
func noteHolder(f *os.File) {
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
}

// lockedBy returns ErrLocked with the holder's number, as far as it is noted.
func lockedBy(f *os.File) error {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Errorf("%w, number %d", ErrLocked, pid)
	}
	return ErrLocked
}

// An osFile is an *os.File that syncs as cheaply as is safe.
type osFile struct {
	*os.File
	direct bool // writes go past the page cache
}

// Sync makes bytes and size durable; times may lag behind.
func (f *osFile) Sync() error {
	if err := f.syncData(); err != nil {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}

// WriteAt writes at an offset. Some file systems accept O_DIRECT when opening
// and refuse the first write: the handle then turns to buffered writes.
func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	if err == nil || !f.direct || !errors.Is(err, unix.EINVAL) || n > 0 {
		return n, err
	}
	if f.clearDirect() != nil {
		return n, err
	}
	f.direct = false
	return f.File.WriteAt(p, off)
}

type osMapping struct {
	name string
	b    []byte
}

func (m *osMapping) Bytes() []byte { return m.b }

func (m *osMapping) Look() (whole bool, stamp Stamp) {
	var st unix.Stat_t
	if uninterrupted(func() error { return unix.Stat(m.name, &st) }) != nil {
		return false, Stamp{}
	}
	return st.Size >= int64(len(m.b)), Stamp{st.Ino, st.Mtim.Nano()}
}

// Fetch is advice, too.
func (m *osMapping) Fetch(from, to int) {
	from = from / os.Getpagesize() * os.Getpagesize()
	_ = unix.Madvise(m.b[from:to], unix.MADV_WILLNEED)
}

// Release is advice: when the kernel refuses it, nothing is lost but memory. Pages
// that reach beyond the range stay.
func (m *osMapping) Release(from, to int) {
	page := os.Getpagesize()
	from = (from + page - 1) / page * page
	if to < len(m.b) {
		to = to / page * page
	}
	if from < to {
		_ = unix.Madvise(m.b[from:to], unix.MADV_DONTNEED)
	}
}

func (m *osMapping) Close() error {
	b := m.b
	m.b = nil
	if len(b) == 0 {
		return nil
	}
	return unix.Munmap(b)
}

// uninterrupted repeats a system call that a signal interrupts.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
