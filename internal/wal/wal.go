package wal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path"
	"sync"

	"annal"
	"annal/internal/vfs"
)

const (
	// DefaultFileSize is the size of a log file, in bytes.
	DefaultFileSize = 64 << 20
	// maxKeptBuffer bounds the append buffer that is kept between records.
	maxKeptBuffer = 16 << 20
)

// A Config says where a log lives.
type Config struct {
	FS       vfs.FS
	Dir      string
	FileSize int64    // of every file, in bytes; 0 means DefaultFileSize; rounded up to 4 KiB
	LogID    [16]byte // a file with another id is refused
	Logger   *slog.Logger
	// Inline has Append itself prepare files, not a goroutine: slower, but the
	// same calls always do the same to the disk. For tests.
	Inline bool
}

func (c *Config) defaults() {
	if c.FileSize <= 0 {
		c.FileSize = DefaultFileSize
	}
	c.FileSize = max((c.FileSize+blockSize-1)&^(blockSize-1), 2*blockSize)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// A Record is some consecutive events, or, with a Count of 0, a note that stands
// before the event at Position.
type Record struct {
	Position uint64 // of the first event
	Count    uint32 // events
	Received int64  // Unix microseconds
	Payload  []byte // when replayed; valid during the call
}

// A Log is an open write-ahead log. One goroutine appends and marks; the other
// methods may be called from any.
type Log struct {
	cfg   Config
	codec codec

	// Owned by whoever appends.
	active   vfs.File // nil: the next Append opens a new file
	current  *logFile // the active one
	off      int64    // where the next record goes
	number   uint64   // of the next record
	prepared bool     // the file after this one was asked for
	proved   bool     // a mark stands behind the last record
	buf      []byte   // aligned, reused

	trimming sync.Mutex // held by Trim

	mu        sync.Mutex
	files     []*logFile // in the order of their epochs; their ends too are guarded
	epoch     uint64     // the highest that was ever used, for a file or a free one
	next      uint64     // position of the next record
	closed    bool
	spares    []spare       // files to be used next
	preparing chan struct{} // closed when the file being prepared is ready; nil: none is
	stats     Stats
}

// Stats counts what a log did since it was opened, and what it holds.
type Stats struct {
	Records   uint64 // acknowledged
	Bytes     uint64 // written for them, padding included
	Syncs     uint64 // of records, successful
	Failures  uint64 // appends that the disk refused
	Switches  uint64 // files begun
	Recycled  uint64 // files that Trim kept for another life
	Files     int    // now, in the log
	FileBytes int64  // of those
	Spare     int    // files ready for use
	Next      uint64 // position of the next record
}

// Open opens the log in a folder, or begins one, and replays, oldest first,
// every intact record that holds positions ≥ from, or that stands at from or
// later and holds none. A record may begin below from. It returns what was
// found damaged. What was replayed is durable from then on, even if the process
// that wrote it never learned so. From must not be below what was trimmed.
func Open(cfg Config, from uint64, replay func(Record) error) (*Log, []Damage, error) {
	cfg.defaults()
	if err := cfg.FS.MkdirAll(cfg.Dir); err != nil {
		return nil, nil, fmt.Errorf("make log folder: %w", err)
	}
	d, err := scan(&cfg)
	if err != nil {
		return nil, nil, err
	}
	p := replayer{cfg: &cfg, from: from, emit: replay}
	if err := p.run(d); err != nil {
		return nil, p.damages, err
	}
	for _, damage := range p.damages {
		cfg.Logger.Error("the write-ahead log is damaged", "file", path.Join(cfg.Dir, damage.File), "damage", damage.String())
	}
	l := &Log{cfg: cfg, codec: newCodec(cfg.LogID), files: d.files, epoch: d.epoch, next: max(from, p.position), number: p.number}
	if err := l.resume(p.position); err != nil {
		return nil, p.damages, err
	}
	l.adopt(d.free)
	if l.active == nil && !cfg.Inline {
		l.order()
	}
	return l, p.damages, nil
}

// resume makes durable what was replayed, and goes on in the newest file if its
// records reach up to the next position.
func (l *Log) resume(reached uint64) error {
	if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
		return fmt.Errorf("sync log folder: %w", err)
	}
	if err := l.cfg.FS.SyncDir(path.Dir(l.cfg.Dir)); err != nil {
		return fmt.Errorf("sync log folder: %w", err)
	}
	if len(l.files) == 0 {
		return nil
	}
	f := l.files[len(l.files)-1]
	h, err := l.cfg.FS.OpenLog(f.name)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if err := l.rewrite(h, f); err != nil {
		h.Close()
		return fmt.Errorf("settle the last record of %s: %w", f.name, err)
	}
	if f.damaged || reached < l.next {
		return h.Close()
	}
	if f.ended { // the file after it is missing: it goes on in another
		return h.Close()
	}
	l.active, l.current, l.off, l.proved = h, f, f.tail, f.proved
	return nil
}

