package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"annal/internal/vfs"
)

const (
	prefix     = "wal-"
	freePrefix = "wal-free-"
)

// A logFile is a file of the log, as its header or else its name describes it.
type logFile struct {
	fileHeader
	name    string // with the folder
	size    int64
	damaged bool // the header cannot be read: epoch and first are the name's
	strayed bool // the name is not the one that the header asks for

	// What replay found, and appends go on with.
	end  uint64 // all positions that the file holds are below
	last int64  // offset of the last good record; 0: none
	tail int64  // where the good records end
	bad  int64  // where the first bad block after them stands; 0: none

	proved bool // the last good record is a mark
	ended  bool // another file was begun after it

	holed bool        // records between others are damaged
	gone  atomic.Bool // it was cut, removed or damaged while the log was open
}

func logName(first, epoch uint64) string {
	return fmt.Sprintf("%s%020d-%010d", prefix, first, epoch)
}

func freeName(id uint64) string { return fmt.Sprintf("%s%010d", freePrefix, id) }

// parseName reads first and epoch from a log file's name, or the id of a free one.
func parseName(name string) (first, epoch uint64, free, ok bool) {
	if id, found := strings.CutPrefix(name, freePrefix); found {
		n, err := strconv.ParseUint(id, 10, 64)
		return 0, n, true, err == nil
	}
	rest, found := strings.CutPrefix(name, prefix)
	a, b, dash := strings.Cut(rest, "-")
	first, err1 := strconv.ParseUint(a, 10, 64)
	epoch, err2 := strconv.ParseUint(b, 10, 64)
	return first, epoch, false, found && dash && err1 == nil && err2 == nil
}

// Begun reports whether a folder holds a file of a log: from the first record
// on there is always one.
func Begun(disk vfs.FS, dir string) (bool, error) {
	names, err := disk.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list log: %w", err)
	}
	for _, name := range names {
		if _, _, free, ok := parseName(name); ok && !free {
			return true, nil
		}
	}
	return false, nil
}

// A folder is what a log's folder holds.
type folder struct {
	files  []*logFile // in the order of their epochs
	copies []*logFile // of those, under other names: left alone
	free   []string   // files to be used again, with the folder
	epoch  uint64     // the highest that occurs
}

// scan reads the names and headers in a log's folder. Files that are not the
// log's are left alone.
func scan(cfg *Config) (*folder, error) {
	names, err := cfg.FS.List(cfg.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list log: %w", err)
	}
	d := &folder{}
	for _, name := range names {
		if _, _, _, ok := parseName(name); !ok {
			continue
		}
		if err := d.add(cfg, name); err != nil {
			return nil, fmt.Errorf("open log file %s: %w", path.Join(cfg.Dir, name), err)
		}
	}
	d.order()
	return d, nil
}

// order puts the files in the order of their epochs, each once: of copies the
// one that has the right name.
func (d *folder) order() {
	slices.SortStableFunc(d.files, func(a, b *logFile) int { return cmp.Compare(a.epoch, b.epoch) })
	var kept []*logFile
	for _, f := range d.files {
		n := len(kept)
		switch {
		case n == 0 || kept[n-1].epoch != f.epoch:
			kept = append(kept, f)
		case kept[n-1].strayed:
			d.copies = append(d.copies, kept[n-1])
			kept[n-1] = f
		default:
			d.copies = append(d.copies, f)
		}
	}
	d.files = kept
}

