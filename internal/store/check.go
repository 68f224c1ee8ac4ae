package store

import (
	"errors"
	"fmt"
	"io/fs"

	"annal/internal/segment"
	"annal/internal/wal"
)

// A Report is what [Check] found.
type Report struct {
	LogID    [16]byte `json:"-"`      // zeros when the log's identity is damaged
	Events   uint64   `json:"events"` // in segments
	Segments int      `json:"segments"`
	Problems []string `json:"problems"` // each names a file; none when all is sound
}

// Check reads the whole data folder and verifies every checksum, that segments
// follow one another without gaps, and that the write-ahead log goes on where
// they end. It changes nothing. The log must not be open.
//
// Errors: vfs.ErrLocked when it is open; others when the folder cannot be read
// at all. A file that cannot be read is a problem among others.
func Check(cfg Config) (r Report, err error) {
	s := &Store{cfg: withDefaults(cfg)}
	s.fs = s.cfg.FS
	if _, err := s.fs.Size(s.path(IdentityFile)); err != nil {
		return r, s.noIdentity(err)
	}
	lock, err := s.fs.Lock(s.path(lockFile))
	if err != nil {
		return r, err
	}
	defer lock.Close()
	var damage *DamageError
	if s.identity, err = openIdentity(s.fs, s.cfg); errors.As(err, &damage) {
		r.problem(damage)
		return r, nil
	} else if err != nil {
		return r, err
	}
	r.LogID = s.identity.LogID
	s.manifest = s.checkManifest(&r)
	s.takeBack()
	s.checkSegments(&r)
	if missing, _, err := s.logMissing(); err == nil && missing != nil { // of an error wal.Check tells
		r.problem(missing)
	}
	found, err := wal.Check(wal.Config{FS: s.fs, Dir: s.path(walDir), LogID: s.identity.LogID}, s.manifest.Next)
	for _, d := range found {
		r.problem(fmt.Errorf("%s/%s", s.path(walDir), d))
	}
	if err != nil { // whatever was found besides is told all the same
		r.problem(err)
	}
	return r, nil
}

// noIdentity says what a folder is whose LOG cannot be seen.
func (s *Store) noIdentity(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, d := range []string{walDir, segmentDir} {
		if names, err := s.fs.List(s.path(d)); err == nil && len(names) > 0 {
			return fmt.Errorf("%s is missing but %s is not empty: restore it from a backup of this data folder", s.path(IdentityFile), s.path(d))
		}
	}
	return fmt.Errorf("%s holds no log: %w", s.cfg.Dir, err)
}

func (r *Report) problem(err error) { r.Problems = append(r.Problems, err.Error()) }

func (s *Store) checkManifest(r *Report) manifest {
	m, err := s.readManifest()
	if err == nil {
		return m
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if !missing {
		r.problem(err)
	}
	if m, err = s.rebuildManifest(); err != nil {
		r.problem(err)
		return m
	}
	begun, err := wal.Begun(s.fs, s.path(walDir))
	if missing && (len(m.Segments) > 0 || err == nil && begun) {
		r.problem(&DamageError{File: s.path(manifestFile), Problem: "it is missing"})
	}
	return m
}

func (s *Store) checkSegments(r *Report) {
	next := uint64(0)
	for _, l := range s.manifest.Lost {
		r.problem(fmt.Errorf("%s was set aside: positions %d to %d are not served until its .col is put from a backup into %s, and annal started again: %s",
			l.Name, l.First, l.Last, s.path(segmentDir), l.Problem))
	}
	for _, e := range s.manifest.Segments {
		r.Segments++
		if e.First != next && !s.manifest.lost(next, e.First) {
			r.problem(fmt.Errorf("positions %d to %d are in no segment", next, e.First-1))
		}
		next = e.Last + 1
		for _, err := range segment.Verify(s.fs, s.path(segmentDir), e.Name, s.identity.LogID) {
			r.problem(err)
		}
		r.Events += uint64(e.Rows)
	}
}

// lost reports whether the positions from first to end are those of segments
// that were set aside.
func (m *manifest) lost(first, end uint64) bool {
	for moved := true; moved && first < end; {
		moved = false
		for _, l := range m.Lost {
			if l.First == first {
				first, moved = l.Last+1, true
			}
		}
	}
	return first == end
}
