package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

var lines = [...]struct{ key, title string }{
	{"ingest_batched_events_per_s", "ingest, 4 × 1000 (events/s)"},
	{"ingest_batched_server_cpu_s_per_million", "CPU-s per million, batched"},
	{"ingest_single_events_per_s", "ingest, 64 × 1 (events/s)"},
	{"disk_bytes_per_event", "bytes per event at rest"},
	{"newest_100_p50_ms", "newest 100 (p50 ms)"},
	{"action_day_p50_ms", "action in a day"},
	{"rare_identity_p50_ms", "rare identity"},
	{"request_id_p50_ms", "request id"},
	{"prefix_failed_30d_p50_ms", "path prefix + failed, 30 days"},
	{"path_trail_30d_p50_ms", "path trail + 30-day summary"},
	{"identity_trail_30d_p50_ms", "identity trail + 30-day summary"},
	{"summary_30d_p50_ms", "summary 30 days, odd bounds"},
	{"summary_90d_p50_ms", "summary 90 days"},
	{"rare_text_p50_ms", "rare text"},
	{"stream_events_per_s", "export (events/s)"},
}

func writeTable(o options, results []result) (err error) {
	var out io.Writer = os.Stdout
	if o.out != "" {
		f, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	fmt.Fprintf(out, "%d events, %d processors, %s\n\n", o.events, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	head, rule := "| |", "|---|"
	for _, r := range results {
		head += " " + r.name + " |"
		rule += "---|"
	}
	fmt.Fprintln(out, head)
	fmt.Fprintln(out, rule)
	for _, l := range lines {
		row := "| " + l.title + " |"
		for _, r := range results {
			row += " " + show(r.figures[l.key]) + " |"
		}
		fmt.Fprintln(out, row)
	}
	for _, r := range results {
		for _, l := range lines {
			if note := r.notes[l.key]; note != "" {
				fmt.Fprintf(out, "\n%s, %s: %s\n", r.name, l.title, note)
			}
		}
	}
	for _, d := range disagreements(results) {
		fmt.Fprintln(out, "\n"+d)
	}
	return nil
}

func show(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// disagreements names stores whose answers are not as large as the first's.
func disagreements(results []result) []string {
	var said []string
	var first *result
	for i := range results {
		r := &results[i]
		if len(r.sizes) == 0 {
			continue // annal checks its own answers
		}
		if first == nil {
			first = r
			continue
		}
		var at []string
		compared := 0
		for key, sizes := range r.sizes {
			for n, size := range sizes[:min(len(sizes), len(first.sizes[key]))] {
				compared++
				if size != first.sizes[key][n] {
					at = append(at, fmt.Sprintf("%s %d: %d, not %d", key, n, size, first.sizes[key][n]))
				}
			}
		}
		slices.Sort(at)
		if len(at) > 0 {
			said = append(said, fmt.Sprintf("%s disagrees with %s on %d of %d answers: %s", r.name, first.name, len(at), compared,
				strings.Join(at[:min(len(at), 5)], "; ")))
		}
	}
	return said
}
