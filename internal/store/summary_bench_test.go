package store_test

import (
	"context"
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
		name    string
		mix     bench.Mix
		tenants bool // ask for one tenant at a time, and for all
	}{
		{"one tenant", bench.Mix{}, false},
		{"1000 tenants", bench.Mix{Tenants: 1000}, true},
		{"strangers", bench.Mix{Strangers: 2 * events}, false},
	} {
		b.Run(log.name, func(b *testing.B) {
			log.mix.Events, log.mix.Seed, log.mix.End = events, 1, time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
			g := bench.NewGenerator(log.mix)
			s := filled(b, g, events)
			for _, days := range []int{30, 90} {
				name := map[int]string{30: "30 days", 90: "90 days"}[days]
				b.Run(name, func(b *testing.B) { summarize(b, s, g, days, false) })
				if log.tenants {
					b.Run(name+" of one", func(b *testing.B) { summarize(b, s, g, days, true) })
				}
			}
		})
	}
}

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
func summarize(b *testing.B, s *store.Store, g *bench.Generator, days int, one bool) {
	agg := annal.Aggregation{
		Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}, Distinct: []annal.Field{annal.ActorID},
	}
	before, n := cpuTime(), uint64(0)
	for b.Loop() {
		n++
		end := g.Mix().End.Add(time.Second)
		if days == 30 {
			end = end.Add(-time.Duration(n*7919%10000) * time.Second)
		}
		q := annal.Query{Until: end, Since: end.Add(-time.Duration(days)*24*time.Hour - time.Hour)}
		if one {
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
