package bench

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
)

// TestReferenceAgreesWithTheModel asks both the same random questions.
func TestReferenceAgreesWithTheModel(t *testing.T) {
	const n = 3000
	mix := testMix(n)
	mix.Tenants, mix.Identities, mix.Paths = 3, 40, 200
	g := NewGenerator(mix)
	model := modelOf(t, g, n)
	p := newPicker(g, n)
	selectors := []selector{actionDay, rareIdentity, requestID, prefixFailed, rareText, oddMonth, wholeSpan}
	fields := []annal.Field{annal.Action, annal.ActorID}
	for round := range 10 {
		var probes []*probe
		for _, sel := range selectors {
			q := p.query(sel)
			q.Limit = 1 + rand.IntN(20)
			probes = append(probes, &probe{query: q, keep: q.Limit, fields: fields})
		}
		if err := g.consult(t.Context(), n, probes); err != nil {
			t.Fatal(err)
		}
		for i, got := range probes {
			compareWithModel(t, model, g, got)
			if t.Failed() {
				t.Fatalf("round %d, selector %d: %+v", round, i, got.query)
			}
		}
	}
}

func modelOf(t *testing.T, g *Generator, n int) *annaltest.Model {
	t.Helper()
	model := annaltest.New(time.Now)
	events := make([]annal.Event, n)
	for i := range events {
		g.Event(uint64(i), &events[i])
	}
	if _, err := model.Append(context.Background(), &annal.Batch{Events: events}); err != nil {
		t.Fatal(err)
	}
	return model
}

func compareWithModel(t *testing.T, model *annaltest.Model, g *Generator, got *probe) {
	t.Helper()
	page, err := model.Search(t.Context(), got.query)
	if err != nil {
		t.Fatal(err)
	}
	var want []uint64
	for _, e := range page.Events {
		i, _ := g.Index(e.Request.ID)
		want = append(want, i)
	}
	var have []uint64
	for _, h := range got.newest[:min(len(got.newest), got.keep)] {
		have = append(have, h.index)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("page: events %v, want %v", have, want)
	}
	sum, err := model.Summarize(t.Context(), got.query, annal.Aggregation{Breakdown: got.fields})
	if err != nil {
		t.Fatal(err)
	}
	if got.total != sum.Total || got.outcomes != sum.Outcomes || !got.first.Equal(sum.First) || !got.last.Equal(sum.Last) {
		t.Errorf("counts: %d %v %v %v, want %+v", got.total, got.outcomes, got.first, got.last, sum)
	}
	for _, f := range got.fields {
		ranked := got.ranked(f)
		for i := range ranked {
			ranked[i].Last = time.Time{}
		}
		if len(ranked) != len(sum.Breakdown[f]) || len(ranked) > 0 && !reflect.DeepEqual(ranked, sum.Breakdown[f]) {
			t.Errorf("%v: %v, want %v", f, ranked, sum.Breakdown[f])
		}
	}
}
