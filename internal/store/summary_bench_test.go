package store_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"annal"
	"annal/internal/bench"
	"annal/internal/store"
)

// BenchmarkSummary counts a log of twenty segments, as the bench's summaries do.
// Rows are fewer than those of a full log, so that it is the ratios that count.
func BenchmarkSummary(b *testing.B) {
	const events = 2_250_000 // the last of them in the memtable; half of them of strangers are more than a space holds
	for _, log := range []struct {
		name string
		mix  bench.Mix
		ask  []string
	}{
		{"one tenant", bench.Mix{}, []string{""}},
		{"1000 tenants", bench.Mix{Tenants: 1000}, []string{"", ofOne}},
		{"strangers", bench.Mix{Strangers: 2 * events}, []string{"", distinct}},
	} {
		b.Run(log.name, func(b *testing.B) {
			log.mix.Events, log.mix.Seed, log.mix.End = events, 1, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
			g := bench.NewGenerator(log.mix)
			s := filled(b, g, events)
			for _, days := range []int{30, 90} {
				for _, kind := range log.ask {
					b.Run(strconv.Itoa(days)+" days"+kind, func(b *testing.B) { summarize(b, s, g, days, kind) })
				}
			}
		})
	}
}

// What a summary asks for besides.
const (
	ofOne    = " of one tenant"
	distinct = " distinct"
)

// filled returns a log with events of g.
func filled(b *testing.B, g *bench.Generator, events int) *store.Store {
	s, err := store.Open(store.Config{Dir: b.TempDir(), SegmentRows: 100_000})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	batch := make([]annal.Event, 5000)
	for i := 0; i < events; i += len(batch) {
		for j := range batch {
			g.Event(uint64(i+j), &batch[j])
		}
		if _, err := s.Append(context.Background(), &annal.Batch{Events: batch}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// summarize counts about so many days, and reports what it costs in CPU time.
func summarize(b *testing.B, s *store.Store, g *bench.Generator, days int, kind string) {
	agg := annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}}
	if kind == distinct {
		agg.Distinct = []annal.Field{annal.ActorID}
	}
	before, n := cpuTime(), uint64(0)
	for b.Loop() {
		n++
		end := g.Mix().End.Add(time.Second)
		if days == 30 {
			end = end.Add(-time.Duration(n*7919%10000) * time.Second)
		}
		q := annal.Query{Until: end, Since: end.Add(-time.Duration(days)*24*time.Hour - time.Hour)}
		if kind == ofOne {
			var e annal.Event
			g.Event(n*7919%2_000_000, &e)
			q.Tenants = []string{e.Tenant}
		}
		if _, err := s.Summarize(context.Background(), q, agg); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
}
