package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"annal"
)

// A kept answer waits for the reference.
type kept struct {
	question string
	ask      ask
	body     []byte
}

const warmUps = 5 // asks before a question is timed

// ask times every question and keeps some answers of each.
func (r *run) ask(ctx context.Context) error {
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	p := newPicker(r.gen, r.stored)
	if err := r.learnIDs(w, p); err != nil {
		return fmt.Errorf("learn ids: %w", err)
	}
	list := questions()
	if r.gen.mix.Tenants > 1 {
		list = append(list, question{"all_tenants_newest_100", 100, allTenants})
	}
	for _, q := range list {
		if err := r.time(ctx, w, p, q); err != nil {
			return fmt.Errorf("%s: %w", q.key, err)
		}
	}
	return nil
}

// allTenants is the newest page over everything that the token may read.
func allTenants(*picker) ask { return ask{path: "/v1/events?limit=100"} }

func (r *run) time(ctx context.Context, w *wire, p *picker, q question) error {
	repeat := orInt(r.cfg.Repeat, q.repeat)
	took := make([]time.Duration, 0, repeat)
	keepEvery := max(repeat/r.cfg.Checks, 1)
	for n := -min(warmUps, repeat); n < repeat; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := q.make(p)
		request := r.server.target.appendHead(nil, "GET", a.path, a.tenant, "application/json", 0)
		began := time.Now()
		body, err := w.do(request)
		if err != nil {
			return fmt.Errorf("%s: %w", a.path, err)
		}
		if n < 0 {
			continue
		}
		took = append(took, time.Since(began))
		if n%keepEvery == 0 && n/keepEvery < r.cfg.Checks && a.check != nil {
			if a.later != nil {
				a.later.query.Since = time.Now().Add(-month)
			}
			r.pending = append(r.pending, &kept{q.key, a, bytes.Clone(body)})
		}
	}
	r.report.addLatencies(q.key, took)
	r.report.add(q.key+"_asked", float64(repeat))
	return nil
}

// verify asks the reference about all kept answers, in one pass over the
// generated events.
func (r *run) verify(ctx context.Context) error {
	var probes []*probe
	for _, k := range r.pending {
		probes = append(probes, k.ask.probes...)
		if k.ask.later != nil {
			probes = append(probes, k.ask.later)
		}
	}
	if err := r.gen.consult(ctx, r.stored, probes); err != nil {
		return err
	}
	for _, k := range r.pending {
		if err := k.ask.verify(k.body); err != nil {
			r.report.Wrong = append(r.report.Wrong, fmt.Sprintf("%s (%s): %v", k.question, k.ask.path, err))
		}
	}
	r.report.add("answers_checked", float64(len(r.pending)))
	return nil
}

// Pages that learnIDs reads, and events of each.
const (
	idPages    = 10
	idPageSize = 100
)

// learnIDs reads some pages from all over the log to learn the ids that the log
// gave to their events.
func (r *run) learnIDs(w *wire, p *picker) error {
	for range idPages {
		e := p.sample()
		q := annal.Query{Until: e.Time.Add(1), Limit: idPageSize}
		path := "/v1/events?" + parameters(&q, nativeNames)
		body, err := w.do(r.server.target.appendHead(nil, "GET", path, e.Tenant, "application/json", 0))
		if err != nil {
			return err
		}
		var d document
		if err := json.Unmarshal(body, &d); err != nil {
			return err
		}
		for _, raw := range d.Events {
			var id struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(raw, &id); err != nil {
				return err
			}
			i, err := identify(p.gen, raw)
			if err != nil {
				return err
			}
			p.ids = append(p.ids, knownID{id.ID, e.Tenant, i})
		}
	}
	if len(p.ids) == 0 {
		return errors.New("the log shows no events")
	}
	return nil
}

// cold restarts the server with its files dropped from the page cache, and times
// the first page of a day long ago and the trail of a rare identity.
func (r *run) cold(ctx context.Context) error {
	if !r.server.ours() {
		return nil
	}
	p := newPicker(r.gen, r.stored)
	var page, trail []time.Duration
	for range crashRounds {
		if err := r.server.stop(); err != nil {
			return err
		}
		for _, list := range []struct {
			took *[]time.Duration
			make func(*picker) ask
		}{{&page, nativePage(actionDay)}, {&trail, nativePage(rareIdentity)}} {
			took, err := r.coldAsk(ctx, list.make(p))
			if errors.Is(err, errEvict) {
				fmt.Fprintf(r.cfg.Progress, "caches cannot be dropped here: %v\n", err)
				return nil
			}
			if err != nil {
				return err
			}
			*list.took = append(*list.took, took)
		}
	}
	r.report.add("cold_first_page_ms", milliseconds(slices.Max(page)))
	r.report.add("cold_rare_identity_ms", milliseconds(slices.Max(trail)))
	return nil
}

var errEvict = errors.New("evict")

// coldAsk starts the server unless it runs, drops what can be dropped of its
// files from the page cache, and times one ask.
func (r *run) coldAsk(ctx context.Context, a ask) (time.Duration, error) {
	running := r.server.pid.Load() != 0
	if err := r.evict(); err != nil {
		return 0, err
	}
	if !running {
		if _, err := r.server.start(ctx); err != nil {
			return 0, err
		}
		if err := r.evict(); err != nil {
			return 0, err
		}
	}
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer w.close()
	began := time.Now()
	_, err = w.do(r.server.target.appendHead(nil, "GET", a.path, a.tenant, "application/json", 0))
	return time.Since(began), err
}

// evict drops the server's files from the page cache, as far as nobody maps
// them.
func (r *run) evict() error {
	d, err := readDisk(r.server.data)
	if err != nil {
		return err
	}
	for _, name := range d.files {
		if err := evict(name); err != nil && ignoreMissing(err) != nil {
			return fmt.Errorf("%w: %w", errEvict, err)
		}
	}
	return nil
}
