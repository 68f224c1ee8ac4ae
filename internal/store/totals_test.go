package store

import (
	"context"
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
