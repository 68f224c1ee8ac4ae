package store

import "annal"

// all returns the whole log by position.
func (s *Store) all() (out []annal.Event, err error) {
	for at, end := uint64(0), s.End(); at < end; {
		w, err := s.readWindow(at, min(at+farRows, end))
		if err != nil {
			return nil, err
		}
		out = append(out, w.events...)
		at = w.to
	}
	return out, nil
}
