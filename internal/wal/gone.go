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
