package annaltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"annal"
)

var noon = time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)

// read returns an event that actor caused s seconds after noon.
func read(tenant, id, actor string, s int) annal.Event {
	return annal.Event{
		EventID: id, Tenant: tenant, Time: noon.Add(time.Duration(s) * time.Second),
		Action: "read", Actor: annal.Actor{ID: actor},
	}
}

func TestAppendIsIdempotent(t *testing.T) {
	now := noon
	m := New(func() time.Time { return now })
	add := func(key string, digest byte, events ...annal.Event) ([]annal.Receipt, error) {
		return m.Append(t.Context(), &annal.Batch{Events: events, Key: key, Digest: [32]byte{digest}})
	}
	first, err := add("", 0, read("a", "1", "u", 0), read("b", "1", "u", 0), read("a", "1", "u", 0))
	if err != nil || first[2].Duplicate != true || first[2].Position != 0 || first[1].Seq != 0 || m.End() != 2 {
		t.Fatalf("first batch = %+v, %v; end %d", first, err, m.End())
	}
	late := read("a", "1", "u", 9)
	late.Untimed = true
	if again, err := add("", 0, late); err != nil || !again[0].Duplicate || again[0].ID != first[0].ID {
		t.Errorf("retry without time = %+v, %v", again, err)
	}
	var conflict *annal.ConflictError
	if _, err := add("", 0, read("a", "", "u", 0), read("a", "1", "v", 0)); !errors.As(err, &conflict) || conflict.Index != 1 || m.End() != 2 {
		t.Errorf("other content = %v, end %d", err, m.End())
	}
	if _, err := add("k", 1, read("a", "", "u", 0)); err != nil {
		t.Fatal(err)
	}
	if rs, err := add("k", 1, read("a", "", "u", 0)); err != nil || !rs[0].Duplicate || m.End() != 3 {
		t.Errorf("key again = %+v, %v", rs, err)
	}
	if _, err := add("k", 2, read("a", "", "u", 1)); !errors.As(err, &conflict) || conflict.Index != -1 {
		t.Errorf("key with other content = %v", err)
	}
	now = noon.Add(DuplicateWindow)
	if rs, err := add("k", 2, read("a", "1", "v", 0)); err != nil || rs[0].Duplicate || rs[0].Seq != 2 {
		t.Errorf("after the window = %+v, %v", rs, err)
	}
}

func TestPagesCoverEveryEventOnce(t *testing.T) {
	for _, oldest := range []bool{false, true} {
		m := New(func() time.Time { return noon })
		for i := range 25 {
			if _, err := m.Append(t.Context(), &annal.Batch{Events: []annal.Event{read("a", "", "u", i/3)}}); err != nil {
				t.Fatal(err)
			}
		}
		q := annal.Query{Limit: 4, Oldest: oldest, Count: true}
		seen := map[uint64]bool{}
		for {
			page, err := m.Search(t.Context(), q)
			if err != nil || page.Total != 25 {
				t.Fatalf("total %d, %v", page.Total, err)
			}
			for _, e := range page.Events {
				if seen[e.Position] {
					t.Errorf("position %d twice", e.Position)
				}
				seen[e.Position] = true
			}
			if page.Next == nil {
				break
			}
			q.After, q.Below = page.Next, page.Below
			if _, err := m.Append(t.Context(), &annal.Batch{Events: []annal.Event{read("a", "", "late", 3)}}); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) != 25 {
			t.Errorf("oldest %v: %d events, want 25", oldest, len(seen))
		}
	}
}

func TestTailSeesWhatComes(t *testing.T) {
	m := New(func() time.Time { return noon })
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan uint64)
	done := make(chan error)
	go func() {
		for at := uint64(1); ; {
			next, err := m.Tail(ctx, annal.Query{}, at, func(e *annal.Event, _ []byte) bool { got <- e.Position; return true })
			if err != nil {
				done <- err
				return
			}
			at = next
		}
	}()
	for want := range uint64(4) {
		if _, err := m.Append(ctx, &annal.Batch{Events: []annal.Event{read("a", "", "u", 0)}}); err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			continue // before the tail begins
		}
		if p := <-got; p != want {
			t.Errorf("position %d, want %d", p, want)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Tail = %v", err)
	}
}

func TestSummaryAddsUp(t *testing.T) {
	m := New(func() time.Time { return noon })
	denied := read("a", "", "v", 7200)
	denied.Outcome = annal.Denied
	if _, err := m.Append(t.Context(), &annal.Batch{Events: []annal.Event{read("a", "", "u", 0), denied, read("b", "", "u", 3)}}); err != nil {
		t.Fatal(err)
	}
	s, err := m.Summarize(t.Context(), annal.Query{}, annal.Aggregation{
		Breakdown: []annal.Field{annal.ActorID}, Distinct: []annal.Field{annal.Tenant, annal.ResourcePath}, Last: true, Interval: time.Hour,
	})
	if err != nil || s.Total != 3 || s.Failed() != 1 || len(s.Histogram) != 3 || s.Histogram[1].N != 0 {
		t.Fatalf("summary = %+v, %v", s, err)
	}
	if u := s.Breakdown[annal.ActorID][0]; u.Value != "u" || u.N != 2 || !u.Last.Equal(noon.Add(3*time.Second)) {
		t.Errorf("most frequent actor = %+v", u)
	}
	if s.Distinct[annal.Tenant] != 2 || s.Distinct[annal.ResourcePath] != 0 {
		t.Errorf("distinct = %v", s.Distinct)
	}
}

func TestWhatIsLostIsInNoAnswer(t *testing.T) {
	m := New(func() time.Time { return noon })
	var lost annal.ID
	for i := range 9 {
		rs, err := m.Append(t.Context(), &annal.Batch{Events: []annal.Event{read("a", "", "u", i)}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			lost = rs[0].ID
		}
	}
	m.Lose(2, 5)
	page, err := m.Search(t.Context(), annal.Query{Oldest: true})
	if err != nil || len(page.Events) != 6 || page.Events[2].Position != 5 {
		t.Errorf("the model answers %v, %v", page.Events, err)
	}
	if _, err := m.Event(t.Context(), nil, lost); !errors.Is(err, annal.ErrDamaged) {
		t.Errorf("an event that is lost: %v", err)
	}
	for _, tt := range []struct {
		q    annal.Query
		want string
	}{
		{annal.Query{}, "positions 2-4 are missing"},
		{annal.Query{Below: 4}, "positions 2-3 are missing"},
		{annal.Query{Below: 2}, ""},
		{annal.Query{Tenants: []string{"b"}}, "positions 2-4 are missing"},
		{annal.Query{Tenants: []string{}}, ""},
		{annal.Query{Since: noon.Add(4 * time.Second)}, "positions 2-4 are missing"},
		{annal.Query{Since: noon.Add(5 * time.Second)}, ""},
	} {
		if got := m.Missing(tt.q).String(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.q, got, tt.want)
		}
	}
}
