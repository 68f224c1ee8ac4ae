package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
)

// An Op names a disk operation, for Mem.Fail.
type Op string

// The operations that a Mem counts and can fail.
const (
	OpCreate   Op = "create"
	OpOpen     Op = "open"
	OpOpenLog  Op = "openlog"
	OpMap      Op = "map"
	OpRename   Op = "rename" // its name is the old one
	OpRemove   Op = "remove"
	OpList     Op = "list"
	OpMkdir    Op = "mkdir"
	OpSize     Op = "size"
	OpSyncDir  Op = "syncdir"
	OpLock     Op = "lock"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpSync     Op = "sync"
	OpTruncate Op = "truncate"
	OpAllocate Op = "allocate"
)

// A Mem is a disk in memory, safe for concurrent use. It remembers which bytes
// and names were synced, so that Crash can lose the others. Folders are durable
// as soon as they are made.
type Mem struct {
	mu      sync.Mutex
	rng     *rand.Rand
	ops     int
	fail    func(Op, string) error
	dirs    map[string]bool
	names   map[string]*inode // as programs see them
	durable map[string]*inode // as the last SyncDir left them
	pending []nameChange      // since then, oldest first
	locks   map[string]bool
}

// NewMem returns an empty disk. The seed decides what its crashes lose.
func NewMem(seed uint64) *Mem {
	return &Mem{
		rng:     rand.New(rand.NewPCG(seed, seed)),
		dirs:    map[string]bool{".": true, "/": true},
		names:   map[string]*inode{},
		durable: map[string]*inode{},
		locks:   map[string]bool{},
	}
}

// Ops returns how many operations the disk has begun.
func (m *Mem) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Fail has every later operation ask f first; nil ends that. An operation for
// which f returns an error fails with it and does nothing, except that a
// failing write may have written some of its bytes, and a failing sync decides
// at once, for good and at random, which bytes reached the disk.
func (m *Mem) Fail(f func(op Op, name string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = f
}

// begin counts an operation and asks whether it fails.
func (m *Mem) begin(op Op, name string) error {
	m.mu.Lock()
	m.ops++
	fail := m.fail
	m.mu.Unlock()
	if fail == nil {
		return nil
	}
	if err := fail(op, name); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// Create makes or empties a file.
func (m *Mem) Create(name string) (File, error) {
	name = path.Clean(name)
	if err := m.begin(OpCreate, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirs[name] {
		return nil, &fs.PathError{Op: string(OpCreate), Path: name, Err: fs.ErrInvalid}
	}
	if !m.dirs[path.Dir(name)] {
		return nil, notExist(OpCreate, name)
	}
	n := m.names[name]
	if n == nil {
		n = &inode{}
		m.names[name] = n
		m.pending = append(m.pending, nameChange{to: name, node: n})
	}
	n.truncate(0)
	return &memFile{disk: m, node: n, name: name, writable: true}, nil
}

// Open opens a file for reading.
func (m *Mem) Open(name string) (File, error) { return m.open(OpOpen, name) }

// OpenLog opens a file for writes at offsets, and enforces their alignment.
func (m *Mem) OpenLog(name string) (File, error) { return m.open(OpOpenLog, name) }

func (m *Mem) open(op Op, name string) (File, error) {
	n, err := m.find(op, name)
	if err != nil {
		return nil, err
	}
	return &memFile{disk: m, node: n, name: path.Clean(name), writable: op == OpOpenLog, direct: op == OpOpenLog}, nil
}

// find begins an operation on an existing file.
func (m *Mem) find(op Op, name string) (*inode, error) {
	name = path.Clean(name)
	if err := m.begin(op, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[name]; n != nil {
		return n, nil
	}
	return nil, notExist(op, name)
}

// Map returns the bytes of a file.
func (m *Mem) Map(name string) (Mapping, error) {
	n, err := m.find(OpMap, name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memMapping{slices.Clip(n.data)}, nil
}

// Rename moves a file.
func (m *Mem) Rename(from, to string) error {
	from, to = path.Clean(from), path.Clean(to)
	n, err := m.find(OpRename, from)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[path.Dir(to)] {
		return notExist(OpRename, to)
	}
	delete(m.names, from)
	m.names[to] = n
	m.pending = append(m.pending, nameChange{from: from, to: to, node: n})
	return nil
}

// Remove removes a file or an empty folder.
func (m *Mem) Remove(name string) error {
	name = path.Clean(name)
	if err := m.begin(OpRemove, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[name]; n != nil {
		delete(m.names, name)
		m.pending = append(m.pending, nameChange{from: name, node: n})
		return nil
	}
	if !m.dirs[name] {
		return notExist(OpRemove, name)
	}
	if len(m.children(name)) > 0 {
		return fmt.Errorf("remove %s: the folder is not empty", name)
	}
	delete(m.dirs, name)
	return nil
}

// List returns the names in a folder.
func (m *Mem) List(dir string) ([]string, error) {
	dir = path.Clean(dir)
	if err := m.begin(OpList, dir); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return nil, notExist(OpList, dir)
	}
	return m.children(dir), nil
}

func (m *Mem) children(dir string) []string {
	names := []string{}
	for name := range m.names {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	for name := range m.dirs {
		if name != dir && path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names
}

// MkdirAll makes folders.
func (m *Mem) MkdirAll(dir string) error {
	dir = path.Clean(dir)
	if err := m.begin(OpMkdir, dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; !m.dirs[dir]; dir = path.Dir(dir) {
		if m.names[dir] != nil {
			return &fs.PathError{Op: string(OpMkdir), Path: dir, Err: fs.ErrExist}
		}
		m.dirs[dir] = true
	}
	return nil
}

// Size returns the size of a file.
func (m *Mem) Size(name string) (int64, error) {
	n, err := m.find(OpSize, name)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(n.data)), nil
}

// SyncDir makes the names in a folder durable.
func (m *Mem) SyncDir(dir string) error {
	dir = path.Clean(dir)
	if err := m.begin(OpSyncDir, dir); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[dir] {
		return notExist(OpSyncDir, dir)
	}
	m.pending = slices.DeleteFunc(m.pending, func(c nameChange) bool {
		if !c.touches(dir) {
			return false
		}
		c.apply(m.durable)
		return true
	})
	return nil
}

// Lock holds a name, and makes no file.
func (m *Mem) Lock(name string) (io.Closer, error) {
	name = path.Clean(name)
	if err := m.begin(OpLock, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirs[path.Dir(name)] {
		return nil, notExist(OpLock, name)
	}
	if m.locks[name] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	m.locks[name] = true
	return &memLock{disk: m, name: name}, nil
}

type memLock struct {
	disk *Mem
	name string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.disk.mu.Lock()
		defer l.disk.mu.Unlock()
		delete(l.disk.locks, l.name)
	})
	return nil
}

func notExist(op Op, name string) error {
	return &fs.PathError{Op: string(op), Path: name, Err: fs.ErrNotExist}
}

// String lists the files and their sizes, for failing tests.
func (m *Mem) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	names := make([]string, 0, len(m.names))
	for name := range m.names {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s %d\n", name, len(m.names[name].data))
	}
	return b.String()
}
