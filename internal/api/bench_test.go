package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"annal"
)

// fixed is a Reader with one page and one summary: what is left is the cost of
// the API itself.
type fixed struct {
	Reader
	page annal.Page
}

func (f fixed) Search(context.Context, annal.Query) (annal.Page, error) { return f.page, nil }

func (f fixed) Scan(_ context.Context, _ annal.Query, fn func(*annal.Event) error) error {
	for range 100 {
		for i := range f.page.Events {
			if err := fn(&f.page.Events[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sink is a ResponseWriter that keeps nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}
func (s sink) Flush()                      {}

func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	e := event("read", "sa:reporting-service", "environments/production/salesforce/api-credentials", 0)
	e.Source = annal.Source{IP: "10.0.1.50", UserAgent: "scaivault-python/1.0.0"}
	e.Request = annal.Request{ID: "req_0123456789abcdef", Method: "GET", Status: 200, Duration: 12e6}
	e.Session = "ses_0123456789"
	e.Extra = `{"rotation_reason":"scheduled","ticket":"INC-277","version":7}`
	page := annal.Page{Next: &annal.Mark{Time: 1, Position: 2}, Below: 3}
	for range 100 {
		page.Events = append(page.Events, e)
	}
	w.cfg.Reader = fixed{w.log, page}
	w.restart()
	return w
}

func (w *world) bench(b *testing.B, target string, header ...string) {
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Authorization", "Bearer "+w.of("acme").secret)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		w.h.ServeHTTP(out, r)
	}
}

func BenchmarkPage(b *testing.B) {
	w := benchWorld(b)
	for _, target := range []string{"/v1/events", "/v1/audit/logs?action=read&from=2026-04-23"} {
		b.Run(strings.ReplaceAll(target[1:], "/", "_"), func(b *testing.B) { w.bench(b, target) })
	}
}

func BenchmarkStream10000(b *testing.B) {
	w := benchWorld(b)
	for _, accept := range []string{"application/x-ndjson", "text/csv"} {
		b.Run(accept, func(b *testing.B) { w.bench(b, "/v1/events", "Accept", accept) })
	}
}

// BenchmarkReceive measures what the API adds to ingest for 1000 events.
func BenchmarkReceive(b *testing.B) {
	w := newWorld(b)
	result := IngestResult{Accepted: 1000, Receipts: make([]annal.Receipt, 1000)}
	w.cfg.Ingest = swallow{result}
	w.restart()
	body := strings.Repeat(strings.Repeat("x", 400)+"\n", 1000)
	acme := w.of("acme")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/v1/events", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+acme.secret)
		w.h.ServeHTTP(sink{http.Header{}}, r)
	}
}

// BenchmarkReceiveOne measures what the API adds to the ingest of one event.
func BenchmarkReceiveOne(b *testing.B) {
	w := newWorld(b)
	w.cfg.Ingest = swallow{IngestResult{Accepted: 1, Receipts: make([]annal.Receipt, 1)}}
	w.restart()
	body := strings.NewReader(strings.Repeat("x", 400))
	r := httptest.NewRequest("POST", "/v1/events", body)
	r.Header.Set("Authorization", "Bearer "+w.of("acme").secret)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(strings.Repeat("x", 400))
		w.h.ServeHTTP(sink{http.Header{}}, r)
	}
}

// swallow is an Ingester that keeps nothing.
type swallow struct{ result IngestResult }

func (s swallow) Receive(context.Context, IngestRequest) (IngestResult, error) { return s.result, nil }
