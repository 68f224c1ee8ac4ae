package store

import (
	"math/rand/v2"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
)

// TestDurationsAreFoundByTheirText filters by durations to the greatest, whose
// milliseconds are not what a float64 times a million gives.
func TestDurationsAreFoundByTheirText(t *testing.T) {
	r := rand.New(rand.NewPCG(annaltest.FirstSeed(), 3))
	for range 20_000 {
		d := time.Duration(r.Int64N(int64(annal.MaxDuration) + 1))
		if r.IntN(2) == 0 {
			d = annal.MaxDuration - time.Duration(r.Int64N(1e15))
		}
		e := annal.Event{Request: annal.Request{Duration: d}}
		f := annal.Filter{Fields: []annal.Field{annal.Duration}, Values: []string{e.Value(annal.Duration), "12"}}
		is := numberTest(durationPart{ns: int64(d)}, annal.Duration, &f)
		if is == nil || !is(0) {
			t.Fatalf("%d ns are not found as %s ms", d, f.Values[0])
		}
		near := annal.Event{Request: annal.Request{Duration: d ^ 1}}
		if got, want := numberTest(durationPart{ns: int64(d ^ 1)}, annal.Duration, &f)(0), near.Value(annal.Duration) == f.Values[0]; got != want {
			t.Fatalf("%d ns are found as %s ms: %t, want %t", d^1, f.Values[0], got, want)
		}
	}
}

// durationPart is a row with a duration and nothing else.
type durationPart struct {
	part
	ns int64
}

func (p durationPart) number(annal.Field, uint32) int64 { return p.ns }
