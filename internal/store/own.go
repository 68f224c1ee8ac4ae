package store

import (
	"errors"
	"io/fs"
	"time"
)

// An ownLook is what the last look at LOG and MANIFEST found.
type ownLook struct {
	looked   time.Time
	manifest bool // is known to be missing or damaged
}

// checkOwn reads LOG and MANIFEST anew, once a second: nothing else does while the
// log is open, and without LOG the folder would open no more.
func (s *Store) checkOwn(at *ownLook) {
	now := s.cfg.Now()
	if age := now.Sub(at.looked); age >= 0 && age < scrubEvery {
		return
	}
	at.looked = now
	s.checkIdentity()
	s.checkOwnManifest(at)
}

// checkIdentity writes LOG again where it is damaged or gone: what it holds is in
// memory, as it was read when the log was opened. Another log's is left as it is, for
// somebody has put it there.
func (s *Store) checkIdentity() {
	file := s.path(IdentityFile)
	var id identity
	err := readState(s.fs, file, &id, false)
	if err == nil && id.LogID == s.identity.LogID && id.IDKey == s.identity.IDKey {
		s.mended(file)
		return
	}
	known := s.knownSpoiled(file)
	switch {
	case err == nil:
		if s.spoiled(file); !known {
			s.cfg.Logger.Error("LOG was replaced by another log's while it was open: put it back from a backup of this data folder, or the next start is refused", "file", file)
		}
	case unsound(err):
		if failed := writeState(s.fs, file, s.identity); failed == nil {
			s.mended(file)
			s.cfg.Logger.Error("LOG was damaged or removed while it was open, and is written again", "file", file, "problem", err)
		} else if s.spoiled(file); !known {
			s.cfg.Logger.Error("LOG was damaged or removed while it was open, and cannot be written again yet", "file", file, "problem", err, "error", failed)
		}
	}
}

// checkOwnManifest says that MANIFEST is damaged or gone. It is written whenever a
// segment is sealed, and made again by a start, so that this is all.
func (s *Store) checkOwnManifest(at *ownLook) {
	s.mu.Lock()
	written := s.manifest.Begun || len(s.manifest.Segments) > 0
	s.mu.Unlock()
	_, err := s.readManifest()
	bad := written && unsound(err)
	if bad && !at.manifest {
		s.cfg.Logger.Warn("the manifest was damaged or removed while it was open; it is made again with the next segment, or by the next start", "file", s.path(manifestFile), "problem", err)
	}
	at.manifest = bad
}

// unsound reports whether err says that a file is not what was written, rather than
// that it cannot be read at the moment.
func unsound(err error) bool {
	var damage *DamageError
	return errors.As(err, &damage) || errors.Is(err, fs.ErrNotExist)
}
