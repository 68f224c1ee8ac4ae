package store

import (
	"context"
	"time"

	"annal"
)

// Tail waits until position from is visible and then calls fn with events that
// q selects from there on, in the order of their positions, each with its native
// JSON. It returns the position to go on from; between that and from there is
// nothing else that q selects, but for what [Store.Missing] names. One call goes no further than fn wants, nor than
// one window of the log. Order, Limit and Offset of q do not matter.
//
// All tails read the same windows and take turns, see [lane]: fn must not wait
// for anything, and both the event and its JSON are lent for the call only.
func (s *Store) Tail(ctx context.Context, q annal.Query, from uint64, fn func(e *annal.Event, native []byte) (more bool)) (next uint64, err error) {
	if err := ctx.Err(); err != nil {
		return from, err
	}
	if err := s.waitApplied(ctx, max(from, from+1)); err != nil {
		return from, err
	}
	if g, lost := s.gapAt(from); lost {
		return g.To, nil
	}
	l, rows := &s.tails.near, uint64(nearRows)
	if from < s.sealedEnd() {
		l, rows = &s.tails.far, farRows
	}
	if err := l.enter(ctx, s.cfg.Now); err != nil {
		return from, err
	}
	began := s.cfg.Now()
	sent := 0
	defer func() { l.leave(began, s.tailCost(began, sent)) }()
	w, err := s.sharedWindow(from, rows)
	if err != nil {
		return from, err
	}
	shown := s.cfg.Now()
	next, sent = w.show(&q, from, func() bool { return s.cfg.Now().Sub(shown) > maxTurn }, fn)
	return next, nil
}

// What it costs to send what a tail was shown, about, wherever it goes: the
// sending itself happens behind the turn, when nobody can measure it.
const (
	sendCost        = 20 * time.Microsecond // a write to a connection
	sendCostPerByte = time.Nanosecond
)

// tailCost is the time that a turn takes from others while they need it: none
// when the log hardly grows.
func (s *Store) tailCost(began time.Time, sent int) time.Duration {
	now := s.cfg.Now()
	if !s.tails.pulse.quick(now, s.applied.Load()) {
		return 0
	}
	cost := max(0, now.Sub(began))
	if sent > 0 {
		cost += sendCost + time.Duration(sent)*sendCostPerByte
	}
	return cost
}

// sharedWindow returns a window that holds position from: one that another tail
// has had read, or a new one of at most rows positions.
func (s *Store) sharedWindow(from, rows uint64) (*window, error) {
	if w := s.tails.windows.find(from); w != nil {
		return w, nil
	}
	w, err := s.readWindow(from, min(from+rows, s.applied.Load()))
	if err != nil {
		return nil, err
	}
	s.tails.windows.add(w)
	return w, nil
}
