// Package access notes who has read the log, in a small log of its own: reads are
// not events, so that reading the log does not make it grow.
//
// The one idea: noting never delays or fails a read. A note goes into a bounded
// queue, and one goroutine writes the queue in batches. Reads must be answered
// above all when something is wrong, also when that is the disk; so when the
// queue is full, notes are dropped, counted, and the stream itself says how many
// are missing.
package access

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"annal"
)

// Limits.
const (
	QueueLength = 8192 // notes that wait to be written
	maxBatch    = 512  // notes written together
)

// restAfter is how long notes gather after a batch: with a sync for each read, a
// busy server would spend a tenth of its time on notes. A note that comes alone
// is written at once.
const restAfter = 20 * time.Millisecond

// retryAfter is how long a failing disk is left alone.
const retryAfter = time.Second

// ActionDropped is the action of events that stand for notes that were dropped.
const ActionDropped = "access.dropped"

// A Config says how to write notes.
type Config struct {
	// Write stores events given as NDJSON: all of them or, with an error, none.
	// An [annal.InvalidError] is about the events and is not worth a retry.
	Write  func(ctx context.Context, body []byte) error
	Now    func() time.Time
	Tenant string // of the events about the stream itself
	Logger *slog.Logger
	Queue  int // notes that wait; 0: QueueLength
}

// A Log takes notes. It is safe for concurrent use.
type Log struct {
	cfg     Config
	queue   chan annal.Event
	dropped atomic.Uint64
	written atomic.Uint64
	quit    chan struct{}
	done    chan struct{}
	told    uint64 // how many dropped notes the stream knows of
}

// Open begins to write notes; Close ends it.
func Open(cfg Config) *Log {
	if cfg.Queue == 0 {
		cfg.Queue = QueueLength
	}
	l := &Log{cfg: cfg, queue: make(chan annal.Event, cfg.Queue), quit: make(chan struct{}), done: make(chan struct{})}
	go l.run()
	return l
}

// Note adds e to the queue, or drops it when the queue is full.
func (l *Log) Note(e annal.Event) {
	select {
	case l.queue <- e:
	default:
		l.dropped.Add(1)
	}
}

// Dropped counts the notes that were not kept.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Written counts the notes that are in the stream.
func (l *Log) Written() uint64 { return l.written.Load() }

// Close writes what is queued, tries that once, and ends. Nothing may be noted
// any more.
func (l *Log) Close() error {
	close(l.quit)
	<-l.done
	return nil
}

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case e := <-l.queue:
			l.store(l.gather(e))
			l.rest()
		case <-l.quit:
			for len(l.queue) > 0 {
				l.store(l.gather(<-l.queue))
			}
			l.store(nil)
			return
		}
	}
}

// rest waits for more notes to come, or for the end.
func (l *Log) rest() {
	select {
	case <-l.quit:
	case <-time.After(restAfter):
	}
}

// gather takes what else waits.
func (l *Log) gather(first annal.Event) []annal.Event {
	batch := []annal.Event{first}
	for len(batch) < maxBatch {
		select {
		case e := <-l.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// store writes a batch, and goes on trying until the log closes.
func (l *Log) store(batch []annal.Event) {
	dropped, notes := l.dropped.Load(), len(batch)
	if dropped > l.told {
		batch = append(batch, l.gap(dropped-l.told))
	}
	for len(batch) > 0 {
		err := l.write(batch)
		var invalid *annal.InvalidError
		switch {
		case err == nil:
			l.told = dropped
			l.written.Add(uint64(len(batch)))
			return
		case errors.As(err, &invalid):
			l.storeEach(batch)
			l.told = dropped
			return
		case !l.pause(err):
			l.dropped.Add(uint64(notes)) // what stands for lost ones is none
			return
		}
	}
}

// storeEach finds out which events of a refused batch can be kept.
func (l *Log) storeEach(batch []annal.Event) {
	for i := range batch {
		if err := l.write(batch[i : i+1]); err != nil {
			l.dropped.Add(1)
			l.cfg.Logger.Error("a read was not noted", "request_id", batch[i].Request.ID, "error", err)
			continue
		}
		l.written.Add(1)
	}
}

func (l *Log) write(batch []annal.Event) error {
	var body []byte
	for i := range batch {
		body = append(batch[i].AppendCanonical(body), '\n')
	}
	return l.cfg.Write(context.Background(), body)
}

// pause waits before the next try, and reports whether there shall be one.
func (l *Log) pause(err error) bool {
	l.cfg.Logger.Error("reads of the log are not noted at present", "error", err, "waiting", len(l.queue), "dropped", l.dropped.Load())
	select {
	case <-l.quit:
		return false
	case <-time.After(retryAfter):
		return true
	}
}

// gap stands for n notes that are missing.
func (l *Log) gap(n uint64) annal.Event {
	return annal.Event{
		Time: l.cfg.Now().UTC(), Tenant: l.cfg.Tenant, Actor: annal.Actor{Type: "system", ID: "system"}, Action: ActionDropped,
		Outcome: annal.Failure, Severity: annal.Severe, Message: strconv.FormatUint(n, 10) + " reads before this one were not noted",
	}
}
