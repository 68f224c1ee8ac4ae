package segment

import (
	"fmt"
	"path"

	"annal/internal/vfs"
)

// Verify reads both files of a segment in full and reports all that is wrong
// with them. It changes nothing. A missing index is reported, though [Open]
// makes it again.
func Verify(fs vfs.FS, dir, name string, logID [16]byte) []error {
	s, err := openColumns(fs, dir, name, logID)
	if err != nil {
		return []error{err}
	}
	errs := s.verifyFile(s.col)
	if err := s.openIndex(fs, dir, logID); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, s.verifyFile(s.idx)...)
	}
	if len(errs) == 0 {
		if err := s.verifyIndex(); err != nil {
			errs = append(errs, err)
		}
	}
	if err := s.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close segment %s: %w", path.Join(dir, name), err))
	}
	return errs
}

// verifyFile checks every section.
func (s *Segment) verifyFile(f *file) (errs []error) {
	for i := range f.secs {
		err := Guard(func() error {
			f.good[i].Store(false)
			f.bytes(i)
			return nil
		}, s)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// verifyIndex compares the index with one made from the columns, which also
// decodes every text: what has the right checksums must be right.
func (s *Segment) verifyIndex() error {
	return Guard(func() error {
		if what := s.differs(s.index()); what != "" {
			return s.idx.damage(what+": not what the columns give", 0, uint64(len(s.idx.b)))
		}
		return nil
	}, s)
}

// differs names the first part in which a fresh index is not like the one in
// the file, or returns "".
func (s *Segment) differs(x *indexBuilder) string {
	x.putStats()
	x.putFilters()
	for i, p := range x.parts {
		if i >= len(s.idx.secs) || string(s.idx.bytes(i)) != string(p.b) {
			return kindNames[p.kind]
		}
	}
	return ""
}
