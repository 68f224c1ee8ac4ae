package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"annal"
	"annal/internal/bench"
)

// A peer is another store.
type peer interface {
	name() string
	available() bool
	// durable reports whether insert keeps its promise.
	durable() bool
	// start begins an empty store in dir.
	start(ctx context.Context, dir string) error
	// insert stores events; when it returns they are durable. It is called from
	// several goroutines.
	insert(ctx context.Context, b batch) error
	// dropIndexes and makeIndexes are called around a large untimed load.
	dropIndexes(ctx context.Context) error
	makeIndexes(ctx context.Context) error
	// finish does what the store needs before it is asked.
	finish(ctx context.Context) error
	// page returns how many events a page has.
	page(ctx context.Context, q *annal.Query) (int, error)
	// sum counts what q selects, in all and for each value of by.
	sum(ctx context.Context, q *annal.Query, by []annal.Field) (uint64, error)
	// export reads whole events, newest first, and returns how many.
	export(ctx context.Context, limit int) (int, error)
	// cpu returns the CPU seconds used so far; those of a library include the
	// generator's.
	cpu() float64
	stop() error
}

// A batch is a range of generated events.
type batch struct {
	gen         *bench.Generator
	first, last uint64 // first ≤ i < last
}

func (b *batch) events() []annal.Event {
	list := make([]annal.Event, b.last-b.first)
	for i := range list {
		b.gen.Event(b.first+uint64(i), &list[i])
	}
	return list
}

// A result is what one store did.
type result struct {
	name    string
	figures map[string]float64
	notes   map[string]string // what is to be known about a figure, or why there is none
	sizes   map[string][]int  // of the answers to each question
}

const (
	connections   = 4
	batchSize     = 1000
	singleWriters = 64
	exportLimit   = 200_000
	million       = 1e6
)

