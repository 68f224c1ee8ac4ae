package bench

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReportIsOneFlatObject(t *testing.T) {
	r := Report{Log: Log{Mix: testMix(6).withDefaults(), Events: 5, Stored: 6}}
	r.add("ingest_batched_events_per_s", 100_000)
	r.addLatencies("newest_100", []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond})
	b, err := json.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	var flat map[string]any
	if err := json.Unmarshal(b, &flat); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"ingest_batched_events_per_s": 100_000.0, "newest_100_p50_ms": 2.0, "newest_100_p99_ms": 3.0,
		"seed": 7.0, "events": 5.0, "stored_events": 6.0, "end": "2026-04-23T18:00:00Z", "wrong_answers": 0.0,
	} {
		if flat[key] != want {
			t.Errorf("%s is %v, want %v", key, flat[key], want)
		}
	}
	if log, err := ReadLog(b); err != nil || log != r.Log {
		t.Errorf("ReadLog = %+v, %v, want %+v", log, err, r.Log)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"≥ 120,000", "100,000", "missed", "≤ 0.7"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
	if r.Met() {
		t.Error("the report meets its targets, want it to miss two")
	}
}

func TestCompareSaysHowManyTimesBetter(t *testing.T) {
	before := []byte(`{"events":10,"stream_events_per_s":100,"by_id_p50_ms":4,"gone_ms":1,"end":"x","span_s":5,"sealed_events":3}`)
	after := []byte(`{"events":20,"stream_events_per_s":150,"by_id_p50_ms":2,"new_ms":1,"end":"y","span_s":6,"sealed_events":9}`)
	got, err := Compare(before, after)
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{{"stream_events_per_s", 100, 150, 1.5}, {"by_id_p50_ms", 4, 2, 2}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Compare = %v, want %v", got, want)
	}
	if _, err := Compare(before, []byte("{")); err == nil {
		t.Error("a broken report was compared, want an error")
	}
}

func TestMarkdownHasAColumnForEachReport(t *testing.T) {
	small := []byte(`{"events":1000,"end":"x","span_s":5,"ingest_single_events_per_s":20000,"newest_100_p50_ms":0.5,"newest_100_p99_ms":2,"newest_100_asked":3}`)
	large := []byte(`{"events":2000,"newest_100_p50_ms":0.9,"newest_100_p99_ms":4,"ingest_single_p50_ms":1,"ingest_single_p99_ms":61}`)
	var got strings.Builder
	if err := WriteMarkdown(&got, small, large); err != nil {
		t.Fatal(err)
	}
	const want = `| p50 (p99) | goal at 10 M | 1,000 events | 2,000 events |
|---|---|---|---|
| durable ingest, 64 connections × 1 event, events/s | ≥ 10,000 | 20,000 | – |
| … p99, ms | ≤ 60 | – | **61** |
| newest 100, p50 ms | ≤ 0.7 | 0.5 (2) | **0.9** (4) |
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
	if err := WriteMarkdown(&got, small, []byte("[]")); err == nil {
		t.Error("a broken report was shown, want an error")
	}
}

// TestEveryTargetIsShown guards against goals that tables for people leave out.
func TestEveryTargetIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, row := range Rows() {
		shown[row.Key] = true
	}
	for key := range targets {
		if !shown[key] {
			t.Errorf("no row shows %s", key)
		}
	}
}

// TestEveryTargetIsMeasurable guards against targets of keys that no run has.
func TestEveryTargetIsMeasurable(t *testing.T) {
	known := map[string]bool{
		"ingest_batched_events_per_s": true, "ingest_batched_server_cpu_s_per_million": true,
		"ingest_single_events_per_s": true, "ingest_single_p99_ms": true, "disk_bytes_per_event": true,
		"mixed_ingest_events_per_s": true, "stream_events_per_s": true, "cold_first_page_ms": true, "ready_after_kill_s": true, "peak_resident_mib": true,
	}
	for _, q := range questions() {
		known[q.key+"_p50_ms"] = true
	}
	for key := range targets {
		if !known[key] {
			t.Errorf("nothing measures %s", key)
		}
	}
}

func TestDiskCountsSealedEventsByName(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{
		"segments/00000000000000000000-00000000000000000999-1.col": 700,
		"segments/00000000000000000000-00000000000000000999-1.idx": 300,
		"segments/00000000000000001000-00000000000000001499-2.col": 500,
		"wal/wal-00000000000000001500-3":                           4096,
		"LOCK":                                                     0,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := readDisk(dir)
	if err != nil || d.sealedBytes != 1500 || d.sealedEvents != 1500 || d.walBytes != 4096 || len(d.files) != 5 {
		t.Errorf("readDisk = %+v, %v; want 1500 bytes of 1500 events, 4096 of the log, 5 files", d, err)
	}
}
