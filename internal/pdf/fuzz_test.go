package pdf

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"annal/internal/corpus"
)

// FuzzReport holds that any text can be set: the report is a PDF, the same one
// again, of no more than so many pages and no larger than its text makes it.
func FuzzReport(f *testing.F) {
	corpus.Seed(f)
	f.Add("2026-04-23T12:00:00Z", "rotation.completed", "error")
	f.Add("a\\u0041 日本 \u202e\x00\xff", "שָׁלוֹם (گد) 123", "\n\r\n\t")
	f.Add("", string(rune(utf8.MaxRune)), "\U0001F511")
	f.Fuzz(func(t *testing.T, one, two, three string) {
		if len(one)+len(two)+len(three) > 2<<10 {
			return // more of it is no other text; TestReportsAreBounded has long ones
		}
		set := func() []byte {
			r, err := New(Heading{Title: one, Facts: []Fact{{two, three}}, Made: heading().Made}, columns())
			if errors.Is(err, ErrTooLong) {
				return nil
			} else if err != nil {
				t.Fatal(err)
			}
			for _, row := range [][]string{{one, two, three}, {three, one, two}} {
				if err := r.Add(row...); errors.Is(err, ErrTooLong) {
					return nil
				} else if err != nil {
					t.Fatal(err)
				}
			}
			b, err := r.Bytes()
			if err != nil && !errors.Is(err, ErrTooLong) {
				t.Fatal(err)
			}
			if n := r.out.PageCount(); n > MaxPages {
				t.Fatalf("%d pages", n)
			}
			return b
		}
		first := set()
		if first != nil && (!bytes.HasPrefix(first, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(first), []byte("%%EOF"))) {
			t.Errorf("begins with %.8q", first)
		}
		if !bytes.Equal(first, set()) {
			t.Error("the same report has other bytes")
		}
	})
}
