package store

import (
	"errors"
	"maps"
	"time"

	"annal"
	"annal/internal/segment"
)

// sealLoop turns full memtables into segments, in order: the manifest says that all
// before its end is in segments, and the write-ahead log lets go of that. So once one
// is given up, those behind it stay in the write-ahead log, too.
func (s *Store) sealLoop() {
	defer s.done.Done()
	s.warmNow()
	var gaveUp error
	for m := range s.seals {
		if gaveUp == nil {
			gaveUp = s.sealAtLast(m)
		}
		<-s.slot
		s.warmNow()
	}
}

// sealAtLast seals m. A disk that does not take it is tried again until the store is
// closed: its events are safe in the log meanwhile.
func (s *Store) sealAtLast(m *memtable) error {
	written := "" // the segment, when only the manifest does not have it yet
	for {
		err := s.seal(m, &written)
		if err == nil {
			s.sealTrouble.Store(nil)
			return nil
		}
		why := err.Error()
		s.sealTrouble.Store(&why)
		s.counters.sealFailures.Add(1)
		s.cfg.Logger.Error("a segment cannot be written; its events stay in the write-ahead log", "problem", err)
		if err := s.wait(retryAfter); err != nil {
			return err
		}
	}
}

// wait lets d pass, unless the store is closed meanwhile.
func (s *Store) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-s.quit:
		return annal.ErrClosed
	}
}

// seal writes m as a segment, unless an earlier try has written it, and puts it in
// the memtable's place.
func (s *Store) seal(m *memtable, written *string) (err error) {
	start := s.cfg.Now()
	if *written == "" {
		if *written, err = segment.Build(s.fs, s.path(segmentDir), m.sealed(), s.identity.LogID); err != nil {
			return err
		}
	}
	x, err := s.take(*written)
	if err != nil {
		if isLost(err) { // it is not what was written
			*written = ""
		}
		return err
	}
	s.replace(func(v *view) {
		v.segs = append(v.segs, x)
		for i, x := range v.mems {
			if x == m {
				v.mems = append(v.mems[:i:i], v.mems[i+1:]...)
				break
			}
		}
	})
	s.counters.seals.Add(1)
	s.counters.sealNanos.Add(uint64(s.cfg.Now().Sub(start)))
	if err := s.wal.Trim(x.Last() + 1); err != nil {
		s.cfg.Logger.Warn("old files of the write-ahead log could not be freed", "problem", err)
	}
	return nil
}

// take opens a segment that was just written and has the manifest name it.
func (s *Store) take(name string) (*sealed, error) {
	x, err := s.openSegment(name)
	if err != nil {
		return nil, err
	}
	x.keys = nil // the commit stage knows them
	seqs, err := nextSeqs(x.Segment)
	if err == nil {
		next := s.manifest.clone()
		next.add(entryOf(name, x.Segment))
		maps.Copy(next.Seqs, seqs)
		err = s.install(next)
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}
