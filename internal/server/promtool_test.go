//go:build integration

package server_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Prometheus itself finds nothing to say about /metrics. scripts/deps brings
// promtool, and make puts it on the path.
func TestPromtoolFindsTheMetricsClean(t *testing.T) {
	s := busy(t)
	_, body := get(t, s.url+"/metrics", "")
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
