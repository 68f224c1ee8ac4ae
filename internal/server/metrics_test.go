package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"annal"
)

// busy is a server that every metric has something to say about.
func busy(t *testing.T) *running {
	t.Helper()
	s := start(t, config(t.TempDir()), nil)
	c := s.client(t, -1)
	e := event("one")
	e.Extra = `{"password":"correct horse"}`
	for range 2 {
		if _, err := c.Append(t.Context(), []annal.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.AppendNDJSON(t.Context(), []byte(`{"action":"read"}`), ""); err == nil {
		t.Fatal("an event without an actor was taken")
	}
	get(t, s.url+"/v1/events", "Bearer "+s.token)
	return s
}

func TestMetricsSayWhatHappened(t *testing.T) {
	s := busy(t)
	_, body := get(t, s.url+"/metrics", "")
	for _, want := range []string{
		`annal_events_total{result="accepted"} 1`,
		`annal_events_total{result="duplicate"} 1`,
		`annal_events_total{result="refused"} 1`,
		`annal_redactions_total{kind="password"} 2`,
		`annal_http_requests_total{code="200",route="POST /v1/events"} 2`,
		`annal_http_requests_total{code="200",route="GET /v1/events"} 1`,
		`annal_http_request_duration_seconds_count{route="GET /v1/events"} 1`,
		`annal_log_events 1`,
		`annal_memtable_rows 1`,
		`annal_write_alarm 0`,
		`annal_segments 0`,
		`annal_build_info{goversion="`,
		`process_resident_memory_bytes `,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestMetricsAreNamedAsPrometheusAdvises(t *testing.T) {
	s := busy(t)
	_, body := get(t, s.url+"/metrics", "")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Every metric of annal's own is explained to operators, and no other is.
func TestOperationsListsEveryMetric(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, body := get(t, busy(t).url+"/metrics", "")
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# HELP (annal_[a-z_]+)`).FindAllStringSubmatch(body, -1) {
		shown[m[1]] = true
	}
	_, table, _ := strings.Cut(string(guide), "\n## Metrics\n")
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("`(annal_[a-z_]+)").FindAllStringSubmatch(table, -1) {
		explained[m[1]] = true
		if !shown[m[1]] {
			t.Errorf("docs/operations.md explains %s, which /metrics does not show", m[1])
		}
	}
	for name := range shown {
		if !explained[name] {
			t.Errorf("docs/operations.md does not explain %s", name)
		}
	}
}
