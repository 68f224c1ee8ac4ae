package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"annal/internal/annaltest"
)

func TestMain(m *testing.M) { os.Exit(annaltest.Main(m)) }

// buildAnnal builds the program under test, for the race detector if that looks
// at the test.
func buildAnnal(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "annal")
	build := exec.Command("go", "build", "-o", binary, fmt.Sprintf("-race=%v", annaltest.Raced), "annal/cmd/annal")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build annal: %v\n%s", err, out)
	}
	return binary
}

// TestRunMeasuresTheRealServer runs every phase, kill -9 included, and asks the
// log that is left again.
func TestRunMeasuresTheRealServer(t *testing.T) {
	cfg := Config{
		Binary: buildAnnal(t), Dir: t.TempDir(), Mix: Mix{Seed: 3, Events: 6000, Tenants: 3}, Singles: 300, Repeat: 4,
	}
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	testAgain(t, cfg, report.Log)
	for _, q := range questions() {
		if v, ok := report.Value(q.key + "_p50_ms"); !ok || v <= 0 {
			t.Errorf("%s was not measured", q.key)
		}
	}
	for _, key := range []string{
		"ingest_batched_events_per_s", "ingest_single_p99_ms", "stream_events_per_s", "ready_after_kill_s",
		"peak_resident_mib", "resident_mixed_mib", "anonymous_ask_mib", "mixed_ingest_events_per_s", "mixed_rare_text_p50_ms",
		"answers_checked", "ingest_batched_server_cpu_s_per_million", "all_tenants_newest_100_p50_ms",
	} {
		if v, ok := report.Value(key); !ok || v <= 0 {
			t.Errorf("%s is %v, want it measured", key, v)
		}
	}
}

func testAgain(t *testing.T, cfg Config, log Log) {
	t.Helper()
	cfg.Again = &log
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Log != log {
		t.Errorf("asked again, the log is %+v, want %+v", report.Log, log)
	}
	for _, key := range []string{"summary_90d_p50_ms", "stream_events_per_s", "answers_checked"} {
		if v, ok := report.Value(key); !ok || v <= 0 {
			t.Errorf("asked again, %s is %v, want it measured", key, v)
		}
	}
	if _, ok := report.Value("ingest_batched_events_per_s"); ok {
		t.Error("asked again, the run brought events in, want it to leave the log as it is")
	}
}

func TestAskingAgainNeedsTheWholeLog(t *testing.T) {
	server, gen := filledServer(t, 100)
	_, err := Run(t.Context(), Config{
		Server: "http://" + server.listen, Token: server.target.token, Again: &Log{Mix: gen.Mix(), Events: 100, Stored: 101},
	})
	if err == nil || !strings.Contains(err.Error(), "has 100 events, want the 101") {
		t.Errorf("Run = %v, want it to refuse a log that lacks an event", err)
	}
}

func TestRunRefusesALogThatIsNotEmpty(t *testing.T) {
	server, gen := filledServer(t, 100)
	_, err := Run(t.Context(), Config{
		Server: "http://" + server.listen, Token: server.target.token, Mix: gen.Mix(),
	})
	if err == nil || !strings.Contains(err.Error(), "100 events already") {
		t.Errorf("Run = %v, want it to refuse a log with 100 events", err)
	}
}

// filledServer starts a server and stores events 0 ≤ i < n.
func filledServer(t *testing.T, n int) (*daemon, *Generator) {
	t.Helper()
	cfg := Config{Binary: buildAnnal(t), Dir: t.TempDir()}
	server, err := newDaemon(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.kill)
	gen := NewGenerator(Mix{Seed: 5, Events: n, End: time.Now(), Identities: 20, Paths: 150})
	if _, err := server.target.send(t.Context(), gen, load{end: uint64(n), batch: 1000, connections: 2}); err != nil {
		t.Fatal(err)
	}
	return server, gen
}

// TestWrongAnswersAreNoticed takes right answers of a real server, changes one
// thing in each, and wants the checker to notice every time.
func TestWrongAnswersAreNoticed(t *testing.T) {
	const n = 4000
	server, gen := filledServer(t, n)
	w, err := server.target.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	r := &run{cfg: Config{Checks: 1}, gen: gen, server: server, stored: n}
	p := newPicker(gen, n)
	if err := r.learnIDs(w, p); err != nil {
		t.Fatal(err)
	}
	for _, q := range questions() {
		t.Run(q.key, func(t *testing.T) {
			a := q.make(p)
			body, err := w.do(server.target.appendHead(nil, "GET", a.path, a.tenant, "application/json", 0))
			if err != nil {
				t.Fatal(err)
			}
			probes := a.probes
			if a.later != nil {
				probes = append(probes, a.later)
			}
			if err := gen.consult(t.Context(), n, probes); err != nil {
				t.Fatal(err)
			}
			if err := a.verify(body); err != nil {
				t.Fatalf("the right answer to %s is refused: %v\n%s", a.path, err, body)
			}
			plantMistakes(t, &a, body)
		})
	}
}

// unchecked are members that the log assigns, and one that is shown rounded.
var unchecked = map[string]bool{
	"id": true, "seq": true, "position": true, "received": true, "cursor": true, "duration_ms": true,
}

func plantMistakes(t *testing.T, a *ask, body []byte) {
	t.Helper()
	const mistakes = 40
	for range mistakes {
		var doc any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		var spots []func() string
		findSpots(doc, &spots)
		if len(spots) == 0 {
			return // an empty page holds nothing to change
		}
		what := spots[rand.IntN(len(spots))]()
		changed, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.verify(changed); err == nil {
			t.Fatalf("the checker accepts an answer to %s in which %s\n%s", a.path, what, changed)
		}
	}
}

// findSpots collects ways to change one thing in v.
func findSpots(v any, spots *[]func() string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if unchecked[name] {
				continue
			}
			if other := otherThan(member); other != nil {
				*spots = append(*spots, func() string {
					v[name] = other
					return fmt.Sprintf("%s is %v instead of %v", name, other, member)
				})
			}
			if list, ok := member.([]any); ok && len(list) > 1 && !reflect.DeepEqual(list[0], list[1]) {
				*spots = append(*spots,
					func() string { v[name] = list[1:]; return "the first of " + name + " is missing" },
					func() string { list[0], list[1] = list[1], list[0]; return "two of " + name + " have changed places" },
					func() string { list[1] = list[0]; return "one of " + name + " comes twice" })
			}
			findSpots(member, spots)
		}
	case []any:
		for _, item := range v {
			findSpots(item, spots)
		}
	}
}

func otherThan(v any) any {
	switch v := v.(type) {
	case string:
		return v + "x"
	case float64:
		return v + 1
	case bool:
		return !v
	}
	return nil
}
