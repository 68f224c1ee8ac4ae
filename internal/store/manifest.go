package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"annal/internal/segment"
)

// A manifest says which segments make up the log, and what the next numbers
// are. The write-ahead log holds everything from Next on.
type manifest struct {
	Segments []segmentEntry    `json:"segments"` // by position
	Next     uint64            `json:"next"`     // first position not in a segment
	Seqs     map[string]uint64 `json:"seqs"`     // next Seq of each tenant at Next
	Lost     []lostSegment     `json:"lost,omitempty"`
}

type segmentEntry struct {
	Name  string `json:"name"`
	First uint64 `json:"first"` // position
	Last  uint64 `json:"last"`  // position
	Rows  int    `json:"rows"`
}

// A lostSegment could not be read and was moved to the damaged folder.
type lostSegment struct {
	segmentEntry
	Problem string `json:"problem"`
}

// openManifest reads the manifest, or makes it anew from the segments when it
// is missing or damaged: they describe themselves.
func (s *Store) openManifest() (manifest, error) {
	m, err := s.readManifest()
	var damage *DamageError
	switch {
	case err == nil:
		return m, nil
	case errors.As(err, &damage):
		s.cfg.Logger.Error("the manifest is damaged and is made anew from the segments", "file", damage.File, "problem", damage.Problem)
	case !errors.Is(err, fs.ErrNotExist):
		return m, err
	}
	m, err = s.rebuildManifest()
	if err == nil { // also without segments: from then on a missing manifest means damage
		err = writeState(s.fs, s.path(manifestFile), m)
	}
	return m, err
}

// readManifest reads the manifest. One that is impossible is damaged, whatever
// its checksum says.
func (s *Store) readManifest() (manifest, error) {
	m := manifest{Seqs: map[string]uint64{}}
	if err := readState(s.fs, s.path(manifestFile), &m); err != nil {
		return m, err
	}
	if !m.possible() {
		return m, &DamageError{File: s.path(manifestFile), Problem: "it contradicts itself"}
	}
	return m, nil
}

// possible reports whether segments are named as they should be, follow one
// another, and end before Next, as what was lost does.
func (m *manifest) possible() bool {
	end := uint64(0)
	for _, e := range m.Segments {
		first, last, _, ok := segment.ParseName(e.Name)
		if !ok || first != e.First || last != e.Last || first < end || last >= m.Next || e.Rows < 1 {
			return false
		}
		end = last + 1
	}
	for _, l := range m.Lost {
		if l.First > l.Last || l.Last >= m.Next {
			return false
		}
	}
	return m.Seqs != nil
}

func (s *Store) rebuildManifest() (manifest, error) {
	m := manifest{Seqs: map[string]uint64{}}
	names, err := s.fs.List(s.path(segmentDir))
	if err != nil {
		return m, err
	}
	for _, file := range names {
		name, ok := strings.CutSuffix(file, segment.ColSuffix)
		if !ok {
			continue
		}
		seg, err := segment.Open(s.fs, s.path(segmentDir), name, s.identity.LogID)
		if err != nil {
			return m, fmt.Errorf("the manifest is missing and a segment cannot be read: %w", err)
		}
		m.add(segmentEntry{name, seg.First(), seg.Last(), seg.Rows()})
		m.count(seg)
		if err := seg.Close(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// add puts e in its place and moves Next behind it.
func (m *manifest) add(e segmentEntry) {
	i, _ := slices.BinarySearchFunc(m.Segments, e.First, func(x segmentEntry, first uint64) int {
		if x.First < first {
			return -1
		}
		return 1
	})
	m.Segments = slices.Insert(m.Segments, i, e)
	m.Next = max(m.Next, e.Last+1)
}

// count moves the next Seqs behind those of seg.
func (m *manifest) count(seg *segment.Segment) {
	for _, t := range seg.Tenants() {
		// The name points into the segment's file, which the map outlives.
		name := strings.Clone(t.Tenant)
		m.Seqs[name] = max(m.Seqs[name], t.FirstSeq+t.Events)
	}
}

// clone returns a manifest that can be changed and saved while m is in force.
func (m *manifest) clone() manifest {
	return manifest{slices.Clone(m.Segments), m.Next, maps.Clone(m.Seqs), slices.Clone(m.Lost)}
}

// install saves m and puts it in force; the caller holds no lock.
func (s *Store) install(m manifest) error {
	if err := writeState(s.fs, s.path(manifestFile), m); err != nil {
		return err
	}
	s.mu.Lock()
	s.manifest = m
	s.mu.Unlock()
	return nil
}

// setAside moves a segment that cannot be read to the damaged folder and notes
// what is lost.
func (s *Store) setAside(e segmentEntry, cause error) error {
	s.cfg.Logger.Error("a segment cannot be read and is set aside", "segment", e.Name,
		"first_position", e.First, "last_position", e.Last, "problem", cause)
	if err := s.fs.MkdirAll(s.path(damagedDir)); err != nil {
		return err
	}
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		from := s.path(segmentDir) + "/" + e.Name + suffix
		err := s.fs.Rename(from, s.path(damagedDir)+"/"+e.Name+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	m := s.manifest.clone()
	m.Segments = slices.DeleteFunc(m.Segments, func(x segmentEntry) bool { return x.Name == e.Name })
	m.Lost = append(m.Lost, lostSegment{e, cause.Error()})
	return s.install(m)
}
