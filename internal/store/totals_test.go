package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/segment"
)

// TestTotalsAgreeWithTheModel is the law of summaries: with few tenants and with
// many, whatever a question leaves out of the log and whatever happens to
// segments, counts are those of the model.
func TestTotalsAgreeWithTheModel(t *testing.T) {
	for seed := annaltest.FirstSeed(); seed < annaltest.FirstSeed()+uint64(annaltest.Cases(8)); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w := newWorld(t, seed, 100)
			w.crowd, w.one, w.few = []int{1, 3, 40, 200}[seed%4], false, seed/4%2 == 1
			w.reopen()
			w.settle(6)
			for range 120 {
				switch w.rnd.IntN(16) {
				case 0, 1:
					w.append()
				case 2:
					w.reopen()
				case 3:
					w.store.totals.max = 1 + w.rnd.IntN(4)
				case 4:
					w.store.totals.maxBytes = int64(w.rnd.IntN(8000))
				default:
					w.compare(w.plainQuery(), w.plainAggregation())
				}
			}
			w.compare(annal.Query{}, plainCounts())
			if n := len(w.store.totals.list); !w.few && (n == 0 || n > w.store.totals.max) {
				t.Errorf("%d totals are kept, want 1 to %d", n, w.store.totals.max)
			}
			w.close()
		})
	}
}

// reopen closes the log and opens it again, at times without what is derived or
// with an index that is damaged.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	switch w.rnd.IntN(3) {
	case 0:
		w.loseDerived()
	case 1:
		w.spoilIndexes()
	}
	w.open()
}

// spoilIndexes damages every index but that of the first segment.
func (w *world) spoilIndexes() {
	w.t.Helper()
	names, err := w.disk.List("data/segments")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names[min(2, len(names)):] {
		if strings.HasSuffix(name, segment.IdxSuffix) {
			w.spoil("data/segments/"+name, w.rnd.IntN(100), 100)
		}
	}
}

// TestTheTopOfManyValues asks for the most frequent of values that are too many for
// their table, in parts of logs where some stand out and where none does, so that
// those of each segment must suffice and where they do not.
func TestTheTopOfManyValues(t *testing.T) {
	for i, skew := range []float64{1, 1.5, 2, 4, 8} {
		t.Run(strconv.FormatFloat(skew, 'g', -1, 64), func(t *testing.T) {
			w := newWorld(t, uint64(10+i), 100)
			w.crowd, w.skew, w.few = 1+i%2, skew, true
			w.reopen()
			w.settle(8)
			for range 200 {
				q := w.plainQuery()
				w.compare(q, annal.Aggregation{Top: []annal.Field{annal.ActorID}, TopN: 1 + w.rnd.IntN(2)})
			}
		})
	}
}

// TestTotalsOfAnOlderView asks for a total of fewer segments than it has, as a
// question does that began before the latest was sealed.
func TestTotalsOfAnOlderView(t *testing.T) {
	w := newWorld(t, 0, 100)
	w.settle(5)
	old := w.store.acquire()
	defer w.store.release(old)
	end := w.store.End()
	w.settle(6)
	w.compare(annal.Query{}, plainCounts())
	agg := plainCounts()
	var got annal.Summary
	err := newCounting(w.store, &watch{ctx: context.Background(), store: w.store}, w.store.plan(&annal.Query{}, end), &agg).run(old, func(c *counting) (err error) {
		got, err = c.summary()
		return err
	})
	want, _ := w.model.Summarize(context.Background(), annal.Query{Below: end}, agg)
	if err != nil || got.Total != want.Total || got.Outcomes != want.Outcomes {
		t.Errorf("the older view counts %d, %v, %v; want %d, %v", got.Total, got.Outcomes, err, want.Total, want.Outcomes)
	}
}

// TestTotalsWhileEventsCome asks for snapshots of a log that grows, from several
// goroutines that share totals.
func TestTotalsWhileEventsCome(t *testing.T) {
	w := newWorld(t, 0, 100)
	w.crowd = 5
	w.settle(4)
	w.store.totals.max = 3
	want := map[string]uint64{}
	end := w.store.End()
	for _, e := range w.model.Events() {
		want[e.Tenant]++
		want[""]++
	}
	tenants := slices.Collect(maps.Keys(want))
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for i := range 4 {
		askers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				q := annal.Query{Below: end}
				if name := tenants[n%len(tenants)]; name != "" {
					q.Tenants = []string{name}
				}
				got, err := w.store.Summarize(context.Background(), q, plainCounts())
				if name := tenants[n%len(tenants)]; err != nil || got.Total != want[name] {
					t.Errorf("tenant %q has %d, %v; want %d", name, got.Total, err, want[name])
					return
				}
			}
		})
	}
	w.settle(12)
	close(stop)
	askers.Wait()
}

// TestTotalsAreBounded asks about more tenants than there is room for totals of.
func TestTotalsAreBounded(t *testing.T) {
	w := newWorld(t, 0, 100)
	w.crowd = 100
	w.settle(4)
	w.store.totals.max, w.store.totals.maxBytes = 1000, 20_000
	for i := range 100 {
		w.compare(annal.Query{Tenants: []string{"t" + strconv.Itoa(i)}}, plainCounts())
		size := int64(0)
		for _, x := range w.store.totals.list {
			size += x.size.Load()
		}
		if size > w.store.totals.maxBytes && len(w.store.totals.list) > 1 {
			t.Fatalf("%d totals of %d bytes are kept, at most %d are allowed", len(w.store.totals.list), size, w.store.totals.maxBytes)
		}
	}
	if n := len(w.store.totals.list); n < 2 || n > 90 {
		t.Errorf("%d totals are kept", n)
	}
}

// TestASummaryWithoutTheFullField counts a field that has room in its table
// while another has none.
func TestASummaryWithoutTheFullField(t *testing.T) {
	w := newWorld(t, 4, 100) // one tenant, tiny tables
	w.settle(5)
	w.compare(annal.Query{}, plainCounts())
	w.compare(annal.Query{}, annal.Aggregation{})
	w.compare(annal.Query{}, annal.Aggregation{Breakdown: []annal.Field{annal.Tenant}})
	w.compare(annal.Query{}, annal.Aggregation{Breakdown: []annal.Field{annal.Action}})
}

// TestTotalsAfterDamage meets a damaged index while totals are extended by a new
// segment: what was added before the damage must not count twice.
func TestTotalsAfterDamage(t *testing.T) {
	places := annaltest.Cases(60)
	met := uint64(0)
	for i := range places {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			w := newWorld(t, 1, 100)
			w.few, w.plain = false, true // what an append had verified before, the damage would come too late for
			w.settle(4)
			w.compare(annal.Query{}, plainCounts())
			before, err := w.disk.List("data/segments")
			if err != nil {
				t.Fatal(err)
			}
			w.settle(5)
			after, err := w.disk.List("data/segments")
			if err != nil {
				t.Fatal(err)
			}
			known := strings.Join(before, " ")
			for _, name := range after {
				if strings.HasSuffix(name, segment.IdxSuffix) && !strings.Contains(known, name) {
					w.spoil("data/segments/"+name, i, places)
				}
			}
			w.compare(annal.Query{}, plainCounts())
			met += w.store.Stats().ReadDamage
		})
	}
	if met == 0 {
		t.Error("no read met the damage")
	}
}
