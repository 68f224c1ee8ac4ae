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
	w, p, err := r.dialAndLearn(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	for _, q := range r.questions() {
		if err := r.time(ctx, w, p, q); err != nil {
			return fmt.Errorf("%s: %w", q.key, err)
		}
	}
	return nil
}

// dialAndLearn connects, and prepares to choose questions about what is stored.
func (r *run) dialAndLearn(ctx context.Context) (*wire, *picker, error) {
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	p := newPicker(r.gen, r.stored)
	if err := r.learnIDs(w, p); err != nil {
		w.close()
		return nil, nil, fmt.Errorf("learn ids: %w", err)
	}
	return w, p, nil
}

// questions returns those that this mix can be asked.
func (r *run) questions() []question {
	list := questions()
	if r.gen.mix.Tenants > 1 {
		list = append(list, question{"all_tenants_newest_100", 100, allTenants})
	}
	return list
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
		body, t, err := r.fetch(w, &a)
		if err != nil {
			return err
		}
		if n < 0 {
			continue
		}
		took = append(took, t)
		if n%keepEvery == 0 && n/keepEvery < r.cfg.Checks {
			if a.later != nil {
				a.later.query.Since = time.Now().Add(-month)
			}
			r.keep(q.key, body, a)
		}
	}
	r.report.addLatencies(q.key, took)
	r.report.add(q.key+"_asked", float64(repeat))
	return nil
}

// fetch asks once. The answer is valid until the next.
func (r *run) fetch(w *wire, a *ask) ([]byte, time.Duration, error) {
	request := r.server.target.appendHead(nil, "GET", a.path, a.tenant, "application/json", 0)
	began := time.Now()
	body, err := w.do(request)
	took := time.Since(began)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", a.path, err)
	}
	return body, took, nil
}

// keep keeps an answer, if it can be checked: against what is stored now, unless
// its probes say otherwise.
func (r *run) keep(question string, body []byte, a ask) {
	if a.check == nil {
		return
	}
	for _, p := range a.all() {
		if p.below == 0 {
			p.below = r.stored
		}
	}
	r.pending = append(r.pending, &kept{question, a, bytes.Clone(body)})
}

// all returns the probes that the reference must answer.
func (a *ask) all() []*probe {
	if a.later == nil {
		return a.probes
	}
	return append(slices.Clip(a.probes), a.later)
}

// verify asks the reference about all kept answers, in one pass over the
// generated events.
func (r *run) verify(ctx context.Context) error {
	var probes []*probe
	for _, k := range r.pending {
		probes = append(probes, k.ask.all()...)
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
