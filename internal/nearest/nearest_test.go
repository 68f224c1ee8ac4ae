package nearest

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	names := []string{"actor.id", "actor.name", "from", "listen", "path", "text", "to"}
	for _, tt := range []struct {
		word string
		want []string
	}{
		{"form", []string{"from", "to"}},
		{"listn", []string{"listen", "path"}},
		{"actor", []string{"actor.id", "actor.name"}},
		{"text", []string{"text", "to"}},
		{"", []string{"to", "from"}},
	} {
		if got := Names(tt.word, slices.Values(names), 2); !slices.Equal(got, tt.want) {
			t.Errorf("Names(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Names("x", slices.Values([]string{"y"}), 3); !slices.Equal(got, []string{"y"}) {
		t.Errorf("among one name: got %q", got)
	}
}

// The distance counts edits of a byte: it is a metric. Parts of names are all at
// 1, wherever they stand.
func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"from", "from", 0}, {"", "to", 2}, {"form", "from", 2}, {"listn", "listen", 1}, {"listeen", "listen", 1},
		{"kitten", "sitting", 3}, {"saturday", "sunday", 3}, {"abcd", "abxd", 1}, {"path", "resource.path", 1}, {"actor", "actor.id", 1},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	words := []string{"aaaa", "abab", "baba", "abcd", "abxd", "dcba", "xyzx"} // none is part of another
	for _, a := range words {
		for _, b := range words {
			d := distance(a, b)
			if (d == 0) != (a == b) || d != distance(b, a) || d > max(len(a), len(b)) {
				t.Errorf("distance(%q, %q) = %d, back %d", a, b, d, distance(b, a))
			}
			for _, c := range words {
				if detour := distance(a, c) + distance(c, b); detour < d {
					t.Errorf("%q to %q is %d, but %d by way of %q", a, b, d, detour, c)
				}
			}
		}
	}
}
