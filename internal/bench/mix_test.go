package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"annal"
)

func testMix(events int) Mix {
	return Mix{Seed: 7, Events: events, End: time.Date(2026, 4, 23, 18, 0, 0, 0, time.UTC)}
}

func TestEventIsAPureFunctionOfSeedAndIndex(t *testing.T) {
	a, b := NewGenerator(testMix(5000)), NewGenerator(testMix(5000))
	other := testMix(5000)
	other.Seed++
	c := NewGenerator(other)
	same := 0
	for i := uint64(0); i < 5000; i++ {
		line := a.AppendNative(nil, i)
		if again := b.AppendNative(nil, 4999-(4999-i)); !bytes.Equal(line, again) {
			t.Fatalf("event %d differs between two generators of one mix:\n%s%s", i, line, again)
		}
		if bytes.Equal(line, c.AppendNative(nil, i)) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d events are the same under another seed, want 0", same)
	}
}

// TestNativeLineIsTheEvent checks that the encoder and Event render one draw.
func TestNativeLineIsTheEvent(t *testing.T) {
	m := testMix(20_000)
	m.Strangers, m.Tenants = 500, 20
	g := NewGenerator(m)
	var e annal.Event
	for i := range uint64(20_000) {
		line := g.AppendNative(nil, i)
		g.Event(i, &e)
		var got, want map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("event %d is no JSON: %v\n%s", i, err, line)
		}
		if err := json.Unmarshal(e.AppendCanonical(nil), &want); err != nil {
			t.Fatal(err)
		}
		got["time"] = want["time"] // they differ in digits; checked below
		if _, ok := got["outcome"]; !ok {
			got["outcome"], got["severity"] = annal.Success.String(), annal.Info.String()
		}
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			t.Fatalf("event %d\n got %s\nwant %s", i, g, w)
		}
		if want := annal.FormatTime(e.Time, 6); !bytes.Contains(line, []byte(want)) {
			t.Fatalf("event %d has not time %s: %s", i, want, line)
		}
		if j, ok := g.Index(e.Request.ID); !ok || j != i {
			t.Fatalf("Index(%s) = %d, %v, want %d", e.Request.ID, j, ok, i)
		}
	}
}

func TestMixHasTheSharesThatItPromises(t *testing.T) {
	const n = 200_000
	m := testMix(n)
	g := NewGenerator(m)
	var e annal.Event
	actions, ids, paths, sessions := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	failed, bytes, rare, behind := 0, 0, 0, 0
	var last time.Time
	first := g.Mix().End
	for i := range uint64(n) {
		g.Event(i, &e)
		bytes += len(g.AppendNative(nil, i))
		actions[e.Action]++
		ids[e.Actor.ID]++
		paths[e.Resource.Path]++
		sessions[e.Session]++
		if e.Outcome != annal.Success {
			failed++
		}
		if e.Extra == `{"ticket":"`+RareWord(3)+`"}` {
			rare++
		}
		if e.Time.After(m.End) {
			t.Fatalf("event %d is at %v, after the end", i, e.Time)
		}
		if e.Time.Before(last) {
			behind++
		}
		if e.Time.Before(first) {
			first = e.Time
		}
		last = e.Time
	}
	near(t, "share of reads", float64(actions["read"])/n, 0.78, 0.01)
	near(t, "share of failures", float64(failed)/n, 0.03, 0.003)
	near(t, "actions", float64(len(actions)), 22, 0)
	near(t, "bytes of an event", float64(bytes)/n, 410, 15)
	near(t, "events with one rare word", float64(rare), rareEach, 0)
	near(t, "events of a session", n/float64(len(sessions)), 17, 8)
	near(t, "days that the events span", m.End.Sub(first).Hours()/24, 90, 0.01)
	if len(ids) < 8_000 || len(ids) > 10_000 || len(paths) < 20_000 || len(paths) > 50_000 {
		t.Errorf("%d identities and %d paths, want about 10,000 and up to 50,000", len(ids), len(paths))
	}
	if behind > n/10 {
		t.Errorf("%d of %d events are older than the one before, want few", behind, n)
	}
}

func TestKnobsChangeTheMix(t *testing.T) {
	const n = 20_000
	count := func(change func(*Mix), of func(*annal.Event) string) (distinct, behind int) {
		m := testMix(n)
		change(&m)
		g := NewGenerator(m)
		seen := map[string]bool{}
		var e annal.Event
		var last time.Time
		for i := range uint64(n) {
			g.Event(i, &e)
			seen[of(&e)] = true
			if e.Time.Before(last) {
				behind++
			}
			last = e.Time
		}
		return len(seen), behind
	}
	tenant := func(e *annal.Event) string { return e.Tenant }
	if got, _ := count(func(m *Mix) { m.Tenants = 100 }, tenant); got != 100 {
		t.Errorf("%d tenants, want 100", got)
	}
	if got, _ := count(func(m *Mix) { m.Tenants = n }, tenant); got != n {
		t.Errorf("%d tenants with an event each, want %d", got, n)
	}
	if got, _ := count(func(m *Mix) { m.Strangers = n / 2 }, func(e *annal.Event) string { return e.Actor.ID }); got < n/2 {
		t.Errorf("%d identities, want at least %d", got, n/2)
	}
	stamp := func(e *annal.Event) string { return e.Time.String() }
	if got, behind := count(func(m *Mix) { m.Shuffled = true }, stamp); got < n*99/100 || behind < n/4 {
		t.Errorf("shuffled: %d times, %d out of order; want %d, many", got, behind, n)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: %v, want %v ± %v", what, got, want, tolerance)
	}
}

func BenchmarkAppendNative(b *testing.B) {
	g := NewGenerator(testMix(10_000_000))
	buf := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for i := range b.N {
		buf = g.AppendNative(buf[:0], uint64(i))
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkEvent(b *testing.B) {
	g := NewGenerator(testMix(10_000_000))
	var e annal.Event
	b.ReportAllocs()
	for i := range b.N {
		g.Event(uint64(i), &e)
	}
}
