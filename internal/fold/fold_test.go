package fold

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func texts(rnd *rand.Rand) (all []byte, ends []int, list []string) {
	alphabet := []rune("aAbBzZ09-_ {}\"İıKKüÜß")
	if rnd.IntN(2) == 0 {
		alphabet = alphabet[:13]
	}
	for range rnd.IntN(40) {
		var s strings.Builder
		for range rnd.IntN(12) {
			s.WriteRune(alphabet[rnd.IntN(len(alphabet))])
		}
		list = append(list, s.String())
		all = append(all, s.String()...)
		ends = append(ends, len(all))
	}
	return all, ends, list
}

// TestFinderIsContainsOfLower holds the finder to its definition.
func TestFinderIsContainsOfLower(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		all, ends, list := texts(rnd)
		word := "a"
		if len(list) > 0 {
			if s := []rune(strings.ToLower(list[rnd.IntN(len(list))])); len(s) > 0 {
				i := rnd.IntN(len(s))
				word = string(s[i : i+1+rnd.IntN(len(s)-i)])
			}
		}
		f := New(word)
		var want, got []int
		for i, s := range list {
			is := strings.Contains(strings.ToLower(s), word)
			if f.In(s) != is {
				t.Fatalf("New(%q).In(%q) = %v, want %v", word, s, !is, is)
			}
			if is {
				want = append(want, i)
			}
		}
		f.Each(all, len(list), func(i int) int { return ends[i] }, func(i int) { got = append(got, i) })
		if !slices.Equal(got, want) {
			t.Fatalf("New(%q).Each(%q) = %v, want %v", word, list, got, want)
		}
	}
}

func BenchmarkEach(b *testing.B) {
	for _, word := range []string{"inc-2777777", "needle", "zebra"} {
		var all []byte
		var ends []int
		for range 100_000 {
			all = append(all, `{"ticket":"INC-1234567"}`...)
			ends = append(ends, len(all))
		}
		f := New(word)
		b.Run(word, func(b *testing.B) {
			b.SetBytes(int64(len(all)))
			for b.Loop() {
				f.Each(all, len(ends), func(i int) int { return ends[i] }, func(int) {})
			}
		})
	}
}
