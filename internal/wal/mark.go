package wal

import "annal"

// Marks are records without contents. One stands behind the last record of a log
// that is at rest, or was closed: with it that record is no longer the last, so
// that damage to it is damage, and not taken for a write that the power cut off.
// One ends a file that another follows, so that the loss of the newest file does
// not look like the end of the log.

// reserved is what is kept free behind a record for the two marks that may
// follow it.
const reserved = 2 * blockSize

// Mark proves that every record was acknowledged. It is for when the log is at
// rest: it costs a write and a sync, unless a mark stands there already. An
// error leaves the log usable, and what was appended durable.
func (l *Log) Mark() error {
	if l.proved || l.active == nil || l.off+reserved > l.current.size {
		return nil
	}
	l.mu.Lock()
	position, closed := l.next, l.closed
	l.mu.Unlock()
	if closed {
		return annal.ErrClosed
	}
	err := l.write(l.frame(markMagic, &Record{Position: position}, nil, blockSize))
	l.proved = err == nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.stats.Failures++
		return err
	}
	l.stats.Bytes += blockSize
	return nil
}

// Proved reports whether a mark stands at the end of the log, or nothing that
// needs one does.
func (l *Log) Proved() bool { return l.proved || l.active == nil }

// finish ends the active file, which the one that was just begun follows. Should
// the mark not be written, no more is lost than what it would have told.
func (l *Log) finish(position uint64) {
	if l.active == nil {
		return
	}
	if l.off+blockSize <= l.current.size {
		if err := store(l.active, l.frame(endMagic, &Record{Position: position}, nil, blockSize), l.off); err != nil {
			l.cfg.Logger.Warn("mark the end of a log file", "file", l.current.name, "error", err)
		}
	}
	l.leave()
}
