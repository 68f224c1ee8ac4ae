package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"annal"
)

// Of the words of a text, those are looked for that say something, the longest
// first.
func TestWordsThatSayNothingAreLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "a a A": "a", "o lorem or ipsum": "lorem ipsum", "ab bc abc": "abc", "x yy zzz": "zzz yy x",
	} {
		var got []string
		for _, w := range newWords(text) {
			got = append(got, w.text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: looks for %q, want %q", text, got, want)
		}
	}
}

// Text has a bounded number of words, and a question whose context has ended looks
// for none of them: it ends with the context's error, not with an answer.
func TestLookingForWordsEnds(t *testing.T) {
	for _, rows := range []int{50, 1 << 20} { // in segments, in memory
		w := newWorld(t, 2, rows)
		for range 20 {
			w.append()
		}
		texts := make([]string, annal.MaxWords+1)
		for i := range texts {
			texts[i] = fmt.Sprintf("w%dx", i)
		}
		var invalid *annal.InvalidError
		if _, err := w.store.Search(t.Context(), annal.Query{Text: strings.Join(texts, " ")}); !errors.As(err, &invalid) {
			t.Errorf("%d words: got %v, want a refusal", len(texts), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		q := annal.Query{Text: strings.Join(texts[1:], " ")}
		var words []*word
		_, err := w.store.read(ctx, &q, func(v *view, p *plan) error {
			cancel()
			words = p.words
			return walk(&watch{ctx: context.Background(), store: w.store}, v.runs(p), false, func(*run) (bool, error) {
				t.Error("an event is found")
				return true, nil
			})
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		for _, word := range words {
			if word.seen != [annal.NumTexts]int{} {
				t.Errorf("%s is looked for in vain", word.text)
			}
		}
	}
}
