package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// tails is what all who follow the log share.
//
// A hundred tails of a log that grows by 250,000 events a second would be sent
// 13 GB a second, which no machine does. So appends go first: tails work one
// after another, the less the more is appended, fall behind, and catch up from
// the log itself, of which nothing is lost meanwhile.
type tails struct {
	near    lane // tails at what is in memory
	far     lane // tails at what is in segments, which takes longer to read
	pulse   pulse
	windows windows
}

func (t *tails) init() {
	t.near.turn = make(chan struct{}, 1)
	t.far.turn = make(chan struct{}, 1)
	t.windows.max, t.windows.maxBytes = maxWindows, maxWindowBytes
}

// A lane lets one tail work at a time, in the order of asking. It rests between
// turns, the longer the more tails wait, so that others get the machine: a
// single tail keeps up with the log if it can, a crowd does not hold it up.
type lane struct {
	turn    chan struct{} // holds whoever works
	waiting atomic.Int32  // for the turn
	open    time.Time     // the rest ends; belongs to whoever has the turn
}

const (
	maxTurn   = 20 * time.Millisecond  // that a tail goes through events for
	restRatio = 2                      // how much longer a lane rests than it worked, at most
	restGrain = time.Millisecond       // shorter rests are added up
	maxRest   = 100 * time.Millisecond // whatever the clock says
)

// enter waits for a turn, which leave ends.
func (l *lane) enter(ctx context.Context, now func() time.Time) error {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	rest := min(l.open.Sub(now()), maxRest)
	if rest < restGrain {
		return nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		<-l.turn
		return ctx.Err()
	}
}

// leave ends the turn that began then and has cost so much.
func (l *lane) leave(began time.Time, cost time.Duration) {
	if l.open.Before(began) {
		l.open = began
	}
	if cost > 0 {
		l.open = l.open.Add(cost + min(restRatio, time.Duration(l.waiting.Load()))*cost)
	}
	<-l.turn
}

// A pulse says whether the log grows quickly.
type pulse struct {
	mu   sync.Mutex
	at   time.Time // of the latest look
	end  uint64    // of the log then
	fast bool
}

const (
	pulseLength = 50 * time.Millisecond // between looks, at least
	quickGrowth = 1000                  // events a second
)

// quick reports whether the log, which now ends at end, grows quickly.
func (p *pulse) quick(now time.Time, end uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := now.Sub(p.at); d >= pulseLength || d < 0 {
		p.fast = float64(end-p.end) >= quickGrowth*d.Seconds() && d > 0
		p.at, p.end = now, end
	}
	return p.fast
}
