package store

import (
	"errors"
	"log/slog"
	"time"

	"annal"
	"annal/internal/segment"
)

// What was verified once may rot on the disk, and be read again after the system
// let go of it. So all segments are read anew, over and over, a little at each
// residentCheck: about ten MiB a second, and all of them at most once a second.
const (
	scrubBytes = 1 << 20
	scrubEvery = time.Second
	scrubTell  = time.Minute // between two complaints of what cannot be read
)

// A scrubber is where the reading of all segments has come to.
type scrubber struct {
	seg   int // place in the view
	part  int // of the segment
	begun time.Time
	told  time.Time // when it was last said that a segment cannot be read
}

// scrub goes on with it. Damage is treated as that which a question meets.
func (s *Store) scrub(at *scrubber) {
	now := s.cfg.Now()
	if at.seg == 0 && at.part == 0 {
		if age := now.Sub(at.begun); age >= 0 && age < scrubEvery {
			return
		}
		at.begun = now
	}
	v := s.acquire()
	defer s.release(v)
	if at.seg >= len(v.segs) {
		at.seg, at.part = 0, 0
		return
	}
	next := 0
	if x := v.segs[at.seg]; !s.isSpoiled(x) {
		_, err := s.guarded(v, func() (err error) {
			next, err = x.Scrub(s.fs, at.part, scrubBytes)
			return err
		})
		if err != nil && !errors.Is(err, annal.ErrDamaged) { // guarded tells of damage
			at.tell(s.cfg.Logger, now, x.name, err)
		}
	}
	if at.part = next; next == 0 {
		at.seg++
	}
}

// tell says that a segment cannot be read, but not of each and each time: where
// the process may open no more files, that would be all that the log holds.
func (at *scrubber) tell(log *slog.Logger, now time.Time, segment string, err error) {
	if since := now.Sub(at.told); since >= 0 && since < scrubTell {
		return
	}
	at.told = now
	log.Warn("a segment cannot be read anew at present", "segment", segment, "problem", err)
}

// isSpoiled says that x's columns are known to be damaged: they are reported once.
func (s *Store) isSpoiled(x *sealed) bool {
	return s.knownSpoiled(s.path(segmentDir + "/" + x.name + segment.ColSuffix))
}
