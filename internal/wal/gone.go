package wal

import (
	"errors"
	"io/fs"
	"slices"
)

// Gone names the files of the log that are not in their place any more, or are
// shorter than they were, each once: a start would not find what they hold. Appends
// go on in another file.
func (l *Log) Gone() (names []string) {
	l.mu.Lock()
	files := slices.Clone(l.files)
	l.mu.Unlock()
	for _, f := range files {
		size, err := l.cfg.FS.Size(f.name)
		if (errors.Is(err, fs.ErrNotExist) || err == nil && size < f.size) && l.miss(f) {
			names = append(names, f.name)
		}
	}
	return names
}

// miss notes that f is gone, unless that is known, or f was trimmed meanwhile.
func (l *Log) miss(f *logFile) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.files, f) && !f.gone.Swap(true)
}

// Renew begins another file in place of one that is gone, so that a start does not
// miss the log. Like an append it is for whoever appends.
func (l *Log) Renew() error {
	if l.active == nil || !l.current.gone.Load() {
		return nil
	}
	l.mu.Lock()
	position := l.next
	l.mu.Unlock()
	return l.room(position, 0)
}

// A Patrol is where the reading anew of a log has come to.
type Patrol struct {
	epoch uint64 // files with lower ones are done
	off   int64
	buf   []byte
}

// Scrub reads about limit bytes of what was appended anew, past the system's cache,
// from a place on, which it moves on; at the end it begins anew. It names a file that
// is not what was written, once, or "". Appends then go on in another file.
func (l *Log) Scrub(at *Patrol, limit int64) (damaged string) {
	f, tail := l.patrolled(at)
	if f == nil {
		at.epoch, at.off = 0, 0
		return ""
	}
	h, err := l.cfg.FS.OpenLog(f.name)
	if err != nil { // Gone tells of a file that is gone
		at.epoch, at.off = f.epoch+1, 0
		return ""
	}
	defer h.Close()
	r := &reader{codec: l.codec, file: h, size: tail, buf: at.buf[:0]}
	sound := r.walk(f.epoch, &at.off, limit)
	at.epoch, at.buf = f.epoch, r.buf
	if sound && at.off < tail {
		return ""
	}
	at.epoch, at.off = f.epoch+1, 0
	if sound || !l.miss(f) {
		return ""
	}
	return f.name
}

// patrolled returns the file to go on with, and where its records end; nil when
// there is no other. Files that are known to be damaged are passed over.
func (l *Log) patrolled(at *Patrol) (f *logFile, tail int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		if f.epoch >= at.epoch && f.tail > blockSize && !f.damaged && !f.holed && !f.gone.Load() {
			if f.epoch > at.epoch {
				at.off = 0
			}
			return f, f.tail
		}
	}
	return nil, 0
}

// walk reads records of a file, from off on, which it moves on, until it has read
// limit bytes or the last. It reports whether all were sound.
func (r *reader) walk(epoch uint64, off *int64, limit int64) (sound bool) {
	end := *off + limit
	if *off == 0 {
		b, err := r.bytes(0, blockSize)
		if err != nil {
			return false
		}
		if h, err := decodeHeader(b, r.codec.table); err != nil || h.epoch != epoch {
			return false
		}
		*off = blockSize
	}
	for *off < min(end, r.size) {
		_, _, n, err := r.record(*off, func(f *frame) bool { return f.epoch == epoch })
		if err != nil || n == 0 {
			return false
		}
		*off += n
	}
	return true
}
