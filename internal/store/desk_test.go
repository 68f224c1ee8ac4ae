package store

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"annal"
)

// Summaries over many values wait for one another, small ones for nobody, and who
// gives up leaves all desks to others.
func TestLargeSummariesTakeDesks(t *testing.T) {
	w := newWorld(t, 1, 1<<20)
	const values = 40_000
	for n := 0; n < values; {
		var b annal.Batch
		for range 4000 {
			e := w.event()
			e.EventID, e.Actor.ID = "", "user:"+strconv.Itoa(n)
			b.Events = append(b.Events, e)
			n++
		}
		if _, err := w.store.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	large := annal.Aggregation{Distinct: []annal.Field{annal.ActorID}}
	ask := func(ctx context.Context, agg annal.Aggregation) error {
		s, err := w.store.Summarize(ctx, annal.Query{}, agg)
		if err == nil && (s.Total != values || len(agg.Distinct) > 0 && s.Distinct[annal.ActorID] != values) {
			t.Errorf("%d events of %d actors, want %d of each", s.Total, s.Distinct[annal.ActorID], values)
		}
		return err
	}
	if err := ask(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	if err := w.store.desks.take(t.Context(), deskCount); err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), annal.Aggregation{Breakdown: []annal.Field{annal.ResultOutcome}}); err != nil {
		t.Errorf("a small summary: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { gone <- ask(ended, large) }()
	for w.store.desks.desks.waiting.Load() == 0 {
		select {
		case err := <-gone:
			t.Fatalf("a large summary does without a desk: %v", err)
		default:
		}
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	w.store.desks.leave(deskCount)
	if err := ask(t.Context(), large); err != nil || len(w.store.desks.desks.free) != deskCount || len(w.store.desks.door.free) != 1 {
		t.Errorf("%d desks are free, want %d; %v", len(w.store.desks.desks.free), deskCount, err)
	}
}
