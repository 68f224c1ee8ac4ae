package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"annal"
)

// crashRounds is how often the server is killed and, later, its caches dropped.
// The worst of them counts.
const crashRounds = 3

// crash kills the server in the middle of ingest, and times how long it takes
// until it is ready again. Whatever was acknowledged must be there, once; the
// rest is sent again, so that the log ends with a known set of events.
func (r *run) crash(ctx context.Context) error {
	if !r.server.ours() {
		return nil
	}
	share := uint64(crashEvents(&r.cfg) / crashRounds)
	var worst time.Duration
	for range crashRounds {
		l := load{first: r.stored, end: r.stored + share, batch: r.cfg.Batch, connections: r.cfg.Connections}
		s, err := r.killUnderLoad(ctx, l)
		if err != nil {
			return err
		}
		took, err := r.server.start(ctx)
		if err != nil {
			return err
		}
		worst = max(worst, took)
		if err := r.complete(ctx, l, s); err != nil {
			return err
		}
	}
	r.report.add("ready_after_kill_s", worst.Seconds())
	return nil
}

// killUnderLoad sends a load, kills the server about half-way, and returns what
// became of it.
func (r *run) killUnderLoad(ctx context.Context, l load) (shipment, error) {
	half := l
	half.end = l.first + (l.end-l.first)/2
	before, err := r.server.target.send(ctx, r.gen, half)
	if err != nil {
		return before, err
	}
	sent := make(chan shipment, 1)
	go func() {
		rest := l
		rest.first = half.end
		s, _ := r.server.target.send(ctx, r.gen, rest) // it is meant to fail
		sent <- s
	}()
	err = sleep(ctx, killDelay)
	r.server.kill()
	s := <-sent
	s.acknowledged += before.acknowledged
	return s, err
}

const killDelay = 50 * time.Millisecond // of further load before the kill

// complete sends what a kill kept from the log, and checks that all of l is
// there then, once. An event that was sent and not acknowledged may be there or
// not.
func (r *run) complete(ctx context.Context, l load, s shipment) error {
	missing := []span{s.unsent}
	for _, part := range s.unknown {
		absent, err := r.absent(ctx, part)
		if err != nil {
			return err
		}
		missing = append(missing, absent...)
	}
	for _, part := range missing {
		again := l
		again.first, again.end = part.first, part.end
		if _, err := r.server.target.send(ctx, r.gen, again); err != nil {
			return err
		}
	}
	r.stored = l.end
	total, err := r.total(ctx, "")
	if err == nil && total != r.stored {
		r.report.Wrong = append(r.report.Wrong, fmt.Sprintf(
			"after kill -9, and what it kept away sent again, there are %d events, want %d", total, r.stored))
	}
	return err
}

// absent returns which events of part the log does not have.
func (r *run) absent(ctx context.Context, part span) ([]span, error) {
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer w.close()
	var list []span
	var e annal.Event
	for i := part.first; i < part.end; i++ {
		r.gen.Event(i, &e)
		there, err := r.has(w, &e)
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		if n := len(list); n > 0 && list[n-1].end == i {
			list[n-1].end++
			continue
		}
		list = append(list, span{i, i + 1})
	}
	return list, nil
}

// has reports whether the log shows e, by its request id.
func (r *run) has(w *wire, e *annal.Event) (bool, error) {
	q := annal.Query{Where: []annal.Filter{where(annal.RequestID, e.Request.ID)}, Limit: 1}
	body, err := w.do(r.server.target.appendHead(nil, "GET", "/v1/events?"+parameters(&q, nativeNames), e.Tenant, "application/json", 0))
	if unknownTenant(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return false, err
	}
	return len(d.Events) > 0, nil
}
