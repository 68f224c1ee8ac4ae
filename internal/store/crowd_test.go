package store

import (
	"context"
	"math"
	"strconv"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
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

// compare asks the store and the model for the same summary.
func (w *world) compare(q annal.Query, agg annal.Aggregation) {
	w.t.Helper()
	got, err := w.store.Summarize(context.Background(), q, agg)
	want, wantErr := w.model.Summarize(context.Background(), q, agg)
	if err != nil || wantErr != nil {
		w.t.Fatalf("Summarize(%+v, %+v): %v, model %v", q, agg, err, wantErr)
	}
	far := gocmp.Comparer(func(a, b time.Time) bool { return annal.TimeKey(a) == annal.TimeKey(b) })
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), far); diff != "" {
		w.t.Fatalf("Summarize(%+v, %+v) (-model +store):\n%s", q, agg, diff)
	}
	if !got.First.Equal(want.First) || !got.Last.Equal(want.Last) {
		w.t.Fatalf("Summarize(%+v, %+v): from %v to %v, want %v to %v", q, agg, got.First, got.Last, want.First, want.Last)
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
