// Package store keeps the log: a write-ahead log, a memtable of the newest
// events, and immutable segments.
//
// One idea carries it: an event is durable in the write-ahead log before it is
// acknowledged, and visible to queries before it is acknowledged too. From then
// on it is in exactly one place that queries read, a memtable or a segment, and
// a [view] names those places consistently.
//
//	Append ─► queue ─► commit: dedupe, number, write + sync ─► apply to memtable ─► answer
//	                                                             │ full
//	                                                             └─► seal: segment, manifest, trim the log
//
// Three goroutines, one for each stage, and one that watches over memory are
// started by Open and waited for by Close. Reads run on their callers' goroutines over a view.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/vfs"
	"annal/internal/wal"
)

// IdentityFile, within Config.Dir, says which log it is.
const IdentityFile = "LOG"

// Folders and other files within Config.Dir.
const (
	walDir       = "wal"
	segmentDir   = "segments"
	damagedDir   = "damaged"
	lockFile     = "LOCK"
	manifestFile = "MANIFEST"
)

// Defaults and limits.
const (
	DefaultSegmentRows = 512 << 10
	maxMemBytes        = 192 << 20              // encoded events of one memtable
	maxWeight          = 192 << 20              // bytes of memory that one takes
	maxWeights         = 256 << 20              // that all take, of which one is not sealed yet; full ones of usual events take 155 MiB each
	maxGroupBytes      = 8 << 20                // encoded events that one sync covers, beyond the first batch
	queueLength        = 4096                   // batches that wait for the committer
	retryAfter         = 250 * time.Millisecond // how long writes are refused at once after a failure
	restAfter          = time.Second            // without writes, before the write-ahead log is marked
	sealPatience       = 10 * time.Second       // how long a write waits for room before it is refused
	idempotencyWindow  = 24 * time.Hour
	maxKeys            = 500_000 // batch keys remembered; beyond, the oldest go early
)

// A Config says how to open a Store.
type Config struct {
	Dir         string
	FS          vfs.FS           // nil: vfs.OS
	Now         func() time.Time // nil: time.Now
	Random      io.Reader        // for salts and the log's identity; nil: crypto/rand
	Logger      *slog.Logger     // nil: discard
	SegmentRows int              // 0: DefaultSegmentRows
	WALFileSize int64            // 0: wal's default
	Resident    int64            // resident memory of the process above which pages of segments are given back; 0: never
	Heap        int64            // that the collector keeps the heap below while it can, see [Store.Pressed]; 0: none

	spaceValues int // distinct values of a field counted in memory; 0: maxSpaceValues
}

// A Store is an open log. All methods are safe for concurrent use.
type Store struct {
	cfg      Config
	fs       vfs.FS
	identity identity
	lock     io.Closer
	wal      *wal.Log

	queue  chan *pending
	urgent chan struct{} // has the committer look at exposed
	apply  chan *group
	seals  chan *memtable
	slot   chan struct{} // held from the decision to rotate until the old memtable is sealed
	done   sync.WaitGroup

	closing   atomic.Bool
	quit      chan struct{} // closed when closing begins
	appending sync.RWMutex  // held for reading by Appends on their way through the queue

	gaps []gap // what is lost; known from Open on

	mu       sync.Mutex // guards cur, its references, manifest, damaged
	cur      *view
	manifest manifest
	damaged  map[string]bool // files of truth that a read met damaged

	applied  atomic.Uint64 // positions below are visible
	readers  atomic.Uint64 // guarded reads that have begun
	looked   atomic.Int64  // when touch looked at resident memory last, in ns
	news     broadcast     // wakes those who wait for applied to grow
	commit   committer
	spaces   [annal.NumTexts]space
	counters counters
	alarm    atomic.Pointer[string] // why writes are refused; nil when they are not
	ids      sync.Pool              // *idCode
	buffers  sync.Pool              // *[]byte, for encoding batches
	cells    sync.Pool              // *tally, for its cells
	totals   totals
	spare    spare
	tails    tails
	turns    turns
	desks    desks
	pressure pressure

	exposed     atomic.Bool // events in memory are in no file of the write-ahead log any more
	healing     sync.Mutex
	sealTrouble atomic.Pointer[string] // why the latest attempt to seal failed; nil when it did not
}

// Open opens the log in cfg.Dir, or begins one. It recovers whatever a crash
// left behind; damage does not keep the rest from being served and is reported
// by [Store.Stats].
func Open(cfg Config) (*Store, error) {
	s := &Store{cfg: withDefaults(cfg), quit: make(chan struct{})}
	s.fs = s.cfg.FS
	if err := s.open(); err != nil {
		if s.lock != nil {
			_ = s.lock.Close()
		}
		return nil, fmt.Errorf("open log %s: %w", cfg.Dir, err)
	}
	s.start()
	return s, nil
}

