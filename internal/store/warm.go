package store

import (
	"cmp"
	"slices"
	"time"

	"annal"
	"annal/internal/vfs"
)

// warm makes the translations of a segment's dictionaries, so that the first
// summary after a start or a seal does not have to.
func (s *Store) warm(v *view) {
	_, _ = s.guarded(v, func() error {
		for i := len(v.segs) - 1; i >= 0; i-- {
			for f := range annal.NumTexts {
				if s.closing.Load() {
					return nil
				}
				if annal.Fields[f].Shared && (annal.Fields[f].Search || v.segs[i].HasCounts(f)) {
					s.translate(v.segs[i], f)
				}
			}
			s.relieve()
		}
		return nil
	})
}

// warmNow warms the current view.
func (s *Store) warmNow() {
	v := s.acquire()
	defer s.release(v)
	s.warm(v)
}

// residentCheck is how often resident memory is looked at while nobody asks.
const residentCheck = 100 * time.Millisecond

// releaseLoop gives resident pages back while the store is open, and windows
// that no tail wants.
func (s *Store) releaseLoop() {
	defer s.done.Done()
	for s.wait(residentCheck) == nil {
		s.relieve()
		s.spare.expire(s.cfg.Now())
		s.tails.windows.forget()
	}
}

// relieve gives back pages of the segments when the process has more resident
// memory than it should: the system keeps them cached, and the memory of the
// process stays bounded however large the log is. What is read again after that
// costs a page fault, so no more goes than must: first the rows, then the
// dictionaries and indexes, each of the segments that were read longest ago,
// until an eighth is free again.
func (s *Store) relieve() {
	limit := s.cfg.Resident
	if limit <= 0 || vfs.Resident() < limit {
		return
	}
	v := s.acquire()
	defer s.release(v)
	segs := slices.Clone(v.segs)
	slices.SortFunc(segs, func(a, b *sealed) int { return cmp.Compare(a.read.Load(), b.read.Load()) })
	for _, release := range []func(*sealed){
		func(x *sealed) { x.ReleaseRows() },
		func(x *sealed) { x.Release() },
	} {
		for _, x := range segs {
			release(x)
			if vfs.Resident() < limit/8*7 {
				return
			}
		}
	}
}

// touch notes that x is read now, and makes room for that.
func (s *Store) touch(x *sealed) {
	x.read.Store(s.cfg.Now().UnixNano())
	s.relieve()
}
