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

	"annal/internal/bench"
)

// lines are the figures that all stores have.
var lines = [...]string{
	"ingest_batched_events_per_s", "ingest_batched_server_cpu_s_per_million", "ingest_single_events_per_s", "disk_bytes_per_event",
	"newest_100_p50_ms", "action_day_p50_ms", "rare_identity_p50_ms", "request_id_p50_ms", "prefix_failed_30d_p50_ms",
	"path_trail_30d_p50_ms", "identity_trail_30d_p50_ms", "summary_30d_p50_ms", "summary_90d_p50_ms", "rare_text_p50_ms",
	"stream_events_per_s",
}

// title returns what a table calls a figure.
func title(key string) string {
	rows := bench.Rows()
	if i := slices.IndexFunc(rows, func(r bench.Row) bool { return r.Key == key }); i >= 0 {
		return rows[i].Title
	}
	return key
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
	fmt.Fprintf(out, "%d events, %d processors, %s. In parentheses: how many times as good annal's figure is.\n\n",
		o.events, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	head, rule := "| |", "|---|"
	for _, r := range results {
		head += " " + r.name + " |"
		rule += "---|"
	}
	fmt.Fprintln(out, head)
	fmt.Fprintln(out, rule)
	for _, key := range lines {
		row := "| " + title(key) + " |"
		for _, r := range results {
			row += " " + show(r.figures[key]) + compared(key, results[0].figures[key], r.figures[key]) + " |"
		}
		fmt.Fprintln(out, row)
	}
	for _, r := range results {
		for _, key := range lines {
			if note := r.notes[key]; note != "" {
				fmt.Fprintf(out, "\n%s, %s: %s\n", r.name, title(key), note)
			}
		}
	}
	for _, d := range disagreements(results) {
		fmt.Fprintln(out, "\n"+d)
	}
	return nil
}

// compared writes how many times as good as a peer's the first store's figure is,
// bold where the peer's is better; "" of the first itself.
func compared(key string, first, peer float64) string {
	if first == peer || first == 0 || peer == 0 {
		return ""
	}
	ratio := peer / first
	if strings.HasSuffix(key, "_events_per_s") {
		ratio = first / peer
	}
	if ratio < 1 {
		return fmt.Sprintf(" (**%.2f**)", ratio)
	}
	return " (" + show(ratio) + ")"
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
