package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"annal/internal/server"
)

func (r *running) get(t *testing.T, path string) (body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", path, resp.StatusCode, body, err)
	}
	return body
}

// Reads that were answered are in the access stream after an orderly end, in a
// folder of their own, with secrets removed; the log has none of them.
func TestReadsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, config(dir), nil)
	for range 5 {
		s.get(t, "/v1/audit/logs?identity_id=user:a&password=hunter2-and-more")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, server.AccessDir, "LOG")); err != nil {
		t.Error(err)
	}
	s = start(t, config(dir), nil)
	var page struct {
		Events []struct {
			Action string
			Extra  struct {
				Rows  int
				Query map[string]string
			}
		}
	}
	if err := json.Unmarshal(s.get(t, "/v1/access"), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 5 {
		t.Fatalf("%d reads are noted, want 5", len(page.Events))
	}
	if e := page.Events[0]; e.Action != "audit.read" || e.Extra.Query["identity_id"] != "user:a" || e.Extra.Query["password"] != "[redacted:password]" {
		t.Errorf("noted %+v", e)
	}
	if err := json.Unmarshal(s.get(t, "/v1/events"), &page); err != nil || len(page.Events) != 0 {
		t.Errorf("the log has %+v, %v", page.Events, err)
	}
}