// measure does all the work with one store. What would take too long is cut
// short, so that slow stores can be measured too.
func measure(ctx context.Context, p peer, dir string, mix bench.Mix, o options) (result, error) {
	r := result{name: p.name(), figures: map[string]float64{}, notes: map[string]string{}, sizes: map[string][]int{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	if err := p.start(ctx, dir); err != nil {
		return r, err
	}
	defer p.stop()
	gen := bench.NewGenerator(mix)
	if err := r.ingest(ctx, p, gen, o); err != nil {
		return r, err
	}
	all := uint64(o.events + o.singles)
	size, err := folderSize(dir)
	if err != nil {
		return r, err
	}
	r.figures["disk_bytes_per_event"] = float64(size) / float64(all)
	if err := r.ask(ctx, p, gen, all, o.askTime); err != nil {
		return r, err
	}
	began := time.Now()
	n, err := p.export(ctx, int(min(all, exportLimit)))
	r.figures["stream_events_per_s"] = float64(n) / time.Since(began).Seconds()
	return r, err
}

// ingest times batches and single events, each for a while, and stores what is
// left as fast as the store can.
func (r *result) ingest(ctx context.Context, p peer, gen *bench.Generator, o options) error {
	events, all := uint64(o.events), uint64(o.events+o.singles)
	cpu := p.cpu()
	batched, err := ship(ctx, p, gen, load{0, events, batchSize, connections}, o.ingestTime)
	if err != nil {
		return err
	}
	r.figures["ingest_batched_events_per_s"] = batched.rate()
	r.figures["ingest_batched_server_cpu_s_per_million"] = (p.cpu() - cpu) * million / float64(batched.stored)
	single, err := ship(ctx, p, gen, load{events, all, 1, singleWriters}, o.ingestTime)
	if err != nil {
		return err
	}
	r.figures["ingest_single_events_per_s"] = single.rate()
	rest := []load{
		{batched.stored, events, batchSize, connections},
		{events + single.stored, all, batchSize, connections},
	}
	if batched.stored < events {
		r.note("ingest_batched_events_per_s", fmt.Sprintf("of the first %d events; the others were not timed", batched.stored))
	}
	if !p.durable() {
		r.note("ingest_batched_events_per_s", "acknowledged before they are on disk")
	}
	if err := fill(ctx, p, gen, rest); err != nil {
		return err
	}
	return p.finish(ctx)
}

// fill stores loads without the indexes, which are made anew afterwards.
func fill(ctx context.Context, p peer, gen *bench.Generator, loads []load) error {
	left := uint64(0)
	for _, l := range loads {
		left += l.end - l.first
	}
	if left == 0 {
		return nil
	}
	if err := p.dropIndexes(ctx); err != nil {
		return err
	}
	for _, l := range loads {
		if _, err := ship(ctx, p, gen, l, forever); err != nil {
			return err
		}
	}
	return p.makeIndexes(ctx)
}

// ask asks each question until its repeats or limit are spent, and at least
// once. A question that takes patience times as long is given up.
func (r *result) ask(ctx context.Context, p peer, gen *bench.Generator, stored uint64, limit time.Duration) error {
	for _, c := range gen.Cases(stored) {
		// All are made, also those that there is no time for: every store is
		// to be asked the same.
		inquiries := make([]bench.Inquiry, c.Repeat)
		for i := range inquiries {
			inquiries[i] = c.Make()
		}
		took, err := r.askCase(ctx, p, c.Key, inquiries, limit)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.note(c.Key+"_p50_ms", err.Error())
			continue
		}
		if len(took) < min(c.Repeat, fewAsks) {
			r.note(c.Key+"_p50_ms", fmt.Sprintf("asked %d times only", len(took)))
		}
		slices.Sort(took)
		r.figures[c.Key+"_p50_ms"] = float64(took[len(took)/2]) / 1e6
	}
	return nil
}

const (
	patience = 6
	fewAsks  = 5 // below so many a median means little
)

// note adds what is to be known about a figure.
func (r *result) note(key, text string) {
	if r.notes[key] != "" {
		text = r.notes[key] + "; " + text
	}
	r.notes[key] = text
}

func (r *result) askCase(ctx context.Context, p peer, key string, inquiries []bench.Inquiry, limit time.Duration) ([]time.Duration, error) {
	var took []time.Duration
	first := time.Now()
	for _, q := range inquiries {
		if len(took) > 0 && time.Since(first) > limit {
			break
		}
		began := time.Now()
		sizes, err := askOnce(ctx, p, q, patience*limit)
		if err != nil {
			return nil, err
		}
		r.sizes[key] = append(r.sizes[key], sizes...)
		took = append(took, time.Since(began))
	}
	return took, nil
}

// askOnce returns how large the answers are.
func askOnce(ctx context.Context, p peer, q bench.Inquiry, limit time.Duration) (sizes []int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("given up after %v", limit))
	defer cancel()
	if q.Page != nil {
		n, err := p.page(ctx, q.Page)
		if err != nil {
			return nil, cause(ctx, err)
		}
		sizes = append(sizes, n)
	}
	if q.Sum != nil {
		n, err := p.sum(ctx, q.Sum, q.By)
		if err != nil {
			return nil, cause(ctx, err)
		}
		sizes = append(sizes, int(n))
	}
	return sizes, nil
}

// cause returns why ctx ended, or err when it did not.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

type load struct {
	first, end uint64
	batch      uint64
	writers    int
}

// A shipment is what became of a load: its first so many events are stored.
type shipment struct {
	stored uint64
	took   time.Duration
}

func (s *shipment) rate() float64 { return float64(s.stored) / s.took.Seconds() }

const forever = 1000 * time.Hour

// ship inserts a load over several connections, until limit is spent.
func ship(ctx context.Context, p peer, gen *bench.Generator, l load, limit time.Duration) (shipment, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Uint64
	next.Store(l.first)
	var wait sync.WaitGroup
	began := time.Now()
	for range l.writers {
		wait.Go(func() {
			for ctx.Err() == nil && time.Since(began) < limit {
				from := next.Add(l.batch) - l.batch
				if from >= l.end {
					return
				}
				if err := p.insert(ctx, batch{gen, from, min(from+l.batch, l.end)}); err != nil {
					cancel(err)
				}
			}
		})
	}
	wait.Wait()
	return shipment{min(next.Load(), l.end) - l.first, time.Since(began)}, context.Cause(ctx)
}

// folderSize adds up the files of a store, its write-ahead log left out.
func folderSize(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "pg_wal" {
			return fs.SkipDir
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}
