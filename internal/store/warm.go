package store

import (
	"slices"
	"time"

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

// One turn of preload takes about preloadFor, unless the disk must be waited for:
// then it rests, so that questions have the disk. It begins preloadRest after the
// start, when the first questions have come.
const (
	preloadFor  = 20 * time.Millisecond
	preloadRest = time.Second
)

// A preloader says when preload may have its next turn.
type preloader struct{ after time.Time }

// preload verifies the newest segments that it has not verified yet, and so brings
// them into memory: the first questions after a start or much ingest would else
// wait for that. Damage is found early, too.
func (s *Store) preload(p *preloader) {
	begun := time.Now()
	if begun.Before(p.after) {
		return
	}
	v := s.acquire()
	defer s.release(v)
	for i := len(v.segs) - 1; i >= 0 && time.Since(begun) < preloadFor; i-- {
		if x := v.segs[i]; !x.loaded {
			x.loaded = true
			_, _ = s.guarded(v, func() error { x.Preload(); return nil })
		}
	}
	if took := time.Since(begun); took > 2*preloadFor {
		p.after = begun.Add(took + preloadRest)
	}
}

// checkFiles finds segments' files that were cut, removed or written to while they
// are open: of a file that was cut, the last page may read as zeros and no fault
// tells; and one that was written to is not what was verified.
func (s *Store) checkFiles() {
	v := s.acquire()
	defer s.release(v)
	for _, x := range v.segs {
		if x.shrunk {
			continue
		}
		file, touched := x.Look()
		x.touched = x.touched || touched
		if file != "" {
			x.shrunk = true
			s.cfg.Logger.Error("a segment's file was cut or removed while it was open", "file", file)
			s.noteShrunk(x, file)
		}
	}
}

// verifyTouched reads a segment anew that was written to, if there is any: all of it
// at once, and the others at the next residentChecks.
func (s *Store) verifyTouched() {
	v := s.acquire()
	defer s.release(v)
	i := slices.IndexFunc(v.segs, func(x *sealed) bool { return x.touched })
	if i < 0 {
		return
	}
	x := v.segs[i]
	x.touched = false
	for part, next := 0, 1; next > 0 && !s.isSpoiled(x) && !s.closing.Load(); part = next {
		_, _ = s.guarded(v, func() (err error) {
			next, err = x.Scrub(s.fs, part, scrubBytes)
			return err
		})
	}
}

// noteShrunk has the alarm name a file of x, unless a read has just made it again.
func (s *Store) noteShrunk(x *sealed, file string) {
	s.healing.Lock()
	defer s.healing.Unlock()
	if s.serves(x) {
		s.spoiled(file)
	}
}