func (s *Store) open() (err error) {
	for _, d := range []string{"", walDir, segmentDir} {
		if err := s.fs.MkdirAll(s.path(d)); err != nil {
			return err
		}
	}
	if s.lock, err = s.fs.Lock(s.path(lockFile)); err != nil {
		return err
	}
	if s.identity, err = openIdentity(s.fs, s.cfg); err != nil {
		return err
	}
	for f := range s.spaces {
		s.spaces[f].max = s.cfg.spaceValues
	}
	s.cells.New = func() any { return new(tally) }
	s.buffers.New = func() any { return new([]byte) }
	s.tails.init()
	s.turns.init()
	s.desks.init()
	s.totals.max, s.totals.maxBytes = maxTotals, maxTotalBytes
	s.ids.New = func() any { return newIDCode(s.identity.IDKey) }
	if s.manifest, err = s.openManifest(); err != nil {
		return err
	}
	back := s.takeBack()
	s.cur = &view{}
	damaged, err := s.openSegments()
	if err != nil {
		return err
	}
	damaged, again, err := s.fromLog(damaged)
	if err != nil {
		return err
	}
	if err := s.recover(); err != nil {
		return err
	}
	// Not before the write-ahead log has shown that it is of this log too: with
	// a LOG from elsewhere every segment looks foreign.
	for _, d := range damaged {
		if err := s.setAside(d.segmentEntry, d.cause); err != nil {
			return err
		}
	}
	if err := s.writtenAgain(again); err != nil {
		return err
	}
	s.servedAgain(back)
	s.gaps = s.findGaps()
	return s.removeOrphans()
}

// start runs the three stages.
func (s *Store) start() {
	s.done.Add(4)
	go s.commitLoop()
	go s.applyLoop()
	go s.sealLoop()
	go s.releaseLoop()
}

// Close waits for the batches on their way, and shuts the log. Whatever is not
// sealed yet is in the write-ahead log. Questions under way are answered from what
// they hold; those that come later get annal.ErrClosed.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		return annal.ErrClosed
	}
	close(s.quit)
	s.appending.Lock()
	close(s.queue)
	s.appending.Unlock()
	s.done.Wait()
	s.news.wake()
	err := s.wal.Close()
	s.shut()
	return errors.Join(err, s.lock.Close())
}

// shut puts a view in force that nobody reads. Segments stay mapped for those who
// hold an older one, and no index is written any more.
func (s *Store) shut() {
	s.healing.Lock()
	defer s.healing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.cur
	s.cur = &view{closed: true}
	s.retire(last)
}

// ID names the log; every file of it bears it.
func (s *Store) ID() [16]byte { return s.identity.LogID }

// End is the position that the next event will get; all below it are visible.
func (s *Store) End() uint64 { return s.applied.Load() }

func (s *Store) path(name string) string { return path.Join(s.cfg.Dir, name) }

func withDefaults(c Config) Config {
	if c.FS == nil {
		c.FS = vfs.OS{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = systemRandom
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.SegmentRows <= 0 {
		c.SegmentRows = DefaultSegmentRows
	}
	return c
}

// A broadcast wakes everybody who waits on the channel that wait returned.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// waitApplied returns once every position below end is visible.
func (s *Store) waitApplied(ctx context.Context, end uint64) error {
	for {
		woken := s.news.wait()
		if s.applied.Load() >= end {
			return nil
		}
		if s.closing.Load() {
			return annal.ErrClosed
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// removeOrphans removes the files of a segment that was written but not yet in
// the manifest when the power went: the write-ahead log has its events, and they
// were just recovered from there. A segment that nothing else has the events of
// stays.
func (s *Store) removeOrphans() error {
	known := map[string]bool{}
	for _, e := range s.manifest.Segments {
		known[e.Name] = true
	}
	names, err := s.fs.List(s.path(segmentDir))
	if err != nil {
		return err
	}
	for _, file := range names {
		base := strings.TrimSuffix(file, ".tmp")
		name := strings.TrimSuffix(strings.TrimSuffix(base, segment.ColSuffix), segment.IdxSuffix)
		first, last, _, ok := segment.ParseName(name)
		if !ok || known[name] {
			continue
		}
		if strings.HasSuffix(file, segment.ColSuffix) && s.gapBetween(first, last) {
			s.cfg.Logger.Error("a segment holds events that are lost elsewhere, but the manifest does not name it: stop, move the manifest away, start",
				"file", file, "manifest", s.path(manifestFile))
			known[name] = true
		}
		if known[name] || first < s.manifest.Next || last >= s.commit.next {
			continue
		}
		s.cfg.Logger.Info("an unfinished segment is removed; the write-ahead log has its events", "file", file)
		if err := s.fs.Remove(s.path(segmentDir) + "/" + file); err != nil {
			return err
		}
	}
	return nil
}

// openSegments opens what the manifest names, and returns those that are
// damaged. A segment that the system does not let be read now may be sound: the
// log is then not opened.
func (s *Store) openSegments() (damaged []unreadable, err error) {
	for _, e := range s.manifest.Segments {
		x, err := s.openSegment(e.Name)
		if err != nil && !isLost(err) {
			return nil, fmt.Errorf("open segment %s: %w", e.Name, err)
		}
		if err != nil {
			damaged = append(damaged, unreadable{e, err})
			continue
		}
		s.cur.segs = append(s.cur.segs, x)
	}
	return damaged, nil
}

// An unreadable is a segment that is to be set aside.
type unreadable struct {
	segmentEntry
	cause error
}

// isLost reports whether err says that a file is not there or not what was
// written, rather than that it cannot be read at the moment.
func isLost(err error) bool {
	var damage *segment.DamageError
	return errors.As(err, &damage) || errors.Is(err, segment.ErrForeign) || errors.Is(err, fs.ErrNotExist)
}
