package store_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/internal/bench"
	"annal/internal/store"
)

// BenchmarkAppend brings events in through four callers, 1000 a batch, onto the
// real disk, sealing included. It reports what an event costs in CPU time.
func BenchmarkAppend(b *testing.B) {
	const callers, size = 4, 1000
	s, err := store.Open(store.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	g := bench.NewGenerator(bench.Mix{Events: 2_000_000, Seed: 1, End: time.Now()})
	batches := make([][]annal.Event, 256)
	for i := range batches {
		for j := range size {
			var e annal.Event
			g.Event(uint64(i*size+j), &e)
			batches[i] = append(batches[i], e.Clone())
		}
	}
	next := make(chan int, callers)
	var wg sync.WaitGroup
	before := cpuTime()
	b.ResetTimer()
	for range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if _, err := s.Append(context.Background(), &annal.Batch{Events: batches[i%len(batches)]}); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for i := range (b.N + size - 1) / size {
		next <- i
	}
	close(next)
	wg.Wait()
	b.StopTimer()
	n := float64((b.N + size - 1) / size * size)
	b.ReportMetric(n/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpuTime()-before)/1e3/n, "cpu-µs/event")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
