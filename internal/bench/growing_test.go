package bench

import (
	"encoding/json"
	"slices"
	"testing"

	"annal"
)

// askAll asks every question of a log of n events, and hands on the answers.
func askAll(t *testing.T, n int, use func(t *testing.T, p *picker, a ask, body []byte)) {
	t.Helper()
	server, gen := filledServer(t, n)
	w, err := server.target.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	r := &run{gen: gen, server: server, stored: uint64(n)}
	p := newPicker(gen, uint64(n))
	if err := r.learnIDs(w, p); err != nil {
		t.Fatal(err)
	}
	for _, q := range questions() {
		t.Run(q.key, func(t *testing.T) {
			a := q.make(p)
			body, _, err := r.fetch(w, &a)
			if err != nil {
				t.Fatal(err)
			}
			use(t, p, a, body)
		})
	}
}

// TestAnswersOfAGrowingLogLieBetween checks the answers of a log of n events as if
// they came while it grew: past n they must be accepted, short of n refused if
// they show what is newer.
func TestAnswersOfAGrowingLogLieBetween(t *testing.T) {
	const n = 4000
	askAll(t, n, func(t *testing.T, p *picker, a ask, body []byte) {
		check := func(before, after uint64) error {
			between := a.whileGrowing(p, load{first: before, end: after})
			if err := p.gen.consult(t.Context(), after, between.probes); err != nil {
				t.Fatal(err)
			}
			return between.verify(body)
		}
		for _, l := range []load{{first: 1, end: n}, {first: n / 2, end: n}, {first: n - 1, end: 2 * n}, {first: n, end: 2 * n}} {
			if err := check(l.first, l.end); err != nil {
				t.Errorf("between %d and %d events: %v, want it accepted", l.first, l.end, err)
			}
		}
		if check(n/4, n/2) == nil && showsFrom(p.gen, body, n/2) {
			t.Errorf("an answer with events from %d on is accepted for fewer, want it refused", n/2)
		}
	})
}

// showsFrom reports whether a page has an event i ≥ from.
func showsFrom(g *Generator, body []byte, from uint64) bool {
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return false
	}
	return slices.ContainsFunc(append(d.Events, d.Logs...), func(raw json.RawMessage) bool {
		i, err := identify(g, raw)
		return err == nil && i >= from
	})
}

// TestWrongPagesOfAGrowingLogAreNoticed changes one thing in a page, of which
// every event was there before.
func TestWrongPagesOfAGrowingLogAreNoticed(t *testing.T) {
	const n = 4000
	askAll(t, n, func(t *testing.T, p *picker, a ask, body []byte) {
		if len(a.probes) == 0 || a.probes[0].keep == 0 {
			return // no page
		}
		between := a.whileGrowing(p, load{first: n, end: 2 * n})
		if err := p.gen.consult(t.Context(), 2*n, between.probes); err != nil {
			t.Fatal(err)
		}
		plantMistakes(t, &between, eventsOnly(t, body))
	})
}

// eventsOnly returns a page without what a growing log leaves unchecked.
func eventsOnly(t *testing.T, body []byte) []byte {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for name := range doc {
		if name != "events" && name != "logs" {
			delete(doc, name)
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWrongSummariesOfAGrowingLogAreNoticed moves the total and one count out of
// bounds.
func TestWrongSummariesOfAGrowingLogAreNoticed(t *testing.T) {
	low, high := &probe{fields: counted()}, &probe{fields: counted()}
	low, high = low.fork(), high.fork()
	low.total, high.total = 5, 9
	low.count(0, "read").N, high.count(0, "read").N = 5, 8
	high.count(0, "write").N = 1
	for _, tt := range []struct {
		name        string
		read, write uint64
		total       uint64
		want        bool
	}{
		{"before", 5, 0, 5, true},
		{"after", 8, 1, 9, true},
		{"between", 6, 1, 7, true},
		{"too few", 4, 1, 5, false},
		{"too many", 9, 0, 9, false},
		{"a sum that is none", 6, 1, 8, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			native := answer{doc: document{Total: tt.total, Breakdown: map[string][]nativeCount{
				annal.Action.String(): {{Value: "read", Count: tt.read}, {Value: "write", Count: tt.write}},
			}}}
			scai := answer{doc: document{TotalEvents: tt.total, Actions: map[string]uint64{"read": tt.read, "write": tt.write}}}
			for _, a := range []answer{native, scai} {
				if err := a.checkGrowingSummary(low, high); (err == nil) != tt.want {
					t.Errorf("checkGrowingSummary = %v, want it to accept: %v", err, tt.want)
				}
			}
		})
	}
}
