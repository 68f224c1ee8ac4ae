package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	iofs "io/fs"
	"iter"

	"annal/internal/vfs"
)

// Look asks the system about the files. It names one that is gone or shorter than it
// was when it was opened, "" when there is none, and says whether one was written to
// since the last look. What was verified of such a file is verified again when it is
// read: of a file that was cut, a page may end in zeros. One caller at a time.
func (s *Segment) Look() (shrunk string, touched bool) {
	for f := range s.files() {
		whole, stamp := f.m.Look()
		if whole && stamp == f.stamp {
			continue
		}
		for i := range f.good {
			s.distrust(f, i)
		}
		if !whole {
			return f.name, touched
		}
		f.stamp, touched = stamp, true
	}
	return "", touched
}

// Scrub reads parts of the files from the disk, or what the system has cached of
// it, without keeping them resident, and compares their checksums: those from
// number part on, until it has read about limit bytes. It returns the number to go
// on with, or 0 after the last. What is damaged is verified again when it is read.
//
// Errors: *DamageError; others when a file cannot be opened now: it is passed over.
func (s *Segment) Scrub(fs vfs.FS, part, limit int) (next int, err error) {
	f, first := s.col, 0
	if part >= len(s.col.secs) {
		f, first = s.idx, len(s.col.secs)
	}
	if f == nil || part-first >= len(f.secs) {
		return 0, nil
	}
	next, err = s.scrub(fs, f, part-first, limit)
	if next += first; f == s.idx && next == first+len(f.secs) {
		next = 0
	}
	return next, err
}

// scrub reads sections of one file and returns the one to go on with.
func (s *Segment) scrub(fs vfs.FS, f *file, from, limit int) (next int, err error) {
	r, err := fs.Open(f.name)
	if errors.Is(err, iofs.ErrNotExist) {
		err = f.damage("the file was removed while it was open", 0, uint64(len(f.b)))
	}
	if err != nil {
		return len(f.secs), err
	}
	defer func() { _ = r.Close() }() // it was only read
	if from == 0 {
		if err := s.checkFrame(f); err != nil {
			return 1, err
		}
	}
	var b []byte
	for i := from; i < len(f.secs); i++ {
		sec := &f.secs[i]
		b = append(b[:0], make([]byte, sec.size)...)
		if _, err := r.ReadAt(b, int64(sec.off)); err != nil {
			s.distrust(f, i)
			return i + 1, f.damage(f.secName(sec)+": "+err.Error(), sec.off, sec.off+sec.size)
		}
		if err := f.verify(sec, b); err != nil {
			s.distrust(f, i)
			return i + 1, err
		}
		if limit -= int(sec.size); limit <= 0 {
			return i + 1, nil
		}
	}
	return len(f.secs), nil
}

// distrust has a section verified again before it is read.
func (s *Segment) distrust(f *file, i int) {
	f.good[i].Store(false)
	sec := &f.secs[i]
	if x, ok := s.fieldOf(sec.field); ok && sec.kind == kindDict {
		s.dicts[x].Store(nil)
	}
}

// checkFrame verifies what is no section of a file: header, footer and trailer.
func (s *Segment) checkFrame(f *file) error {
	return Guard(func() error {
		size := uint64(len(f.b))
		h, t := f.b[:headerBytes], f.b[size-trailerBytes:]
		if crc32.Checksum(h[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(h[headerBytes-4:]) {
			return f.damage("header: wrong checksum", 0, headerBytes)
		}
		from := uint64(headerBytes)
		if n := len(f.secs); n > 0 {
			from = f.secs[n-1].off + f.secs[n-1].size
		}
		foot := f.b[from : size-trailerBytes]
		if binary.LittleEndian.Uint64(t) != uint64(len(foot)) || string(t[16:]) != string(h[:magicBytes]) || f.padding(t[12:16]) ||
			crc32.Checksum(foot, castagnoli) != binary.LittleEndian.Uint32(t[8:]) {
			return f.damage("footer: wrong checksum", from, size)
		}
		return nil
	}, s)
}

// files yields the segment's files, the columns first.
func (s *Segment) files() iter.Seq[*file] {
	return func(yield func(*file) bool) {
		if yield(s.col) && s.idx != nil {
			yield(s.idx)
		}
	}
}
