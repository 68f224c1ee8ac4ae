package store

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
	"annal/internal/segment"
)

// plainCounts is what totals can answer.
func plainCounts() annal.Aggregation {
	return annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}, Distinct: []annal.Field{annal.ActorID}}
}

// inCrowd gives e to one of w's crowd, of whom the first have most events and some
// come and go. Its time hardly differs from that of its neighbours, and some of
// its values occur nowhere else.
func (w *world) inCrowd(e annal.Event) annal.Event {
	n := w.rnd.IntN(w.crowd) * w.rnd.IntN(w.crowd) / w.crowd
	if n%3 == 2 {
		n += w.crowd * (w.store.Stats().Segments % 4) // only in some segments
	}
	e.Tenant = "t" + strconv.Itoa(n)
	if w.rnd.IntN(8) == 0 || w.few && w.rnd.IntN(2) == 0 {
		e.Actor.ID = "once:" + strconv.FormatUint(w.rnd.Uint64(), 36)
	}
	if w.skew > 0 {
		e.Actor.ID = "u" + strconv.Itoa(int(100*math.Pow(w.rnd.Float64(), w.skew)))
	}
	if w.rnd.IntN(1000) > 0 {
		e.Time = w.now.Add(-time.Duration(w.rnd.IntN(3000)) * time.Millisecond).UTC()
	}
	return e
}

// plainQuery selects by tenant, time and snapshot alone, most often most of the
// log.
func (w *world) plainQuery() annal.Query {
	var q annal.Query
	all := w.model.Events()
	some := func() string { return all[w.rnd.IntN(len(all))].Tenant }
	switch w.rnd.IntN(4) {
	case 0:
		q.Tenants = []string{some()}
	case 1:
		q.Tenants = []string{"t0"} // in a total before
	case 2:
		q.Tenants = []string{some(), "nobody", some(), some()}
	}
	if w.rnd.IntN(2) == 0 {
		q.Since = all[w.rnd.IntN(1+len(all)*w.rnd.IntN(4)/4)].Time
	}
	if w.rnd.IntN(2) == 0 {
		q.Until = all[len(all)-1-w.rnd.IntN(1+(len(all)-1)*w.rnd.IntN(4)/4)].Time
	}
	if w.rnd.IntN(3) == 0 {
		q.Below = w.store.End() - w.rnd.Uint64N(1+w.store.End()/2)
	}
	return q
}

// plainAggregation counts what totals have, or not all of it, or more.
func (w *world) plainAggregation() annal.Aggregation {
	switch w.rnd.IntN(10) {
	case 0:
		return annal.Aggregation{}
	case 1:
		return annal.Aggregation{Distinct: []annal.Field{annal.ResourcePath}}
	case 2:
		return annal.Aggregation{Breakdown: []annal.Field{annal.Action, annal.Tenant}}
	case 3:
		return annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Last: true}
	case 4, 5:
		return annal.Aggregation{Top: []annal.Field{annal.ActorID, annal.ResourcePath}, TopN: 1 + w.rnd.IntN(3)}
	}
	return plainCounts()
}

// TestTotalsAgreeWithTheModel is the law of summaries: with few tenants and with
// many, whatever a question leaves out of the log and whatever happens to
// segments, counts are those of the model.
func TestTotalsAgreeWithTheModel(t *testing.T) {
	for seed := firstSeed(); seed < firstSeed()+8; seed++ {
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
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// reopen closes the log and opens it again, at times without what is derived or
// with an index that is damaged.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
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
	got, err := newCounting(w.store, &watch{ctx: context.Background(), store: w.store}, w.store.plan(&annal.Query{}, end), &agg).run(old)
	want, _ := w.model.Summarize(context.Background(), annal.Query{Below: end}, agg)
	if err != nil || got.Total != want.Total || got.Outcomes != want.Outcomes {
		t.Errorf("the older view counts %d, %v, %v; want %d, %v", got.Total, got.Outcomes, err, want.Total, want.Outcomes)
	}
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

// compare asks the store and the model for the same summary.
func (w *world) compare(q annal.Query, agg annal.Aggregation) {
	w.t.Helper()
	got, err := w.store.Summarize(context.Background(), q, agg)
	want, wantErr := w.model.Summarize(context.Background(), q, agg)
	if err != nil || wantErr != nil {
		w.t.Fatalf("Summarize(%+v, %+v): %v, model %v", q, agg, err, wantErr)
	}
	byValue := cmpopts.SortSlices(func(a, b annal.Count) bool { return a.Value < b.Value })
	far := gocmp.Comparer(func(a, b time.Time) bool { return annal.TimeKey(a) == annal.TimeKey(b) })
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), byValue, far); diff != "" {
		w.t.Fatalf("Summarize(%+v, %+v) (-model +store):\n%s", q, agg, diff)
	}
}

// settle waits until n segments are there.
func (w *world) settle(n int) {
	w.t.Helper()
	for w.store.Stats().Segments < n {
		w.append()
		time.Sleep(time.Millisecond)
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
	const places = 60
	met := uint64(0)
	for i := range places {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			w := newWorld(t, 1, 100)
			w.few = false
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

// spoil flips a bit of a file in the ith of n places.
func (w *world) spoil(name string, i, n int) {
	w.t.Helper()
	m, err := w.disk.Map(name)
	if err != nil {
		w.t.Fatal(err)
	}
	b := m.Bytes() // the very memory of the disk
	b[len(b)/n*i+len(b)/n/2] ^= 1
	if err := m.Close(); err != nil {
		w.t.Fatal(err)
	}
}
