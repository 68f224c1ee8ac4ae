// Package vfs is the little of the operating system that the store uses: one
// seam between annal and its disk. [OS] is the real disk. [Mem] is a disk in
// memory that can lose power at any operation and fail on demand.
//
// The one idea: durability is explicit. What is written to a file is durable
// after File.Sync; what happens to names (create, rename, remove) is durable
// after FS.SyncDir of the folder. Before that, a power cut may keep it, lose it
// or keep half of it, and Mem does all three.
//
// Names are slash paths on every system.
package vfs

import (
	"errors"
	"io"
	"unsafe"
)

// ErrLocked: another holder has the lock, in this process or in another.
var ErrLocked = errors.New("locked by another process")

// Align is the alignment, in bytes, of the offset, length and memory of direct
// reads and writes.
const Align = 4096

// An FS is a disk.
type FS interface {
	// Create makes a new file, or empties an existing one, for writing and reading.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenLog opens an existing file for writes at offsets that go past the page
	// cache where the disk allows it. Offsets, lengths and memory of reads and
	// writes must be multiples of Align.
	OpenLog(name string) (File, error)
	// Map maps a whole file for reading. The file must not shrink while mapped.
	Map(name string) (Mapping, error)
	// Rename moves a file and replaces what has the new name.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// List returns the names (without the folder) in a folder, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a folder and those above it, durably; existing ones are no error.
	MkdirAll(dir string) error
	// Size returns the size of a file in bytes.
	Size(name string) (int64, error)
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock holds a file (made when absent) until the closer is closed or the
	// process ends. A second holder gets ErrLocked.
	Lock(name string) (io.Closer, error)
}

// A File is an open file. Write appends after what this handle wrote before.
type File interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the bytes and the size durable. After an error nothing is known
	// about what was written since the last Sync, even if a later one succeeds.
	Sync() error
	// Allocate reserves the space of the first size bytes where the disk can, and
	// says at once when there is not enough. Size and bytes stay as they are.
	Allocate(size int64) error
	// Truncate cuts the file, or extends it with zeros.
	Truncate(size int64) error
}

// A Mapping is a file seen as memory.
type Mapping interface {
	// Bytes is the file, read only, until Close.
	Bytes() []byte
	// Look reports whether the file still stands under the name that it was mapped
	// by, and is not shorter than it was. Where it was cut within a page, the rest of
	// that page reads as zeros. The stamp is another one once the file was written to
	// or another took its name.
	Look() (whole bool, stamp Stamp)
	// Fetch begins to read Bytes()[from:to] from the disk, and does not wait.
	Fetch(from, to int)
	// Release gives back the resident pages that lie within Bytes()[from:to].
	// Bytes stays valid.
	Release(from, to int)
	// Close ends the mapping; Bytes must not be touched afterwards.
	Close() error
}

// A Stamp tells states of a file apart, as the system keeps book of them. What it does
// not know of, such as changes of the disk's own, does not show.
type Stamp struct {
	inode   uint64
	written int64 // ns; the system's clock of files may be some ms coarse
}

// Aligned returns n zero bytes whose address is a multiple of Align and whose
// capacity is n rounded up to one.
func Aligned(n int) []byte {
	size := (n + Align - 1) &^ (Align - 1)
	b := make([]byte, size+Align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (Align - 1)
	return b[skip : skip+n : skip+size]
}