// add sorts one file into the folder.
func (d *folder) add(cfg *Config, base string) error {
	name := path.Join(cfg.Dir, base)
	first, epoch, free, _ := parseName(base)
	d.epoch = max(d.epoch, epoch)
	h, size, err := readHeader(cfg.FS, name)
	if err == nil {
		d.epoch = max(d.epoch, h.epoch)
	}
	switch {
	case errors.Is(err, errHeader) && !free:
		h.epoch, h.first, h.number = epoch, first, math.MaxUint64
		d.files = append(d.files, &logFile{fileHeader: h, name: name, size: size, damaged: true})
	case err != nil && !errors.Is(err, errHeader):
		return err
	case free:
		d.free = append(d.free, name)
	case h.logID != cfg.LogID:
		return fmt.Errorf("%w: its id is %x, not %x", ErrForeign, h.logID, cfg.LogID)
	case h.epoch == epoch && h.first == first:
		d.files = append(d.files, &logFile{fileHeader: h, name: name, size: size})
	default:
		used, err := begins(cfg.FS, name, &h, size)
		if err != nil {
			return err
		}
		if used {
			d.files = append(d.files, &logFile{fileHeader: h, name: name, size: size, strayed: true})
		} else {
			d.free = append(d.free, name) // a switch of files was interrupted
		}
	}
	return nil
}

// begins reports whether a file holds the record that its header promises.
func begins(disk vfs.FS, name string, h *fileHeader, size int64) (bool, error) {
	f, err := disk.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := &reader{codec: newCodec(h.logID), file: f, size: size &^ (blockSize - 1)}
	if r.size < 2*blockSize {
		return false, nil
	}
	_, _, n, err := r.record(blockSize, func(f *frame) bool { return f.epoch == h.epoch && f.number == h.number })
	return n > 0, err
}

func readHeader(disk vfs.FS, name string) (h fileHeader, size int64, err error) {
	size, err = disk.Size(name)
	if err != nil {
		return h, 0, err
	}
	f, err := disk.Open(name)
	if err != nil {
		return h, 0, err
	}
	defer f.Close()
	b := make([]byte, headerUsed)
	if n, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return h, 0, fmt.Errorf("read header: %w", err)
	} else if n < len(b) {
		return h, size, errHeader
	}
	c := newCodec(h.logID)
	h, err = decodeHeader(b, c.table)
	return h, size, err
}

// A bound is where a later file begins: what earlier ones hold from there on
// was never acknowledged.
type bound struct{ number, first uint64 }

func (b bound) excludes(f *frame) bool {
	return f.number >= b.number || f.count > 0 && f.position >= b.first
}

// bounds returns for every file where the later ones begin.
func (d *folder) bounds() []bound {
	all := make([]bound, len(d.files))
	next := bound{math.MaxUint64, math.MaxUint64}
	for i, f := range slices.Backward(d.files) {
		all[i] = next
		next = bound{min(next.number, f.number), min(next.first, f.first)}
	}
	return all
}

// A reader reads a file forwards through a window, which grows to the largest
// record.
type reader struct {
	codec codec
	file  vfs.File
	size  int64 // whole blocks only
	at    int64 // offset of window
	buf   []byte
}

const window = 1 << 20

// bytes returns n bytes at off, which must lie inside the file. They are valid
// until the next call.
func (r *reader) bytes(off int64, n int) ([]byte, error) {
	if i := off - r.at; i >= 0 && i+int64(n) <= int64(len(r.buf)) {
		return r.buf[i : i+int64(n)], nil
	}
	want := int(min(max(int64(n), window), r.size-off))
	if cap(r.buf) < want {
		r.buf = vfs.Aligned(want)
	}
	r.buf, r.at = r.buf[:want], off
	if got, err := r.file.ReadAt(r.buf, off); got < want {
		r.buf = r.buf[:0]
		return nil, err
	}
	return r.buf[:n], nil
}

// record reads the record at off, if accept takes its header and it is intact.
// size is what it takes in the file, 0 when there is none. Its payload is valid
// until the next call.
func (r *reader) record(off int64, accept func(*frame) bool) (f frame, payload []byte, size int64, err error) {
	b, err := r.bytes(off, blockSize)
	if err != nil {
		return f, nil, 0, err
	}
	f, ok := r.codec.decode(b)
	if !ok || off+f.size() > r.size || !accept(&f) {
		return f, nil, 0, nil
	}
	b, err = r.bytes(off, int(f.size()))
	if err != nil {
		return f, nil, 0, err
	}
	b = b[:recordHeader+int(f.length)]
	if !r.codec.intact(b, off) {
		return f, nil, 0, nil
	}
	return f, b[recordHeader:], f.size(), nil
}
