package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"annal/internal/vfs"
)

const (
	// maxSpares bounds the files that wait to be used.
	maxSpares = 4
	// maxTries bounds the uses of a spare file that failed.
	maxTries = 3
	// fillChunk is the size of one write when a file is filled with zeros.
	fillChunk = 1 << 20
)

// A spare is a file that waits to be used. Its bytes are zeros or of an older
// epoch.
type spare struct {
	name  string
	size  int64
	tries int // that failed
}

// room makes sure that a record of need bytes fits in the active file.
func (l *Log) room(position uint64, need int64) error {
	if l.active != nil && l.current.gone.Load() {
		l.leave()
	}
	if l.active != nil && l.off+need+reserved <= l.current.size {
		return nil
	}
	s, err := l.take(max(l.cfg.FileSize, blockSize+need+reserved))
	if err != nil {
		l.leave()
		return err
	}
	f, h, err := l.install(&s, position)
	if err != nil {
		l.leave() // the new file may count already
		l.putBack(s)
		return fmt.Errorf("begin log file: %w", err)
	}
	l.finish(position)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, f)
	l.stats.Switches++
	l.active, l.current, l.off, l.prepared = h, f, blockSize, false
	return nil
}

// install turns a spare file into the log file that begins at a position. The
// header is durable before the file has its name, and both before any record is.
func (l *Log) install(s *spare, position uint64) (*logFile, vfs.File, error) {
	f := &logFile{size: s.size, end: position}
	f.fileHeader = fileHeader{logID: l.cfg.LogID, epoch: l.raise(), first: position, number: l.number, length: s.size}
	f.name = path.Join(l.cfg.Dir, logName(position, f.epoch))
	h, err := l.cfg.FS.OpenLog(s.name)
	if err != nil {
		return nil, nil, err
	}
	block := vfs.Aligned(blockSize)
	// A file that an earlier process filled may owe its length to a sync that
	// failed. The header says how long it is, so let its own sync cover that.
	_, err = h.WriteAt(block, s.size-blockSize)
	if err == nil {
		f.encode(block, l.codec.table)
		err = store(h, block, 0)
	}
	if err == nil {
		err = l.cfg.FS.Rename(s.name, f.name)
	}
	if err == nil {
		s.name = f.name
		err = l.cfg.FS.SyncDir(l.cfg.Dir)
	}
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return f, h, nil
}

// raise returns a new epoch.
func (l *Log) raise() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	return l.epoch
}

// take returns a file of a size: one that waits, or else a new one.
func (l *Log) take(size int64) (spare, error) {
	if size != l.cfg.FileSize {
		return l.fill(size)
	}
	l.mu.Lock()
	preparing := l.preparing
	if len(l.spares) > 0 {
		preparing = nil
	}
	l.mu.Unlock()
	if preparing != nil {
		<-preparing
	}
	for {
		s, ok := l.spare()
		if !ok {
			return l.fill(size)
		}
		if _, err := l.cfg.FS.Size(s.name); !errors.Is(err, fs.ErrNotExist) { // else somebody removed it
			return s, nil
		}
	}
}

// spare takes a file that waits, if there is any.
func (l *Log) spare() (s spare, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spares) == 0 {
		return spare{}, false
	}
	s = l.spares[0]
	l.spares = l.spares[1:]
	return s, true
}

// putBack keeps a spare file whose use failed for another try, or removes it.
// If it has a log file's name already, it is a log file without records.
func (l *Log) putBack(s spare) {
	s.tries++
	if s.tries < maxTries && s.size == l.cfg.FileSize {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.spares = append(l.spares, s)
		return
	}
	l.discard(s.name)
}

func (l *Log) discard(name string) {
	if err := l.cfg.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.cfg.Logger.Warn("remove log file", "file", name, "error", err)
	}
}

// ahead has the next file prepared once the active one is half full, so that
// the switch does not wait for it.
func (l *Log) ahead() {
	if l.prepared || l.off < l.current.size/2 {
		return
	}
	l.prepared = true
	l.order()
}

// order has a file prepared unless one waits or is on its way.
func (l *Log) order() {
	l.mu.Lock()
	needed := len(l.spares) == 0 && l.preparing == nil
	if needed {
		l.preparing = make(chan struct{})
	}
	l.mu.Unlock()
	switch {
	case needed && l.cfg.Inline:
		l.prepare()
	case needed:
		go l.prepare()
	}
}

// prepare adds a new file to the spare ones. Close waits for it. Its failure
// matters only if the disk still fails when the file is needed.
func (l *Log) prepare() {
	s, err := l.fill(l.cfg.FileSize)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.preparing)
	l.preparing = nil
	if err != nil {
		l.cfg.Logger.Warn("prepare log file", "error", err)
		return
	}
	l.spares = append(l.spares, s)
}

// fill makes a file of zeros, and fails at once on a full disk. All its blocks are written, so that later writes
// change no metadata and find their space.
func (l *Log) fill(size int64) (spare, error) {
	s := spare{name: path.Join(l.cfg.Dir, freeName(l.raise())), size: size}
	err := l.writeZeros(s)
	if err != nil {
		l.discard(s.name)
		return spare{}, fmt.Errorf("prepare log file: %w", err)
	}
	return s, nil
}

func (l *Log) writeZeros(s spare) (err error) {
	f, err := l.cfg.FS.Create(s.name)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	f, err = l.cfg.FS.OpenLog(s.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Allocate(s.size); err != nil {
		return err
	}
	zeros := vfs.Aligned(int(min(s.size, fillChunk)))
	for off := int64(0); off < s.size; off += int64(len(zeros)) {
		zeros = zeros[:min(int64(len(zeros)), s.size-off)]
		if _, err := f.WriteAt(zeros, off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// adopt takes the free files that an earlier process left, and removes those
// that are too many or of another size.
func (l *Log) adopt(names []string) {
	for _, name := range names {
		size, err := l.cfg.FS.Size(name)
		if err == nil && size == l.cfg.FileSize && len(l.spares) < maxSpares {
			l.spares = append(l.spares, spare{name: name, size: size})
			continue
		}
		l.discard(name)
	}
}

// Trim frees the files that hold only positions < below: they are used again,
// or removed when enough are free.
func (l *Log) Trim(below uint64) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.mu.Lock()
	n := 0
	for n+1 < len(l.files) && l.files[n].end <= below {
		n++
	}
	old := l.files[:n:n]
	l.files = l.files[n:]
	l.mu.Unlock()

	var failed []*logFile
	var errs []error
	for _, f := range old {
		if err := l.release(f); err != nil {
			failed, errs = append(failed, f), append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(failed, l.files...)
	return fmt.Errorf("trim log below %d: %w", below, errors.Join(errs...))
}

// release recycles or removes a file. That need not be durable: if it is
// undone, the file is trimmed again, and if the file has a new header by then,
// its old name counts for nothing.
func (l *Log) release(f *logFile) error {
	l.mu.Lock()
	keep := len(l.spares) < maxSpares && f.size == l.cfg.FileSize
	l.mu.Unlock()
	if !keep {
		if err := l.cfg.FS.Remove(f.name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	s := spare{name: path.Join(l.cfg.Dir, freeName(f.epoch)), size: f.size}
	if err := l.cfg.FS.Rename(f.name, s.name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spares = append(l.spares, s)
	l.stats.Recycled++
	return nil
}
