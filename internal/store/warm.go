package store

import (
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
	maxResident   = 192 << 20
	residentCheck = time.Second
)

// releaseLoop gives resident pages back while the store is open.
func (s *Store) releaseLoop() {
	defer s.done.Done()
	for s.wait(residentCheck) == nil {
		if vfs.MappedResident() < maxResident {
			continue
		}
		v := s.acquire()
		for _, x := range v.segs {
			x.Release()
		}
		s.release(v)
	}
}
