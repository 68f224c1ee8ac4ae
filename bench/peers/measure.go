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
	// start begins an empty store in dir.
	start(ctx context.Context, dir string) error
	// insert stores events; when it returns they are durable. It is called from
	// several goroutines.
	insert(ctx context.Context, b batch) error
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
	sizes   []int // of the answers, in order
}

const (
	connections   = 4
	batchSize     = 1000
	singleWriters = 64
	exportLimit   = 200_000
	million       = 1e6
)

func measure(ctx context.Context, p peer, dir string, mix bench.Mix, o options) (result, error) {
	r := result{name: p.name(), figures: map[string]float64{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	if err := p.start(ctx, dir); err != nil {
		return r, err
	}
	defer p.stop()
	gen := bench.NewGenerator(mix)
	events := uint64(o.events)
	cpu := p.cpu()
	rate, err := ship(ctx, p, gen, load{0, events, batchSize, connections})
	if err != nil {
		return r, err
	}
	r.figures["ingest_batched_events_per_s"] = rate
	r.figures["ingest_batched_server_cpu_s_per_million"] = (p.cpu() - cpu) * million / float64(events)
	all := events + uint64(o.singles)
	if rate, err = ship(ctx, p, gen, load{events, all, 1, singleWriters}); err != nil {
		return r, err
	}
	r.figures["ingest_single_events_per_s"] = rate
	if err := p.finish(ctx); err != nil {
		return r, err
	}
	size, err := folderSize(dir)
	if err != nil {
		return r, err
	}
	r.figures["disk_bytes_per_event"] = float64(size) / float64(all)
	if err := r.ask(ctx, p, gen, all); err != nil {
		return r, err
	}
	began := time.Now()
	n, err := p.export(ctx, int(min(all, exportLimit)))
	r.figures["stream_events_per_s"] = float64(n) / time.Since(began).Seconds()
	return r, err
}

func (r *result) ask(ctx context.Context, p peer, gen *bench.Generator, stored uint64) error {
	for _, c := range gen.Cases(stored) {
		var took []time.Duration
		for range c.Repeat {
			q := c.Make()
			began := time.Now()
			if q.Page != nil {
				n, err := p.page(ctx, q.Page)
				if err != nil {
					return fmt.Errorf("%s: %w", c.Key, err)
				}
				r.sizes = append(r.sizes, n)
			}
			if q.Sum != nil {
				n, err := p.sum(ctx, q.Sum, q.By)
				if err != nil {
					return fmt.Errorf("%s: %w", c.Key, err)
				}
				r.sizes = append(r.sizes, int(n))
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		r.figures[c.Key+"_p50_ms"] = float64(took[len(took)/2]) / 1e6
	}
	return nil
}

type load struct {
	first, end uint64
	batch      uint64
	writers    int
}

// ship inserts a load over several connections and returns events a second.
func ship(ctx context.Context, p peer, gen *bench.Generator, l load) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Uint64
	next.Store(l.first)
	var wait sync.WaitGroup
	began := time.Now()
	for range l.writers {
		wait.Go(func() {
			for ctx.Err() == nil {
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
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(l.end-l.first) / time.Since(began).Seconds(), nil
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
