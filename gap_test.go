package annal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawGaps draws ranges among a few positions, so that they touch and overlap.
func drawGaps(t *rapid.T) (g Gaps, in [64]bool) {
	for range rapid.IntRange(0, 6).Draw(t, "ranges") {
		from := rapid.Uint64Range(0, 62).Draw(t, "from")
		to := rapid.Uint64Range(from, 63).Draw(t, "to")
		g = g.With(Gaps{{from, to}})
		for p := from; p < to; p++ {
			in[p] = true
		}
	}
	return g, in
}

// Gaps hold the positions that were put into them and no others, in order and
// apart, and a sentence about them says which.
func TestGapsHoldWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, in := drawGaps(t)
		h, also := drawGaps(t)
		at := rapid.Uint64Range(0, 64).Draw(t, "position")
		var got, behind [64]bool
		last := Gap{}
		for i, x := range g.With(h) {
			if x.From >= x.To || i > 0 && x.From <= last.To {
				t.Errorf("%v with %v has %v after %v", g, h, x, last)
			}
			for p := x.From; p < x.To; p++ {
				got[p] = true
			}
			last = x
		}
		n := uint64(0)
		for _, x := range g.With(h).Behind(at) {
			for p := x.From; p < x.To; p++ {
				behind[p] = true
			}
		}
		for p := range got {
			want := in[p] || also[p]
			if got[p] != want || g.With(h).Holds(uint64(p)) != want || behind[p] != (want && uint64(p) >= at) {
				t.Errorf("%v with %v: position %d is in it %v, and behind %d %v", g, h, p, got[p], at, behind[p])
			}
			if want {
				n++
			}
		}
		if g.With(h).Len() != n {
			t.Errorf("%v with %v has %d positions, want %d", g, h, g.With(h).Len(), n)
		}
		if again := ParseGaps(g.String()); !slices.Equal(again, g) {
			t.Errorf("%q is read as %v, want %v", g.String(), again, g)
		}
	})
}

func TestGapsAreSaid(t *testing.T) {
	var many Gaps
	for i := range uint64(MaxGapsShown + 2) {
		many = append(many, Gap{10 * i, 10*i + 5})
	}
	for _, tt := range []struct {
		name string
		g    Gaps
		want string
	}{
		{"none", nil, ""},
		{"one position", Gaps{{7, 8}}, "positions 7 are missing"},
		{"two ranges", Gaps{{7, 8}, {1000, 2000}}, "positions 7, 1000-1999 are missing"},
		{"too many", many, "positions 0-4, 10-14, 20-24, 30-34, 40-44, 50-54, 60-64, 70-74, 80-84, 90-94, 100-104, 110-114, 120-124, 130-134, 140-144, 150-154 and 2 further ranges are missing"},
	} {
		if got := tt.g.String(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := ParseGaps(many.String()); !slices.Equal(got, many[:MaxGapsShown]) {
		t.Errorf("a sentence that names some of the ranges is read as %v", got)
	}
	for _, odd := range []string{"something is missing", "positions  are missing", "positions 5-3 are missing", "positions 1 -2 are missing"} {
		if got := ParseGaps(odd); !slices.Equal(got, Gaps{{0, ^uint64(0)}}) {
			t.Errorf("%q is read as %v, want all positions", odd, got)
		}
	}
}
