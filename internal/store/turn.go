package store

import (
	"context"
	"runtime"
	"sync/atomic"

	"annal"
)

// turns let a few questions work at a time, however many are asked. A machine
// that divides itself among a thousand of them answers none in time, and what
// appends wait for, which is a handful of goroutines, hardly ever runs.
//
// A question begins with a turn of those for beginners, and most need no more.
// One that has looked at many rows, or looks for words in texts, goes over to the
// others, and after each look lets go first who waits longest there: those that
// take long hold up one another, and nobody else.
type turns struct {
	begun queue
	long  queue
	asked atomic.Int32 // questions that work or wait
}

// maxAsked bounds the questions that work or wait. Each has memory of its own.
const maxAsked = 4096

// A queue holds one element for each question that may still work.
type queue struct {
	free    chan struct{}
	waiting atomic.Int32
}

func (l *queue) init(n int) {
	l.free = make(chan struct{}, n)
	for range n {
		l.free <- struct{}{}
	}
}

// enter waits for a turn, in the order of asking.
func (l *queue) enter(ctx context.Context) error {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case <-l.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turns) init() {
	n := runtime.GOMAXPROCS(0)
	t.begun.init(n)
	t.long.init(n)
}

// A turn is one question's. It is used by one goroutine.
type turn struct {
	of   *turns
	lane *queue // where it works; nil: it rests
	long bool   // it belongs to those that take long
	kept bool   // others wait for what it holds besides: it must not wait for them
}

// begin waits until the question may work, which is known to take long or not;
// end must follow.
func (t *turns) begin(ctx context.Context, long bool) (*turn, error) {
	if t.asked.Add(1) > maxAsked {
		t.asked.Add(-1)
		return nil, annal.ErrBusy
	}
	x := &turn{of: t, long: long}
	if err := x.again(ctx); err != nil {
		x.end()
		return nil, err
	}
	return x, nil
}

func (x *turn) end() {
	x.rest()
	x.of.asked.Add(-1)
}

// rest lets others work until again.
func (x *turn) rest() {
	if x.lane != nil {
		x.lane.free <- struct{}{}
		x.lane = nil
	}
}

// again waits for a turn after a rest.
func (x *turn) again(ctx context.Context) error {
	l := &x.of.begun
	if x.long {
		l = &x.of.long
	}
	if err := l.enter(ctx); err != nil {
		return err
	}
	x.lane = l
	return nil
}

// pass lets work who waits, if anybody does, and then goes on.
func (x *turn) pass(ctx context.Context) error {
	if x == nil || x.kept || x.long && x.of.long.waiting.Load() == 0 {
		return ctx.Err()
	}
	x.rest()
	x.long = true
	return x.again(ctx)
}

// keep says whether x holds what other questions wait for with turns of theirs.
func (x *turn) keep(held bool) {
	if x != nil {
		x.kept = held
	}
}
