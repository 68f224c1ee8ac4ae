package store

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/wal"
)

// recover brings back what the write-ahead log holds beyond the segments.
func (s *Store) recover() error {
	s.queue = make(chan *pending, queueLength)
	s.urgent = make(chan struct{}, 1)
	s.apply = make(chan *group, 4)
	s.commit = committer{next: s.manifest.Next, seqs: tenantSeqs{map[string]*uint64{}, s.manifest.Floor}, dedupe: newDeduper()}
	for tenant, seq := range s.manifest.Seqs {
		*s.commit.seqs.of(tenant) = seq
	}
	s.recallKeys()
	missing, begun, err := s.logMissing()
	if err != nil {
		return err
	}
	s.commit.begun = begun || missing != nil
	if begun && !s.manifest.Begun {
		s.noteBegun()
	}
	r := replay{s: s, mem: newMemtable(s.manifest.Next, s.cfg.SegmentRows, new(room))}
	log, damage, err := wal.Open(wal.Config{
		FS: s.fs, Dir: s.path(walDir), FileSize: s.cfg.WALFileSize, LogID: s.identity.LogID, Logger: s.cfg.Logger,
	}, s.manifest.Next, r.record)
	if err != nil {
		return err
	}
	s.wal = log
	s.counters.walDamage.Store(uint64(len(damage)))
	if missing != nil {
		s.counters.walDamage.Add(1)
		s.cfg.Logger.Error("the write-ahead log is missing", "file", missing.File, "problem", missing.Problem)
	}
	end := log.Stats().Next
	if missing != nil || slices.ContainsFunc(damage, func(d wal.Damage) bool { return d.Endless }) {
		s.cfg.Logger.Error("the newest events may be lost; the log goes on behind all numbers that may have been given",
			"first_position", end, "last_position", end+skippedNumbers-1)
		end += skippedNumbers
		log.Skip(end)
	}
	if end > s.commit.next { // the last events are lost
		r.rotate(end)
	}
	s.cur.mems = append(r.full, r.mem)
	for _, m := range s.cur.mems {
		m.views = 1
	}
	s.seals = make(chan *memtable, len(r.full)+1)
	s.slot = make(chan struct{}, len(r.full)+1)
	for _, m := range r.full {
		s.slot <- struct{}{}
		s.seals <- m
	}
	s.commit.rows, s.commit.bytes = r.mem.cols.N, r.mem.size()
	s.applied.Store(s.commit.next)
	return nil
}

// skippedNumbers is how many positions, and numbers of each tenant, are left out
// when the end of the log is lost: more than can have been given beyond what is
// known, for at most two memtables of [DefaultSegmentRows] wait to be sealed.
const skippedNumbers = 4 * DefaultSegmentRows

// logMissing says that nothing is there of a write-ahead log that was: its newest
// file stays.
func (s *Store) logMissing() (missing *DamageError, begun bool, err error) {
	begun, err = wal.Begun(s.fs, s.path(walDir))
	if err != nil || begun || s.manifest.Next == 0 && !s.manifest.Begun {
		return nil, begun, err
	}
	return &DamageError{File: s.path(walDir) + "/wal-*", Problem: "no file is there; events from position " + strconv.FormatUint(s.manifest.Next, 10) + " on are lost"}, false, nil
}

// noteBegun notes in the manifest that the write-ahead log has a file, so that it
// is missed from then on. A disk that does not take it is asked again at the next
// start. Nothing may be sealed meanwhile.
func (s *Store) noteBegun() {
	m := s.manifest.clone()
	m.Begun = true
	if err := s.install(m); err != nil {
		s.cfg.Logger.Warn("the manifest could not be written", "problem", err)
	}
}

// recallKeys brings back the batch keys that segments remember, and the time
// that received must not fall behind.
func (s *Store) recallKeys() {
	cutoff := s.cfg.Now().Add(-idempotencyWindow).UnixMicro()
	for _, seg := range s.cur.segs {
		s.commit.received = max(s.commit.received, seg.lastReceived)
		for _, k := range seg.keys { // one that came with nothing new may be younger than all events
			s.commit.received = max(s.commit.received, k.Received)
			if k.Received >= cutoff {
				s.commit.dedupe.addKey(k)
			}
		}
		seg.keys = nil
	}
}

// A replay rebuilds memtables from the records of the log.
type replay struct {
	s    *Store
	mem  *memtable
	full []*memtable
	unit [unitRows]annal.Event // the first held of them wait to be added
	held int
}

func (r *replay) record(rec wal.Record) error {
	c := &r.s.commit
	in := reader{b: rec.Payload}
	tenants, keys, err := in.head(rec.Position, rec.Received)
	if err != nil {
		return fmt.Errorf("record at position %d: %w", rec.Position, err)
	}
	if rec.Position > c.next || r.mem.cols.N >= r.s.cfg.SegmentRows || r.mem.size() > maxMemBytes || r.mem.weight.Load() > maxWeight {
		r.rotate(max(rec.Position, c.next))
	}
	skip := c.next - rec.Position // events that segments hold already
	if skip == 0 {
		for _, t := range tenants {
			*c.seqs.of(t.name) = t.seq // exact, also where numbers before it are lost
		}
	}
	c.received = max(c.received, rec.Received)
	received := time.UnixMicro(rec.Received).UTC()
	r.mem.reserve(int(rec.Count))
	for i := range uint64(rec.Count) {
		e := &r.unit[r.held]
		in.event(e)
		if in.bad {
			return fmt.Errorf("record at position %d: %w", rec.Position, errPayload)
		}
		if i < skip {
			continue
		}
		seq := c.seqs.of(e.Tenant)
		e.Position, e.Seq, e.Received = c.next, *seq, received
		*seq++
		c.next++
		if e.EventID != "" {
			c.dedupe.recent[c.dedupe.eventKey(e)] = e.Position
		}
		if r.held++; r.held == len(r.unit) {
			r.flush(rec.Received)
		}
	}
	r.flush(rec.Received)
	r.keys(keys)
	return nil
}

// flush adds the events held, which were received at the time given, in µs.
func (r *replay) flush(received int64) {
	r.mem.scratch = r.mem.scratch[:0]
	for i := range r.unit[:r.held] {
		r.mem.scratch = append(r.mem.scratch, &r.unit[i])
	}
	r.mem.add(r.mem.scratch, received)
	r.held = 0
}

func (r *replay) keys(keys []segment.Key) {
	r.mem.cols.Keys = append(r.mem.cols.Keys, keys...)
	for _, k := range keys {
		r.s.commit.dedupe.addKey(k)
	}
}

// rotate begins a new memtable at position base, since the old one is full or
// positions before base are lost.
func (r *replay) rotate(base uint64) {
	r.s.commit.seqs.skip(base - r.s.commit.next)
	r.s.commit.next = base
	if r.mem.cols.N > 0 {
		r.full = append(r.full, r.mem)
	}
	r.mem = newMemtable(base, r.s.cfg.SegmentRows, new(room))
}
