package store

import (
	"annal"
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
