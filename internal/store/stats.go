package store

import (
	"maps"
	"slices"

	"annal/internal/wal"
)

// Stats describes the state of a Store at one moment.
type Stats struct {
	Events       uint64 // in the log
	Missing      uint64 // positions whose events are lost, or may be
	Sealed       uint64 // of them in segments
	Tenants      int    // that ever had an event, as of the latest seal
	Segments     int
	SegmentBytes int64
	MemRows      int // in memtables
	MemBytes     int // text in memtables

	Accepted, Duplicates, Refused uint64 // events since Open
	Seals, SealFailures           uint64
	SealSeconds                   float64
	ReadDamage                    uint64   // reads that met a damaged file
	WALDamage                     uint64   // damaged places found in the log at Open
	Lost                          []string // segments that were set aside
	Damaged                       []string // files of truth that a read met damaged since Open

	Alarm string // why writes are refused; "" when they are not
	WAL   wal.Stats
}

// Stats returns the store's state.
func (s *Store) Stats() Stats {
	v := s.acquire()
	defer s.release(v)
	st := Stats{
		Events: s.applied.Load(), Segments: len(v.segs),
		Accepted: s.counters.accepted.Load(), Duplicates: s.counters.duplicates.Load(), Refused: s.counters.refused.Load(),
		Seals: s.counters.seals.Load(), SealFailures: s.counters.sealFailures.Load(),
		SealSeconds: float64(s.counters.sealNanos.Load()) / 1e9,
		ReadDamage:  s.counters.readDamage.Load(), WALDamage: s.counters.walDamage.Load(),
		WAL: s.wal.Stats(),
	}
	for _, g := range s.gaps {
		st.Missing += g.To - g.From
	}
	st.Events -= st.Missing
	for _, seg := range v.segs {
		st.Sealed += uint64(seg.Rows())
		st.SegmentBytes += seg.bytes
	}
	for _, m := range v.mems {
		m.mu.RLock()
		st.MemRows += m.cols.N
		st.MemBytes += m.size()
		m.mu.RUnlock()
	}
	if why := s.alarm.Load(); why != nil {
		st.Alarm = *why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Tenants = len(s.manifest.Seqs)
	for _, l := range s.manifest.Lost {
		st.Lost = append(st.Lost, l.Name)
	}
	st.Damaged = slices.Sorted(maps.Keys(s.damaged))
	return st
}