// rewrite writes a file's last record over itself and syncs it. The record may
// be one whose sync failed: the system may show it, and hold it for clean,
// although the disk does not have it.
func (l *Log) rewrite(h vfs.File, f *logFile) error {
	if f.last == 0 {
		return nil
	}
	b := vfs.Aligned(int(f.tail - f.last))
	if n, err := h.ReadAt(b, f.last); n < len(b) {
		return err
	}
	head, ok := l.codec.decode(b)
	if !ok || !l.codec.intact(b[:recordHeader+int(head.length)], f.last) {
		return errors.New("it reads differently the second time")
	}
	return store(h, b, f.last)
}

// store writes b at off and syncs.
func store(f vfs.File, b []byte, off int64) error {
	if n, err := f.WriteAt(b, off); err != nil {
		return err
	} else if n < len(b) {
		return io.ErrShortWrite
	}
	return f.Sync()
}

// Skip has a log that was just opened go on at a position behind its next, for
// positions before it may have been given and lost. The next record begins a file
// whose header says so.
func (l *Log) Skip(to uint64) {
	l.leave()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = max(l.next, to)
}

// Append writes a record, whose payload is the concatenation of parts, and
// returns when it is durable. Its position must be the next. After an error the
// record was not acknowledged and never will be, except that it may come back
// whole if the log is opened again before the next successful Append. One
// caller at a time.
func (l *Log) Append(rec Record, parts ...[]byte) error {
	size := int64(0)
	for _, p := range parts {
		size += int64(len(p))
	}
	if err := l.admit(&rec, size); err != nil {
		return err
	}
	need := padded(size)
	err := l.room(rec.Position, need)
	if err == nil {
		err = l.write(l.frame(recordMagic, &rec, parts, int(need)))
	}
	l.done(&rec, need, err)
	if err != nil {
		return fmt.Errorf("append record at position %d: %w", rec.Position, err)
	}
	l.proved = false
	l.ahead()
	return nil
}

// admit checks a record before anything is done.
func (l *Log) admit(rec *Record, size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return annal.ErrClosed
	case size > MaxRecord:
		return fmt.Errorf("append record at position %d: %w: %d bytes, at most %d are allowed", rec.Position, ErrTooLarge, size, MaxRecord)
	case l.next+uint64(rec.Count) < l.next:
		return fmt.Errorf("append record at position %d: positions end at %d", rec.Position, uint64(math.MaxUint64))
	case rec.Position != l.next:
		return fmt.Errorf("append record at position %d: the next position is %d", rec.Position, l.next)
	}
	return nil
}

// frame builds a record in the buffer, for the active file.
func (l *Log) frame(magic uint32, rec *Record, parts [][]byte, need int) []byte {
	if cap(l.buf) < need || cap(l.buf) > maxKeptBuffer && need <= maxKeptBuffer {
		l.buf = vfs.Aligned(max(need, min(2*cap(l.buf), maxKeptBuffer)))
	}
	b := l.buf[:recordHeader]
	for _, p := range parts {
		b = append(b, p...)
	}
	f := frame{
		magic: magic, epoch: l.current.epoch, number: l.number, length: uint32(len(b) - recordHeader),
		position: rec.Position, count: rec.Count, received: rec.Received,
	}
	l.codec.seal(b, &f, l.off)
	clear(b[len(b):need])
	return b[:need]
}

// write writes and syncs a framed record. After a failure nothing more is
// written to the file.
func (l *Log) write(b []byte) error {
	err := store(l.active, b, l.off)
	if err == nil {
		l.off += int64(len(b))
		l.number++
		return nil
	}
	l.leave()
	return err
}

// leave closes the active file.
func (l *Log) leave() {
	if l.active == nil {
		return
	}
	if err := l.active.Close(); err != nil {
		l.cfg.Logger.Warn("close log file", "error", err)
	}
	l.active = nil
}

// done takes account of an append.
func (l *Log) done(rec *Record, size int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.stats.Failures++
		return
	}
	l.next += uint64(rec.Count)
	l.current.end, l.current.tail = l.next, l.off
	if rec.Count == 0 {
		l.current.end++
	}
	l.stats.Records++
	l.stats.Syncs++
	l.stats.Bytes += uint64(size)
}

// Stats returns the log's figures.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Files, s.Spare, s.Next = len(l.files), len(l.spares), l.next
	for _, f := range l.files {
		s.FileBytes += f.size
	}
	return s
}

// Close marks the log's end and closes it. It must not run during an Append.
func (l *Log) Close() error {
	if err := l.Mark(); err != nil && !errors.Is(err, annal.ErrClosed) {
		l.cfg.Logger.Warn("mark the end of the log", "error", err)
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	preparing := l.preparing
	l.mu.Unlock()
	if preparing != nil {
		<-preparing
	}
	if l.active == nil {
		return nil
	}
	return l.active.Close()
}
