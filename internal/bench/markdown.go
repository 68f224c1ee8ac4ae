package bench

import (
	"fmt"
	"io"
	"strings"
)

// A Row is a figure that tables for people show.
type Row struct{ Key, Title string }

// Rows returns what tables for people show of a run, in their order.
func Rows() []Row {
	return []Row{
		{"ingest_batched_events_per_s", "durable ingest, 4 connections × 1000-event NDJSON, events/s"},
		{"ingest_batched_server_cpu_s_per_million", "… server CPU-s per million"},
		{"ingest_batched_client_cpu_s_per_million", "… client CPU-s per million"},
		{"ingest_single_events_per_s", "durable ingest, 64 connections × 1 event, events/s"},
		{"ingest_single_p99_ms", "… p99, ms"},
		{"newest_100_p50_ms", "newest 100, p50 ms"},
		{"by_id_p50_ms", "by id"},
		{"request_id_p50_ms", "by request id"},
		{"action_day_p50_ms", "action in a day"},
		{"rare_identity_p50_ms", "rare identity"},
		{"prefix_failed_30d_p50_ms", "path prefix and failed, 30 days"},
		{"path_trail_30d_p50_ms", "path trail with 30-day summary"},
		{"identity_trail_30d_p50_ms", "identity trail with 30-day summary"},
		{"summary_30d_p50_ms", "summary over 30 days, odd bounds"},
		{"summary_90d_p50_ms", "summary over 90 days"},
		{"rare_text_p50_ms", "rare text"},
		{"scaivault_newest_100_p50_ms", "ScaiVault's API: newest 100"},
		{"scaivault_request_id_p50_ms", "… by request id"},
		{"scaivault_action_day_p50_ms", "… action in a day"},
		{"scaivault_rare_identity_p50_ms", "… rare identity"},
		{"scaivault_prefix_failed_30d_p50_ms", "… path prefix and failed, 30 days"},
		{"scaivault_summary_30d_p50_ms", "… summary over 30 days"},
		{"scaivault_summary_90d_p50_ms", "… summary over 90 days"},
		{"stream_events_per_s", "streaming as NDJSON, events/s"},
		{"mixed_ingest_events_per_s", "beside questions: durable ingest, events/s"},
		{"mixed_newest_100_p50_ms", "beside ingest: newest 100, p50 ms"},
		{"mixed_by_id_p50_ms", "… by id"},
		{"mixed_request_id_p50_ms", "… by request id"},
		{"mixed_action_day_p50_ms", "… action in a day"},
		{"mixed_rare_identity_p50_ms", "… rare identity"},
		{"mixed_prefix_failed_30d_p50_ms", "… path prefix and failed, 30 days"},
		{"mixed_path_trail_30d_p50_ms", "… path trail with 30-day summary"},
		{"mixed_identity_trail_30d_p50_ms", "… identity trail with 30-day summary"},
		{"mixed_summary_30d_p50_ms", "… summary over 30 days, odd bounds"},
		{"mixed_summary_90d_p50_ms", "… summary over 90 days"},
		{"mixed_rare_text_p50_ms", "… rare text"},
		{"cold_first_page_ms", "cold first page, ms"},
		{"cold_rare_identity_ms", "cold rare identity, ms"},
		{"disk_bytes_per_event", "disk, sealed, log excluded, salt included, bytes/event"},
		{"peak_resident_mib", "resident memory at most, MiB"},
		{"peak_anonymous_mib", "… of it anonymous"},
		{"ready_after_kill_s", "ready after kill -9, s"},
	}
}

// WriteMarkdown writes reports, read as JSON, side by side: a column for each,
// headed by its number of events. A p99 stands in parentheses behind its median;
// what misses its goal is bold.
func WriteMarkdown(out io.Writer, reports ...[]byte) error {
	var columns []figures
	for i, report := range reports {
		f, err := readFigures(report)
		if err != nil {
			return fmt.Errorf("report %d: %w", i+1, err)
		}
		columns = append(columns, f)
	}
	head, rule := "| p50 (p99) | goal at 10 M |", "|---|---|"
	for _, f := range columns {
		head += " " + number(f.value["events"]) + " events |"
		rule += "---|"
	}
	text := head + "\n" + rule + "\n"
	for _, row := range Rows() {
		goal, _ := Figure{Key: row.Key, Target: targetOf(row.Key)}.against()
		line, measured := "| "+row.Title+" | "+goal+" |", false
		for _, f := range columns {
			cell, ok := f.cell(row.Key)
			line += " " + cell + " |"
			measured = measured || ok
		}
		if measured {
			text += line + "\n"
		}
	}
	_, err := io.WriteString(out, text)
	return err
}

const p99Suffix = "_p99_ms"

// beside reports whether a figure stands behind its median.
func (f *figures) beside(key string) bool {
	name, ok := strings.CutSuffix(key, p99Suffix)
	_, median := f.value[name+medianSuffix]
	return ok && median && targetOf(key) == 0
}

// cell writes a figure as a table shows it, and reports whether there is one.
func (f *figures) cell(key string) (string, bool) {
	v, ok := f.value[key]
	if !ok {
		return "–", false
	}
	text := number(v)
	if figure := (Figure{Key: key, Value: v, Target: targetOf(key)}); !figure.Met() {
		text = "**" + text + "**"
	}
	if name, ok := strings.CutSuffix(key, medianSuffix); ok && f.beside(name+p99Suffix) {
		text += " (" + number(f.value[name+p99Suffix]) + ")"
	}
	return text, true
}
