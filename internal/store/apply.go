package store

import (
	"errors"
	"sync/atomic"

	"annal"
	"annal/internal/segment"
)

// applyLoop makes committed groups visible, in order, and answers their callers.
func (s *Store) applyLoop() {
	defer s.done.Done()
	defer close(s.seals)
	for g := range s.apply {
		if g.rotate {
			s.rotate(g.first)
		}
		s.active().apply(g)
		s.applied.Store(g.first + uint64(g.events))
		s.news.wake()
		for _, p := range g.batches {
			s.counters.accepted.Add(uint64(p.kept))
			s.counters.duplicates.Add(uint64(len(p.receipts) - p.kept))
			close(p.done)
		}
		if s.cfg.Resident > 0 { // the heap grows with what comes in
			s.relieveAt(s.cfg.Now().UnixNano())
		}
	}
}

func (m *memtable) apply(g *group) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reserve(g.events)
	for _, p := range g.batches {
		kept := m.scratch[:0]
		for i := range p.batch.Events {
			if !p.receipts[i].Duplicate {
				kept = append(kept, &p.batch.Events[i])
			}
		}
		m.add(kept, g.received)
		clear(kept)
		m.scratch = kept
	}
	m.cols.Keys = append(m.cols.Keys, g.keys...)
}

// active is the memtable that takes new events.
func (s *Store) active() *memtable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.mems[len(s.cur.mems)-1]
}

// rotate begins a new memtable at position base and sends the old one to be
// sealed.
func (s *Store) rotate(base uint64) {
	old := s.active()
	next := newMemtable(base, s.cfg.SegmentRows, s.spare.take())
	s.replace(func(v *view) { v.mems = append(v.mems, next) })
	s.seals <- old
}

// A sealed is an open segment and those who use it. It is closed, and removed
// when doomed, after the last of them.
type sealed struct {
	*segment.Segment
	name         string
	lastReceived int64         // µs
	keys         []segment.Key // until they are recalled
	bytes        int64
	refs         atomic.Int32  // views that contain it
	read         atomic.Int64  // when it was read last, ns
	reader       atomic.Uint64 // number of a guarded read that began before it was
	loaded       bool          // preload had its turn; releaseLoop's alone
	shrunk       bool          // a file of it was cut or removed; releaseLoop's alone
	touched      bool          // a file of it was written to and not read anew yet; releaseLoop's alone
	codes        segmentCodes
}

// openSegment opens a segment with one reference. A damaged index is made again.
func (s *Store) openSegment(name string) (*sealed, error) {
	dir := s.path(segmentDir)
	x, err := s.tryOpen(dir, name)
	if err == nil || segment.RebuildIndex(s.fs, dir, name, s.identity.LogID) != nil {
		return x, err // it is not for the index, or the columns are bad too
	}
	s.cfg.Logger.Warn("a damaged index was made again", "segment", name, "problem", err)
	return s.tryOpen(dir, name)
}

func (s *Store) tryOpen(dir, name string) (*sealed, error) {
	seg, err := segment.Open(s.fs, dir, name, s.identity.LogID)
	if err != nil {
		return nil, err
	}
	if why := seg.Remade(); why != nil {
		s.cfg.Logger.Warn("a damaged index was made again", "segment", name, "problem", why)
	}
	x := &sealed{Segment: seg, name: name}
	x.refs.Store(1)
	err = segment.Guard(func() error {
		if row, ok := seg.RowOf(seg.Last()); ok {
			x.lastReceived = seg.ReceivedAt(row)
		}
		x.keys = seg.Keys()
		col, idx := seg.Bytes()
		x.bytes = col + idx
		return nil
	}, seg)
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return x, nil
}

func (x *sealed) drop() {
	if x.refs.Add(-1) == 0 {
		_ = x.Close()
	}
}

// A view names the places that together hold every visible event once:
// segments, then memtables, both by position. It does not change; the store
// replaces it.
type view struct {
	segs   []*sealed
	mems   []*memtable // at least one, unless closed
	refs   int         // guarded by Store.mu; the current view has one more
	closed bool        // the log is: it holds nothing
}

// acquire returns the current view, to be released.
func (s *Store) acquire() *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cur.refs++
	return s.cur
}

func (s *Store) release(v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.refs--
	s.retire(v)
}

// retire lets go of v's segments once it is neither current nor in use; the
// caller holds mu.
func (s *Store) retire(v *view) {
	if v.refs > 0 || v == s.cur {
		return
	}
	for _, seg := range v.segs {
		seg.drop()
	}
	for _, m := range v.mems {
		if m.views--; m.views == 0 {
			s.spare.put(m.vacate(), s.cfg.Now())
		}
	}
}

// replace puts a changed copy of the current view in its place. Segments that
// change adds come with a reference of their own.
func (s *Store) replace(change func(*view)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.cur
	next := &view{segs: append([]*sealed(nil), old.segs...), mems: append([]*memtable(nil), old.mems...)}
	for _, seg := range next.segs {
		seg.refs.Add(1)
	}
	change(next)
	for _, m := range next.mems {
		m.views++
	}
	s.cur = next
	s.retire(old)
}

// sealedEnd is the first position that is in a memtable: all before it are where
// reads find them in segments. The manifest names those a moment earlier.
func (s *Store) sealedEnd() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur.closed {
		return s.manifest.Next
	}
	return s.cur.mems[0].cols.Base
}

// event reads the event at position, if v holds it. Its strings live as long as
// v is held.
func (v *view) event(position uint64, e *annal.Event) (bool, error) {
	for i := len(v.mems) - 1; i >= 0; i-- {
		if base := v.mems[i].cols.Base; position >= base {
			mv := v.mems[i].view()
			if row := position - base; row < uint64(mv.cols.N) {
				mv.read(int(row), e)
				return true, nil
			}
			return false, nil
		}
	}
	for _, seg := range v.segs {
		if position < seg.First() || position > seg.Last() {
			continue
		}
		row, ok := seg.RowOf(position)
		if !ok {
			return false, nil
		}
		err := seg.NewReader().Read(row, e)
		seg.Whole()
		return true, err
	}
	return false, nil
}
