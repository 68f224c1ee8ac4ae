//go:build integration

package api

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// poppler reads the PDF as a person would. scripts/deps brings pdftotext, and
// make puts it on the path.
func TestS3_4_PopplerReadsThePDF(t *testing.T) {
	w := newWorld(t)
	events := reported(120)
	events[5].Message = strings.Repeat("A long story that goes on over pages. ", 400)
	w.put(events...)
	a := w.get(w.of("acme"), "/audit/export?format=pdf&start_date=2026-04-23&end_date=2026-04-23&event_type=secret.*").ok()
	if dir := os.Getenv("ANNAL_KEEP_PDF"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "report.pdf"), a.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := exec.Command("pdftotext", "-layout", "-", "-")
	read.Stdin = bytes.NewReader(a.Body.Bytes())
	var out, complaints bytes.Buffer
	read.Stdout, read.Stderr = &out, &complaints
	if err := read.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("pdftotext: %v\n%s", err, &complaints)
	}
	text := out.String()
	pages := strings.Split(strings.TrimSuffix(text, "\f"), "\f")
	for i, page := range pages {
		for _, want := range []string{"Timestamp", "Event type", "Actor", "Resource", "Description", "Severity", fmt.Sprintf("Page %d of %d", i+1, len(pages)), "120 entries"} {
			if !strings.Contains(page, want) {
				t.Errorf("page %d of %d has no %q", i+1, len(pages), want)
			}
		}
	}
	for _, want := range []string{
		"Audit report", "2026-04-23T12:00:00Z for user-of-acme", "acme", "from 2026-04-23T00:00:00Z until before 2026-04-24T00:00:00Z",
		"event_type = secret.*", "End of the report: 120 entries.", "Привет Мир", "Ünïcødé ß", `\u65E5\u672C\u8A9E`, "שלום עולם",
		`nul\u0000 \u202Eevil`, `key \U0001F511`, `C:\users \u005Cu0041`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q", want)
		}
	}
	for i := range events {
		if !regexp.MustCompile(fmt.Sprintf(`user-%d\b`, i)).MatchString(text) || !strings.Contains(text, fmt.Sprintf("app-%d/", i)) {
			t.Errorf("entry %d is not there", i)
		}
	}
	if got := strings.Count(strings.Join(strings.Fields(text), " "), "story"); got != 400 {
		t.Errorf("the long text has %d of its 400 sentences", got)
	}
}
