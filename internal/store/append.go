package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"annal"
	"annal/internal/wal"
)

// A pending is one batch on its way through the stages.
type pending struct {
	batch    *annal.Batch
	encoded  []byte
	ends     []uint32 // where each event's encoding ends
	receipts []annal.Receipt
	received int64    // µs
	kept     int      // events that are not duplicates
	key      [16]byte // hash of batch.Key
	known    bool     // the key was seen before, so all events are duplicates
	twins    []twin
	err      error
	done     chan struct{}
}

// A twin is an event of a batch that repeats an earlier one of the same batch.
type twin struct{ event, first int }

const (
	// maxBuffer bounds the buffers that are kept for reuse.
	maxBuffer = 4 << 20
	// maxBatchBytes bounds a batch as the log keeps it. The batches of its group
	// that come before it, what stands before the events of all, and their keys take
	// less than what is left of a record.
	maxBatchBytes = wal.MaxRecord - 3*maxGroupBytes
)

// Append stores b: all of its events or, with an error, none. When it returns,
// the events are synced and visible. It fills Position, Seq, Received and Salt
// of the events, whose strings it does not keep.
//
// Errors: *annal.InvalidError (it is too large), *annal.ConflictError, annal.ErrUnavailable (the disk does not take
// it), annal.ErrClosed, or ctx's before the batch was queued.
func (s *Store) Append(ctx context.Context, b *annal.Batch) ([]annal.Receipt, error) {
	if len(b.Events) == 0 {
		return nil, nil
	}
	s.appending.RLock()
	defer s.appending.RUnlock()
	if s.closing.Load() {
		return nil, annal.ErrClosed
	}
	p := &pending{batch: b, receipts: make([]annal.Receipt, len(b.Events)), done: make(chan struct{})}
	buf := s.buffers.Get().(*[]byte)
	p.encoded = (*buf)[:0]
	if err := p.encode(s.cfg.Random); err != nil {
		return nil, err
	}
	if n := len(p.encoded); n > maxBatchBytes { // as a part of a group it would fail that, at each try
		return nil, annal.Invalid("", "the batch takes %d bytes in the log; at most %d are allowed: send fewer events at a time", n, maxBatchBytes)
	}
	select {
	case s.queue <- p:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	<-p.done // from here on the batch may be stored, so its fate must be known
	if *buf = p.encoded; cap(*buf) <= maxBuffer {
		s.buffers.Put(buf)
	}
	if p.err != nil {
		return nil, p.err
	}
	s.fillIDs(p)
	return p.receipts, nil
}

// encode writes the events as the log keeps them, with fresh salts.
func (p *pending) encode(random io.Reader) error {
	events := p.batch.Events
	salts := make([]byte, 16*len(events))
	if _, err := io.ReadFull(random, salts); err != nil {
		return fmt.Errorf("read random salts: %w", err)
	}
	p.ends = make([]uint32, len(events))
	for i := range events {
		copy(events[i].Salt[:], salts[16*i:])
		p.encoded = appendEvent(p.encoded, &events[i])
		p.ends[i] = uint32(len(p.encoded))
	}
	if p.batch.Key != "" {
		sum := sha256.Sum256([]byte(p.batch.Key))
		copy(p.key[:], sum[:])
	}
	return nil
}

// fillIDs completes the receipts of new events; duplicates have theirs.
func (s *Store) fillIDs(p *pending) {
	code := s.ids.Get().(*idCode)
	defer s.ids.Put(code)
	for i := range p.receipts {
		r := &p.receipts[i]
		if !r.Duplicate {
			e := &p.batch.Events[i]
			r.Position, r.Seq = e.Position, e.Seq
		}
	}
	code.ids(p.receipts, p.received)
	for _, t := range p.twins {
		p.receipts[t.event] = p.receipts[t.first]
		p.receipts[t.event].Duplicate = true
	}
}
