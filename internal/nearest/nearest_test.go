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

// The distance is a metric, but for parts of names, which are all at 1.
func TestDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abcd", "abxd", "xyz"}
	for _, a := range words {
		for _, b := range words {
			d := distance(a, b)
			if (d == 0) != (a == b) || d != distance(b, a) || d > max(len(a), len(b)) {
				t.Errorf("distance(%q, %q) = %d, back %d", a, b, d, distance(b, a))
			}
		}
	}
	if d := distance("path", "resource.path"); d != 1 {
		t.Errorf("a part is at %d, want 1", d)
	}
}
