package store

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
	"annal/internal/annaltest"
)

// randomSource counts some of a few values, seldom more often than a few times.
func randomSource(t *testing.T, r *rand.Rand, tally *tally) {
	m := newMemtable(0, 1, new(room))
	for range r.IntN(40) {
		m.inter[tally.field].add(strconv.Itoa(r.IntN(20)))
	}
	cells := make([]cell, len(m.inter[tally.field].values))
	for code := range cells {
		if n := r.IntN(4) * r.IntN(4); n > 0 {
			cells[code] = cell{n: uint64(n), failed: uint64(r.IntN(n + 1)), last: r.Int64N(9)}
		}
	}
	if err := tally.hold(&source{field: tally.field, mem: m.view()}, cells); err != nil {
		t.Fatal(err)
	}
}

// TestTopValuesAreThoseOfMerging is the law of finding the top without merging:
// when it can, it finds what merging does.
func TestTopValuesAreThoseOfMerging(t *testing.T) {
	tries := annaltest.Cases(5000)
	r := rand.New(rand.NewPCG(annaltest.FirstSeed(), 2))
	w := &watch{ctx: context.Background(), store: &Store{}}
	found := 0
	for try := range tries {
		y := &tally{field: annal.ActorID, merging: true}
		for range 1 + r.IntN(5) {
			randomSource(t, r, y)
		}
		n := 1 + r.IntN(3)
		got, want := ranking{n: n}, ranking{n: n}
		ok, err := topValues(w, y.sources, &got, 1+r.IntN(6))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			continue
		}
		found++
		err = y.each(w, nil, func(value string, c cell) {
			if value != "" {
				want.add(value, c)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want.sorted(), got.sorted(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("try %d (-merged +found):\n%s", try, diff)
		}
	}
	if found < tries/10 || found > tries*9/10 {
		t.Errorf("%d of %d tries found the top; want some that do and some that do not", found, tries)
	}
}
