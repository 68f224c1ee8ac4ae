package store

import (
	"errors"
	"io/fs"
	"slices"

	"annal/internal/segment"
	"annal/internal/wal"
)

// A lostSegment could not be read and was moved to the damaged folder.
type lostSegment struct {
	segmentEntry
	Problem string `json:"problem"`
}

// lose names a segment that cannot be read, whose name says what it held: it will
// be set aside. Any of its events may have been any tenant's.
func (m *manifest) lose(name string) {
	first, last, _, _ := segment.ParseName(name)
	m.skip(max(m.Next, first) - m.Next)
	m.skip(max(m.Next, last+1) - m.Next)
	m.add(segmentEntry{Name: name, First: first, Last: last, Rows: int(last - first + 1)})
}

// setAside moves a segment that cannot be read to the damaged folder and notes
// what is lost.
func (s *Store) setAside(e segmentEntry, cause error) error {
	s.cfg.Logger.Error("a segment cannot be read and is set aside: put its .col from a backup into the folder of segments, and start again", "segment", e.Name,
		"first_position", e.First, "last_position", e.Last, "problem", cause, "folder", s.path(segmentDir), "moved_to", s.path(damagedDir))
	if err := s.moveAside(e.Name); err != nil {
		return err
	}
	m := s.manifest.clone()
	m.Segments = slices.DeleteFunc(m.Segments, func(x segmentEntry) bool { return x.Name == e.Name })
	m.Lost = append(m.Lost, lostSegment{e, cause.Error()})
	return s.install(m)
}

// moveAside moves the files of a segment, as far as they are there, to the damaged
// folder.
func (s *Store) moveAside(name string) error {
	if err := s.fs.MkdirAll(s.path(damagedDir)); err != nil {
		return err
	}
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		from := s.path(segmentDir) + "/" + name + suffix
		err := s.fs.Rename(from, s.path(damagedDir)+"/"+name+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fromLog finds the newest segments among those that are damaged whose events the
// write-ahead log still has: the log is replayed from there, and they are written
// again. It returns the others, and changes the manifest in memory only.
func (s *Store) fromLog(damaged []unreadable) (others, again []unreadable, err error) {
	n := len(damaged)
	end := s.manifest.Next
	for n > 0 && damaged[n-1].Last+1 == end {
		n--
		end = damaged[n].First
	}
	for ; n < len(damaged); n++ {
		to, err := wal.Intact(wal.Config{FS: s.fs, Dir: s.path(walDir), LogID: s.identity.LogID}, damaged[n].First)
		if err != nil {
			return nil, nil, err
		}
		if to >= s.manifest.Next {
			break
		}
	}
	again = damaged[n:]
	if len(again) > 0 {
		s.manifest = s.manifest.clone()
		s.manifest.Next = again[0].First
		s.manifest.Segments = slices.DeleteFunc(s.manifest.Segments, func(e segmentEntry) bool { return e.First >= s.manifest.Next })
	}
	return damaged[:n], again, nil
}

// writtenAgain moves the segments out of the way that the write-ahead log is to
// bring back, and saves that they are no more.
func (s *Store) writtenAgain(again []unreadable) error {
	for _, d := range again {
		s.cfg.Logger.Warn("a segment cannot be read; the write-ahead log still has its events, and it is written again", "segment", d.Name,
			"first_position", d.First, "last_position", d.Last, "problem", d.cause, "moved_to", s.path(damagedDir))
		if err := s.moveAside(d.Name); err != nil {
			return err
		}
	}
	if len(again) == 0 {
		return nil
	}
	return s.install(s.manifest)
}

// takeBack names again the segments that were set aside and are in their place
// again: somebody has put them back. It changes the manifest in memory only.
func (s *Store) takeBack() (names []string) {
	m := s.manifest.clone()
	m.Lost = nil
	for _, l := range s.manifest.Lost {
		overlaps := func(e segmentEntry) bool { return e.First <= l.Last && l.First <= e.Last }
		_, err := s.fs.Size(s.path(segmentDir) + "/" + l.Name + segment.ColSuffix)
		if err != nil || slices.ContainsFunc(m.Segments, overlaps) {
			m.Lost = append(m.Lost, l)
			continue
		}
		m.add(l.segmentEntry)
		names = append(names, l.Name)
	}
	s.manifest = m
	return names
}

// servedAgain says which of the segments that were taken back are sound, and saves
// that they are. A disk that does not take it is asked again at the next start.
func (s *Store) servedAgain(names []string) {
	served := false
	for _, name := range names {
		if slices.ContainsFunc(s.manifest.Segments, func(e segmentEntry) bool { return e.Name == name }) {
			served = true
			s.cfg.Logger.Info("a segment that was set aside is served again", "segment", name)
		}
	}
	if !served {
		return
	}
	if err := s.install(s.manifest); err != nil {
		s.cfg.Logger.Warn("the manifest could not be written", "problem", err)
	}
}
