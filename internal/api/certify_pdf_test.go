package api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"annal"
)

// reported are events with everything that a page must cope with.
func reported(n int) []annal.Event {
	names := []string{"Ada Lovelace", "Привет Мир", "Ünïcødé ß", "日本語", "שלום עולם", "عربى", "nul\x00 \u202Eevil", "key 🔑", `C:\users \u0041`}
	events := make([]annal.Event, n)
	for i := range events {
		e := event("secret.rotated", fmt.Sprintf("user-%d", i), fmt.Sprintf("environments/production/app-%d/credentials", i), i)
		e.Actor.Name, e.Severity = names[i%len(names)], annal.Severity(i%int(annal.NumSeverities))
		e.Message = strings.Repeat(fmt.Sprintf("Entry number %d was rotated by %s. ", i, e.Actor.Name), 1+i%5)
		events[i] = e
	}
	return events
}

func TestS3_4_S3_12_PDF(t *testing.T) {
	w := newWorld(t)
	w.put(scan())
	w.put(reported(120)...)
	for _, at := range []string{"", "/api"} {
		target := at + "/audit/export?format=pdf&start_date=2025-01-01&end_date=2026-12-31&severity=error,warning&search=rotated"
		a := w.get(w.of("acme"), target).ok()
		if a.Header().Get("Content-Type") != "application/pdf" || !bytes.HasPrefix(a.Body.Bytes(), []byte("%PDF-")) {
			t.Errorf("answer is %s", a.Header())
		}
		if got := a.Header().Get("Content-Disposition"); got != `attachment; filename="audit-from-2025-01-01-to-2026-12-31.pdf"` {
			t.Errorf("Content-Disposition is %s", got)
		}
		if again := w.get(w.of("acme"), target); !bytes.Equal(a.Body.Bytes(), again.Body.Bytes()) {
			t.Error("the same question at the same time has another answer")
		}
	}
	w.get(w.super("audit:read"), "/audit/export?format=pdf").refused(403, "insufficient_scope")
	if got := w.get(w.of("other"), "/audit/export?format=pdf").ok(); !bytes.HasPrefix(got.Body.Bytes(), []byte("%PDF-")) {
		t.Error("nothing is no report")
	}
}

func TestS3_4_PDFIsBounded(t *testing.T) {
	w := newWorld(t)
	tall := event("a", "b", "c", 0)
	tall.Tenant, tall.Message = "tall", strings.Repeat("\n", 16<<10)
	for range 4 {
		w.put(tall)
	}
	many := make([]annal.Event, maxReport)
	for i := range many {
		many[i] = event("read", "u", "p", i)
	}
	w.put(many...)
	w.get(w.of("acme"), "/audit/export?format=pdf").ok()
	w.put(scan())
	for tenant, want := range map[string]string{
		"acme": "a PDF has at most 10000 entries and the filters select 10001; ",
		"tall": "a PDF has at most 1000 pages and the entries that the filters select need more; ",
	} {
		want := `{"error":"Bad Request","detail":"` + want + `narrow start_date, end_date or the other filters, or ask for format=csv or format=json, which have no limit","code":"export_too_large"}`
		a := w.get(w.of(tenant), "/audit/export?format=pdf")
		if a.Code != 400 || a.Body.String() != want || a.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: answer is %d %s, want %s", tenant, a.Code, a.Body, want)
		}
	}
	w.get(w.of("acme"), "/audit/export?format=pdf&end_date=2025-12-31").ok()
}

// Further reports wait, and are told when that takes too long.
func TestS3_4_PDFsAreMadeFewAtATime(t *testing.T) {
	w := newWorld(t)
	w.cfg.QueryTimeout = 50 * time.Millisecond
	w.restart()
	for range maxReports {
		w.h.reports <- struct{}{}
	}
	a := w.get(w.of("acme"), "/audit/export?format=pdf").refused(429, "rate_limited")
	if a.Header().Get("Retry-After") != fmt.Sprint(retryReports) {
		t.Errorf("Retry-After is %q", a.Header().Get("Retry-After"))
	}
	<-w.h.reports
	w.cfg.QueryTimeout = 0
	w.restart()
	w.get(w.of("acme"), "/audit/export?format=pdf").ok()
	if len(w.h.reports) != 0 {
		t.Error("a report that is made still counts")
	}
}

func TestS3_4_PDFSaysWhatWasAsked(t *testing.T) {
	at := func(day, hour, nano int) time.Time { return time.Date(2026, 4, day, hour, 0, 0, nano, time.UTC) }
	for _, tt := range []struct {
		since, until time.Time
		want         string
	}{
		{time.Time{}, time.Time{}, "from the first entry to the last"},
		{at(1, 0, 0), at(24, 0, 0), "from 2026-04-01T00:00:00Z until before 2026-04-24T00:00:00Z"},
		{time.Time{}, at(23, 18, 1), "from the first entry to 2026-04-23T18:00:00Z inclusive"},
		{at(1, 0, 5e8), at(1, 0, 5e8+1), "from 2026-04-01T00:00:00.5Z to 2026-04-01T00:00:00.5Z inclusive"},
	} {
		if got := reportTimes(tt.since, tt.until); got != tt.want {
			t.Errorf("times are %q, want %q", got, tt.want)
		}
	}
	for _, tt := range [][4]string{
		{"Ada", "user", "user-1", "Ada\nuser user-1"},
		{"user-1", "user", "user-1", "user-1\nuser"},
		{"system", "system", "system", "system"},
		{"", "user", "", "user"},
		{"", "", "", ""},
		{"db", "", "", "db"},
	} {
		if got := stacked(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("%q is shown as %q", tt[:3], got)
		}
	}
}
