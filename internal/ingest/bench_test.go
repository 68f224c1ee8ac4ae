package ingest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"annal"
)

type discard struct{}

func (discard) Append(_ context.Context, b *annal.Batch) ([]annal.Receipt, error) { return nil, nil }

// ordinaryEvents returns NDJSON of n events of some 400 bytes.
func ordinaryEvents(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"event_id":"order-%d-read-1","time":"2026-04-23T18:00:00.%09dZ","tenant":"acme","actor":{"type":"service_account","id":"sa:reporting-%d"},`+
			`"session":"ses_%08x","action":"read","resource":{"type":"secret","path":"environments/production/salesforce/key-%d"},"outcome":"success",`+
			`"source":{"ip":"10.0.1.%d","user_agent":"scaivault-sdk/1.4.2 python/3.12"},"request":{"id":"req_%012x","method":"GET","status":200,"duration_ms":12.5},`+
			`"extra":{"region":"eu-central-1","version":%d}}`+"\n", i, i*1000, i%100, i, i%500, i%250, i*7919, i%9)
	}
	return b.Bytes()
}

// cpuTime returns the processor time that this process has used: it means
// something on a busy machine too, and includes the garbage collector.
func cpuTime(b testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkReceive(b *testing.B) {
	const n = 1000
	body := ordinaryEvents(n)
	in := New(Config{Log: discard{}})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		if _, err := in.Receive(b.Context(), Request{Body: body, Tenant: "acme"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N)/n, "cpu-ns/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
	b.ReportMetric(float64(len(body))/n, "B/event")
}

func BenchmarkGuard(b *testing.B) {
	in := New(Config{Log: discard{}})
	events, err := in.Parse(Request{Body: ordinaryEvents(1)})
	if err != nil {
		b.Fatal(err)
	}
	start := cpuTime(b)
	for b.Loop() {
		in.guard.clean(&events[0], nil)
	}
	b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/event")
}
