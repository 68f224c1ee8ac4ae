package store

// checkLog finds files of the write-ahead log that were cut or removed while it is
// open. The system keeps what was written to a removed file only as long as that is
// open, and a start would not find it. But the events are in memory, too: they are
// sealed at once.
func (s *Store) checkLog() {
	for _, file := range s.wal.Gone() {
		s.cfg.Logger.Error("a file of the write-ahead log was cut or removed while it was open: the events in memory are sealed now, and writes go on in another file", "file", file)
		s.spoiled(file)
		s.exposed.Store(true)
	}
	if s.exposed.Load() {
		select {
		case s.urgent <- struct{}{}:
		default:
		}
	}
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
	c.rows, c.bytes = 0, 0
	s.apply <- &group{first: c.next, rotate: true}
}
