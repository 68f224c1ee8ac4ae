package pdf

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkReport10000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r, err := New(heading(), columns())
		if err != nil {
			b.Fatal(err)
		}
		for i := range 10_000 {
			if err := r.Add("2026-04-23T12:00:00Z", strings.Repeat(fmt.Sprintf("Entry %d Привет. ", i), 12), "error"); err != nil {
				b.Fatal(err)
			}
		}
		out, err := r.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(r.out.PageCount()), "pages")
		b.ReportMetric(float64(len(out)), "bytes")
	}
}
