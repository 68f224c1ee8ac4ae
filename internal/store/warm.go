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
			relieve(v)
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

// Pages of segments that reads have made resident are given back once they are
// more than maxResident: the system keeps them cached, and the memory of the
// process stays bounded however large the log is.
const (
	maxResident   = 208 << 20
	residentCheck = 100 * time.Millisecond
)

// releaseLoop gives resident pages back while the store is open.
func (s *Store) releaseLoop() {
	defer s.done.Done()
	for s.wait(residentCheck) == nil {
		v := s.acquire()
		relieve(v)
		s.release(v)
		s.spare.expire(s.cfg.Now())
	}
}

// relieve gives back resident pages of v's segments if they are too many: those
// of the segments that were read longest ago, until a quarter is free again.
// What is read again after that costs a page fault, so no more goes than must.
func relieve(v *view) {
	if vfs.MappedResident() < maxResident {
		return
	}
	segs := slices.Clone(v.segs)
	slices.SortFunc(segs, func(a, b *sealed) int { return cmp.Compare(a.read.Load(), b.read.Load()) })
	for _, x := range segs {
		x.Release()
		if vfs.MappedResident() < maxResident/4*3 {
			return
		}
	}
}

// touch notes that x is read now.
func (x *sealed) touch() { x.read.Store(time.Now().UnixNano()) }
