package store

import (
	"errors"
	"strings"

	"annal"
	"annal/internal/segment"
)

// guarded runs fn, which reads v, and looks whether the segments that it read are
// still whole. Damage of a segment's index, which can be made
// again, is repaired, and healed then says that fn may be run anew on a fresh
// view. Damage of columns is reported and counted.
func (s *Store) guarded(v *view, fn func() error) (healed bool, err error) {
	if v.closed {
		return false, annal.ErrClosed
	}
	number := s.readers.Add(1)
	err = segment.Guard(func() error {
		err := fn()
		for _, x := range v.segs {
			if err == nil && x.reader.Load() >= number {
				x.Whole()
			}
		}
		return err
	}, v.segments()...)
	var d *segment.DamageError
	if !errors.As(err, &d) {
		return false, err
	}
	s.counters.readDamage.Add(1)
	s.cfg.Logger.Error("a read met a damaged file", "problem", d)
	for _, x := range v.segs {
		if strings.HasSuffix(d.File, x.name+segment.IdxSuffix) {
			return s.heal(x), err
		}
	}
	s.spoiled(d.File)
	return false, err
}

// segments lists v's segments as a guard wants them.
func (v *view) segments() []*segment.Segment {
	segs := make([]*segment.Segment, len(v.segs))
	for i, x := range v.segs {
		segs[i] = x.Segment
	}
	return segs
}

// spoiled notes that a file of truth is damaged.
func (s *Store) spoiled(file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged == nil {
		s.damaged = map[string]bool{}
	}
	s.damaged[file] = true
}

// knownSpoiled reports whether that was noted of a file.
func (s *Store) knownSpoiled(file string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged[file]
}

// mended notes that a file is what it should be again.
func (s *Store) mended(file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.damaged, file)
}

// reading runs fn over the current view, and anew when the damage that it met
// was repaired.
func (s *Store) reading(fn func(*view) error) error {
	for tries := 0; ; tries++ {
		v := s.acquire()
		healed, err := s.guarded(v, func() error { return fn(v) })
		s.release(v)
		if !healed || tries == maxRepairs {
			return err
		}
	}
}

// heal makes the index of x again and opens the segment anew in x's place. It
// reports whether reads will no longer meet x.
func (s *Store) heal(x *sealed) bool {
	s.healing.Lock()
	defer s.healing.Unlock()
	dir := s.path(segmentDir)
	if !s.serves(x) {
		return true // another read was faster
	}
	if err := segment.RebuildIndex(s.fs, dir, x.name, s.identity.LogID); err != nil {
		s.cfg.Logger.Error("a damaged index cannot be made again", "segment", x.name, "problem", err)
		return false
	}
	y, err := s.openSegment(x.name)
	if err != nil {
		s.cfg.Logger.Error("a segment cannot be opened again", "segment", x.name, "problem", err)
		return false
	}
	s.replace(func(v *view) {
		for i := range v.segs {
			if v.segs[i] == x {
				x.drop() // the reference that this view would have had
				v.segs[i] = y
			}
		}
	})
	s.mended(dir + "/" + x.name + segment.IdxSuffix)
	s.cfg.Logger.Info("a damaged index was made again", "segment", x.name)
	return true
}

func (s *Store) serves(x *sealed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, y := range s.cur.segs {
		if y == x {
			return true
		}
	}
	return false
}
