package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"annal"
)

// A question that takes long lets others work at each look, in the order in which
// they came, and one that begins does not wait for those.
func TestTurnsPassOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s turns
		s.init()
		free := cap(s.long.free)
		var first []*turn
		for range free {
			x, err := s.begin(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			first = append(first, x)
		}
		order := make(chan int, 2)
		for i := range 2 {
			go func() {
				x, err := s.begin(t.Context(), true)
				if err != nil {
					t.Error(err)
					return
				}
				defer x.end()
				order <- i
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Error("more work than may")
		}
		short, err := s.begin(t.Context(), false)
		if err != nil {
			t.Fatalf("a question that begins: %v", err)
		}
		short.end()
		if err := first[0].pass(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if a, b := <-order, <-order; a != 0 || b != 1 {
			t.Errorf("%d was let in before %d", a, b)
		}
		for _, x := range first {
			x.end()
		}
		if s.asked.Load() != 0 || len(s.long.free) != free || len(s.begun.free) != free {
			t.Errorf("%d questions remain, %d and %d turns are free, want %d", s.asked.Load(), len(s.begun.free), len(s.long.free), free)
		}
	})
}

// Who waits for a turn gives up with its context, and beyond a limit nobody waits.
func TestTurnsAreBounded(t *testing.T) {
	var s turns
	s.init()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var held []*turn
	for range cap(s.begun.free) {
		x, err := s.begin(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, x)
	}
	if _, err := s.begin(ended, false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	s.asked.Add(maxAsked - int32(len(held)))
	if _, err := s.begin(t.Context(), false); !errors.Is(err, annal.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
}

// A scan whose reader is slow keeps neither its turn nor memtables that have become
// segments, and sees each event of its snapshot once all the same.
func TestScansOfSlowReadersHoldNothing(t *testing.T) {
	w := newWorld(t, 3, 200)
	for range 20 {
		w.append()
	}
	end := w.store.End()
	want := 0
	if err := w.store.Scan(t.Context(), annal.Query{}, func(*annal.Event) error { want++; return nil }); err != nil {
		t.Fatal(err)
	}
	seen, pauses := map[uint64]bool{}, 0
	err := w.store.Scan(t.Context(), annal.Query{}, func(e *annal.Event) error {
		if seen[e.Position] || e.Position >= end {
			t.Errorf("position %d of %d is seen again, or too early", e.Position, end)
		}
		if seen[e.Position] = true; len(seen)%(want/3) != 0 {
			return nil
		}
		pauses++
		ready := make(chan struct{})
		go func() {
			defer close(ready)
			time.Sleep(4 * scanPatience)
			w.store.mu.Lock()
			held := w.store.cur.refs
			w.store.mu.Unlock()
			if held > 0 || len(w.store.turns.begun.free) != cap(w.store.turns.begun.free) {
				t.Errorf("while the reader is slow, %d hold the view and %d turns are free", held, len(w.store.turns.begun.free))
			}
			w.append()
		}()
		return &annal.Pause{Ready: ready}
	})
	if err != nil || len(seen) != want || pauses < 3 {
		t.Errorf("%d events are seen in spite of %d pauses, want %d; %v", len(seen), pauses, want, err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
}

// A histogram that would have too many intervals is refused and takes no more
// memory than the longest one that is not.
func TestHistogramsAreBounded(t *testing.T) {
	w := newWorld(t, 1, 1<<20)
	begin := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var b annal.Batch
	for i := range annal.MaxBuckets + 500 {
		e := w.event()
		e.EventID, e.Time = "", begin.Add(time.Duration(i)*time.Second)
		b.Events = append(b.Events, e)
	}
	if _, err := w.store.Append(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	agg := annal.Aggregation{Interval: time.Second}
	c := newCounting(w.store, &watch{ctx: t.Context(), store: w.store}, w.store.plan(&annal.Query{}, w.store.End()), &agg)
	v := w.store.acquire()
	defer w.store.release(v)
	var invalid *annal.InvalidError
	err := c.run(v, func(c *counting) error {
		_, err := c.summary()
		return err
	})
	if most := annal.MaxBuckets + 1; !errors.As(err, &invalid) || len(c.buckets) > most {
		t.Errorf("%d intervals are held, at most %d are allowed; %v", len(c.buckets), most, err)
	}
	q := annal.Query{Until: begin.Add(annal.MaxBuckets * time.Second)}
	if s, err := w.store.Summarize(t.Context(), q, agg); err != nil || len(s.Histogram) != annal.MaxBuckets {
		t.Errorf("%d intervals, want %d; %v", len(s.Histogram), annal.MaxBuckets, err)
	}
}
