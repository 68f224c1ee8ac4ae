package bench

import "strings"

const (
	mixedPrefix = "mixed_" // of figures that are taken while events come in
	mixedSlower = 2        // how many times as long a question may take then
)

// targetOf returns the target of a figure; 0: none.
func targetOf(key string) float64 {
	name, mixed := strings.CutPrefix(key, mixedPrefix)
	if mixed && strings.HasSuffix(name, medianSuffix) {
		return mixedSlower * targets[name]
	}
	return targets[key]
}

// targets are the figures to reach with ten million events on two processors,
// the client included.
var targets = map[string]float64{
	"ingest_batched_events_per_s":             120_000,
	"ingest_batched_server_cpu_s_per_million": 5,
	"ingest_single_events_per_s":              10_000,
	"ingest_single_p99_ms":                    60,
	"mixed_ingest_events_per_s":               60_000,
	"disk_bytes_per_event":                    72,

	"newest_100_p50_ms":         0.7,
	"by_id_p50_ms":              0.7,
	"request_id_p50_ms":         0.7,
	"action_day_p50_ms":         1,
	"rare_identity_p50_ms":      1,
	"prefix_failed_30d_p50_ms":  3,
	"path_trail_30d_p50_ms":     5,
	"identity_trail_30d_p50_ms": 5,
	"summary_30d_p50_ms":        20,
	"summary_90d_p50_ms":        6,
	"rare_text_p50_ms":          6,

	"scaivault_newest_100_p50_ms":        0.7,
	"scaivault_request_id_p50_ms":        0.7,
	"scaivault_action_day_p50_ms":        1,
	"scaivault_rare_identity_p50_ms":     1,
	"scaivault_prefix_failed_30d_p50_ms": 3,
	"scaivault_summary_30d_p50_ms":       20,
	"scaivault_summary_90d_p50_ms":       6,

	"stream_events_per_s": 500_000,
	"cold_first_page_ms":  60,
	"ready_after_kill_s":  1.5,
	"peak_resident_mib":   800,
}
