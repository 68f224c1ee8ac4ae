package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"annal/internal/segment"
	"annal/internal/wal"
)

// A manifest says which segments make up the log, and what the next numbers
// are. The write-ahead log holds everything from Next on.
type manifest struct {
	LogID    hex16             `json:"log_id,omitzero"` // zero: of a version that did not note it
	Segments []segmentEntry    `json:"segments"`        // by position
	Next     uint64            `json:"next"`            // first position not in a segment
	Seqs     map[string]uint64 `json:"seqs"`            // next Seq of each tenant at Next
	Floor    uint64            `json:"floor,omitempty"` // and of those that are not in Seqs
	Lost     []lostSegment     `json:"lost,omitempty"`
	Begun    bool              `json:"begun,omitempty"` // the write-ahead log has had a file
}

type segmentEntry struct {
	Name  string    `json:"name"`
	First uint64    `json:"first"` // position
	Last  uint64    `json:"last"`  // position
	Rows  int       `json:"rows"`
	Times *timeSpan `json:"times,omitempty"` // of its events; nil: not known
}

// A timeSpan is the times of some events as time keys, both ends included.
type timeSpan struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

func entryOf(name string, seg *segment.Segment) segmentEntry {
	return segmentEntry{name, seg.First(), seg.Last(), seg.Rows(), &timeSpan{seg.MinTime(), seg.MaxTime()}}
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
	if m, err = s.rebuildManifest(); err != nil {
		return m, err
	}
	if begun, err := wal.Begun(s.fs, s.path(walDir)); damage == nil && (len(m.Segments) > 0 || begun && err == nil) {
		s.cfg.Logger.Error("the manifest is missing and is made anew from the segments", "file", s.path(manifestFile))
	}
	// Also without segments: from then on a missing manifest means damage.
	return m, writeState(s.fs, s.path(manifestFile), m)
}

// readManifest reads the manifest. One that is impossible, or another log's, is
// damaged, whatever its checksum says.
func (s *Store) readManifest() (manifest, error) {
	m := manifest{Seqs: map[string]uint64{}}
	if err := readState(s.fs, s.path(manifestFile), &m, true); err != nil {
		return m, err
	}
	switch {
	case !m.possible():
		return m, &DamageError{File: s.path(manifestFile), Problem: "it contradicts itself"}
	case m.LogID != (hex16{}) && m.LogID != s.identity.LogID:
		return m, &DamageError{File: s.path(manifestFile), Problem: "it is another log's"}
	}
	m.LogID = s.identity.LogID
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
	m := manifest{LogID: s.identity.LogID, Seqs: map[string]uint64{}}
	names, err := s.fs.List(s.path(segmentDir))
	if err != nil {
		return m, err
	}
	for _, name := range widest(names) {
		seg, err := segment.Open(s.fs, s.path(segmentDir), name, s.identity.LogID)
		if err != nil && errors.As(err, new(*segment.DamageError)) {
			m.lose(name)
			continue
		}
		if err != nil {
			return m, fmt.Errorf("the manifest has to be made anew and a segment cannot be read: %w", err)
		}
		if seqs, err := nextSeqs(seg); err == nil {
			m.add(entryOf(name, seg))
			maps.Copy(m.Seqs, seqs)
		} else {
			m.lose(name) // of its tenants; the rest may be sound
		}
		if err := seg.Close(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// widest lists the segments whose columns are among files, by position, each
// position once: of a segment that was written again, because it was damaged or the
// manifest did not take it, the last.
func widest(files []string) (names []string) {
	type span struct {
		name        string
		first, last uint64
		generation  int
	}
	var all []span
	for _, file := range files {
		name, isColumns := strings.CutSuffix(file, segment.ColSuffix)
		first, last, generation, ok := segment.ParseName(name)
		if isColumns && ok {
			all = append(all, span{name, first, last, generation})
		}
	}
	slices.SortFunc(all, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last), cmp.Compare(b.generation, a.generation))
	})
	next := uint64(0)
	for _, x := range all {
		if x.first >= next {
			names, next = append(names, x.name), x.last+1
		}
	}
	return names
}

// add puts e in its place and moves Next behind it.
func (m *manifest) add(e segmentEntry) {
	if e.First > m.Next {
		m.skip(e.First - m.Next)
	}
	i, _ := slices.BinarySearchFunc(m.Segments, e.First, func(x segmentEntry, first uint64) int {
		if x.First < first {
			return -1
		}
		return 1
	})
	m.Segments = slices.Insert(m.Segments, i, e)
	m.Next = max(m.Next, e.Last+1)
}

// skip leaves out n positions that are lost: each may have been any tenant's.
func (m *manifest) skip(n uint64) {
	for tenant := range m.Seqs {
		m.Seqs[tenant] += n
	}
	m.Floor += n
	m.Next += n
}

// nextSeqs returns the Seqs that follow those of seg, by tenant.
//
// Errors: *segment.DamageError.
func nextSeqs(seg *segment.Segment) (seqs map[string]uint64, err error) {
	seqs = map[string]uint64{}
	err = segment.Guard(func() error {
		for _, t := range seg.Tenants() {
			// The name points into the segment's file, which the map outlives.
			seqs[strings.Clone(t.Tenant)] = t.FirstSeq + t.Events
		}
		return nil
	}, seg)
	return seqs, err
}

// clone returns a manifest that can be changed and saved while m is in force.
func (m *manifest) clone() manifest {
	c := *m
	c.Segments, c.Seqs, c.Lost = slices.Clone(m.Segments), maps.Clone(m.Seqs), slices.Clone(m.Lost)
	return c
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
