package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Load of the phase that brings events in and asks at once.
const (
	mixedPace      = 62_000 // events a second: keeping up reaches the goal of 60,000
	maxMixedEvents = 10 * mixedPace
	mixedShare     = 10 // one in so many events
	mixedSpread    = 50 // a question's usual repeats are spread over so many rounds
	mixedKeep      = 5  // rounds between answers that are kept
)

// mixedEvents is how many events are sent while questions are asked.
func mixedEvents(cfg *Config) int { return min(cfg.Mix.Events/mixedShare, maxMixedEvents) }

// mixed asks every question in turn, over and over, while events come in at a
// fixed pace. Their latency counts from when they are due, so that a server that
// falls behind cannot hide it.
func (r *run) mixed(ctx context.Context) error {
	w, p, err := r.dialAndLearn(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	l := load{
		first: r.stored, end: r.stored + uint64(mixedEvents(&r.cfg)),
		batch: r.cfg.Batch, connections: r.cfg.Connections, pace: mixedPace,
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var s shipment
	var wait sync.WaitGroup
	sent := make(chan struct{})
	wait.Go(func() {
		defer close(sent)
		var err error
		if s, err = r.server.target.send(ctx, r.gen, l); err != nil {
			cancel(err)
		}
	})
	m := &medley{run: r, wire: w, picker: p, load: l, took: map[string][]time.Duration{}}
	if err := m.play(ctx, sent); err != nil {
		cancel(err)
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r.stored = l.end
	s.took = max(s.took, l.lasts()) // the last batch has its share of the time too
	r.report.add("mixed_ingest_events_per_s", s.rate())
	r.report.addLatencies("mixed_ingest", s.latencies)
	m.report()
	return r.server.settle(ctx)
}

// A medley asks all questions in turn.
type medley struct {
	run    *run
	wire   *wire
	picker *picker
	load   load // what comes in meanwhile
	took   map[string][]time.Duration
}

// play asks until the load is sent, and each question at least once.
func (m *medley) play(ctx context.Context, sent <-chan struct{}) error {
	for round := 0; ; round++ {
		for _, q := range m.run.questions() {
			if err := m.ask(ctx, q, round); err != nil {
				return fmt.Errorf("%s: %w", q.key, err)
			}
		}
		select {
		case <-sent:
			return nil
		default:
		}
	}
}

// ask asks one question a few times.
func (m *medley) ask(ctx context.Context, q question, round int) error {
	for n := range max(q.repeat/mixedSpread, 1) {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := q.make(m.picker)
		body, took, err := m.run.fetch(m.wire, &a)
		if err != nil {
			return err
		}
		m.took[q.key] = append(m.took[q.key], took)
		if n == 0 && round%mixedKeep == 0 && round/mixedKeep < m.run.cfg.Checks {
			m.run.keep("mixed "+q.key, body, a.whileGrowing(m.picker, m.load))
		}
	}
	return nil
}

func (m *medley) report() {
	for _, q := range m.run.questions() {
		m.run.report.addLatencies(mixedPrefix+q.key, m.took[q.key])
		m.run.report.add(mixedPrefix+q.key+"_asked", float64(len(m.took[q.key])))
	}
}
