package store

import (
	"time"

	"annal/internal/wal"
)

// A logScrubber is where the reading anew of the write-ahead log has come to.
type logScrubber struct {
	at     wal.Patrol
	looked time.Time
}

// scrubLog goes on with it, a MiB a second: unlike segments, its files are not read
// from the system's cache.
func (s *Store) scrubLog(at *logScrubber) {
	now := s.cfg.Now()
	if age := now.Sub(at.looked); age >= 0 && age < scrubEvery {
		return
	}
	at.looked = now
	if damaged := s.wal.Scrub(&at.at, scrubBytes); damaged != "" {
		s.expose(damaged, "is not what was written")
	}
}

// checkLog finds files of the write-ahead log that were cut or removed while it is
// open, and sees to what was exposed.
func (s *Store) checkLog() {
	for _, file := range s.wal.Gone() {
		s.expose(file, "was cut or removed while it was open")
	}
	if s.exposed.Load() {
		select {
		case s.urgent <- struct{}{}:
		default:
		}
	}
}

// expose notes that a start would not find what a file of the write-ahead log held:
// the system keeps what was written to a removed file only as long as that is open.
// But the events are in memory, too: they are sealed at once.
func (s *Store) expose(file, problem string) {
	s.cfg.Logger.Error("a file of the write-ahead log "+problem+": the events in memory are sealed now, and writes go on in another file", "file", file)
	s.spoiled(file)
	s.exposed.Store(true)
}

// rescue has the events of the active memtable sealed. While another one waits to be
// sealed there is no room for that: checkLog asks again.
func (s *Store) rescue() {
	if err := s.wal.Renew(); err != nil {
		s.cfg.Logger.Warn("another file of the write-ahead log could not be begun", "problem", err)
	}
	c := &s.commit
	if c.rows == 0 {
		s.exposed.Store(false)
		return
	}
	select {
	case s.slot <- struct{}{}:
	default:
		return
	}
	s.exposed.Store(false)
	c.rows, c.bytes, c.base = 0, 0, c.next
	s.apply <- &group{first: c.next, rotate: true}
}
