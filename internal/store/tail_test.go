package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"annal"
)

// all returns the whole log by position.
func (s *Store) all() (out []annal.Event, err error) {
	for at, end := uint64(0), s.End(); at < end; {
		w, err := s.readWindow(at, min(at+farRows, end))
		if err != nil {
			return nil, err
		}
		out = append(out, w.events...)
		at = w.to
	}
	return out, nil
}

// A tailing is one who follows a store, and what was seen.
type tailing struct {
	rnd    *rand.Rand
	query  annal.Query
	from   uint64
	lazy   bool // takes few events at a time, and lets others go first
	events []annal.Event
	native []string
}

// run follows s until position end, which is 0 until it is known. Now and then
// it goes on behind the last event that it has seen, as a client does that
// connects again.
func (f *tailing) run(ctx context.Context, s *Store, end *atomic.Uint64) error {
	for at := f.from; end.Load() == 0 || at < end.Load(); {
		if f.lazy {
			time.Sleep(time.Duration(f.rnd.IntN(1000)) * time.Microsecond)
		}
		room := 1 + f.rnd.IntN(400)
		next, err := s.Tail(ctx, f.query, at, func(e *annal.Event, native []byte) bool {
			if last := end.Load(); last > 0 && e.Position >= last {
				return false
			}
			var text arena
			kept := *e
			text.own(&kept)
			f.events, f.native = append(f.events, kept), append(f.native, string(native))
			room--
			return room > 0
		})
		if err != nil {
			return err
		}
		at = next
		if n := len(f.events); n > 0 && f.events[n-1].Position >= f.from && f.rnd.IntN(8) == 0 {
			at = f.events[n-1].Position + 1
		}
	}
	return nil
}

// check compares what f has seen with what events has for it.
func (f *tailing) check(t *testing.T, events []annal.Event) {
	t.Helper()
	n := 0
	for i := range events {
		e := &events[i]
		if e.Position < f.from || !f.query.Matches(e) {
			continue
		}
		if n == len(f.events) {
			t.Fatalf("%+v from %d: %d events were seen, position %d was not", f.query, f.from, n, e.Position)
		}
		if diff := gocmp.Diff(*e, f.events[n], ignoreAssigned); diff != "" {
			t.Fatalf("%+v from %d: event %d (-model +store):\n%s", f.query, f.from, n, diff)
		}
		if want := string(f.events[n].AppendJSON(nil)); f.native[n] != want {
			t.Fatalf("position %d: got JSON %s, want %s", e.Position, f.native[n], want)
		}
		n++
	}
	if n != len(f.events) {
		t.Fatalf("%+v from %d: %d events were seen, want %d", f.query, f.from, len(f.events), n)
	}
}

// TestTailsShareAndSeeTheirOwn is the law of tails: however many follow a log
// that grows, is sealed and shares its windows among them, each sees every event
// of its own tenants and filters exactly once, in order, and no other.
func TestTailsShareAndSeeTheirOwn(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w := newWorld(t, 3*seed, []int{100, 700, 5000}[seed%3])
			if seed%2 == 1 {
				w.store.tails.windows.max = 2 // so that windows are let go of and read again
			}
			for range 30 {
				w.append()
			}
			var end atomic.Uint64
			var wg sync.WaitGroup
			tails := make([]*tailing, 24)
			for i := range tails {
				f := &tailing{rnd: rand.New(rand.NewPCG(seed, uint64(i))), query: w.query(), lazy: i%4 == 0}
				f.from = f.rnd.Uint64N(w.store.End() + 1)
				tails[i] = f
				wg.Go(func() {
					if err := f.run(t.Context(), w.store, &end); err != nil {
						t.Errorf("tail %d: %v", i, err)
					}
				})
			}
			for range 60 {
				w.append()
			}
			events := slices.Clone(w.model.Events())
			end.Store(uint64(len(events)))
			for w.store.End() == uint64(len(events)) {
				w.append() // wakes those who have seen all
			}
			wg.Wait()
			for _, f := range tails {
				f.check(t, events)
			}
			w.close()
		})
	}
}

// However large events are, a window holds a bounded part of them.
func TestWindowsOfLargeEventsAreBounded(t *testing.T) {
	for _, rows := range []int{100, 5000} { // in segments, in memory
		w := newWorld(t, 1, rows)
		for range 20 {
			var b annal.Batch
			for range 25 {
				e := w.event()
				e.Message = strings.Repeat("large ", 2700)
				b.Events = append(b.Events, e)
			}
			if _, err := w.store.Append(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		seen := uint64(0)
		for at, end := uint64(0), w.store.End(); at < end; {
			next, err := w.store.Tail(t.Context(), annal.Query{}, at, func(e *annal.Event, _ []byte) bool {
				if e.Position != seen {
					t.Fatalf("position %d comes after %d events", e.Position, seen)
				}
				seen++
				return true
			})
			if err != nil || next != seen {
				t.Fatalf("Tail from %d: next %d, %v, want %d", at, next, err, seen)
			}
			at = next
		}
		c := &w.store.tails.windows
		c.mu.Lock()
		for _, kept := range c.list {
			text := 0
			for i := range kept.events {
				text += len(kept.events[i].Message)
			}
			if text > maxWindowText {
				t.Errorf("a window has %d bytes of messages, at most %d are allowed", text, maxWindowText)
			}
		}
		c.mu.Unlock()
		w.close()
	}
}

// Windows that nobody wants go away, in the end all of them.
func TestUnusedWindowsAreForgotten(t *testing.T) {
	c := windows{max: 4, maxBytes: 100}
	for i := range uint64(10) {
		w := &window{from: i, to: i + 1}
		w.size.Store(30)
		c.add(w)
		if len(c.list) > 3 {
			t.Fatalf("%d windows of 30 bytes are kept, 100 bytes are allowed", len(c.list))
		}
	}
	large := &window{from: 10, to: 11}
	large.size.Store(1000)
	c.add(large)
	if len(c.list) != 1 || c.find(10) != large || c.find(9) != nil {
		t.Errorf("beside a large window %d are kept", len(c.list)-1)
	}
	for range maxUnused {
		c.forget()
	}
	if c.find(10) == nil {
		t.Error("a window is forgotten early")
	}
	for range maxUnused + 1 {
		c.forget()
	}
	if len(c.list) != 0 {
		t.Errorf("%d unused windows are kept", len(c.list))
	}
}

// A lane serves in the order of asking, rests while others wait, longer for
// more, and lets go of those who no longer want a turn. In a bubble nothing takes
// time but the rests.
func TestLanesTakeTurnsAndRest(t *testing.T) {
	for _, tt := range []struct {
		waiting int
		want    []time.Duration // when each enters; turns cost 10 ms
	}{
		{0, nil},
		{1, []time.Duration{20 * time.Millisecond}},
		{3, []time.Duration{30 * time.Millisecond, 60 * time.Millisecond, 80 * time.Millisecond}},
	} {
		t.Run(strconv.Itoa(tt.waiting), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { takeTurns(t, tt.waiting, tt.want) })
		})
	}
}

func takeTurns(t *testing.T, waiting int, want []time.Duration) {
	const cost = 10 * time.Millisecond
	l := lane{turn: make(chan struct{}, 1)}
	if err := l.enter(t.Context(), time.Now); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var order []int
	var entered []time.Duration
	var wg sync.WaitGroup
	for i := range waiting {
		wg.Go(func() {
			if err := l.enter(t.Context(), time.Now); err != nil {
				t.Error(err)
			}
			order, entered = append(order, i), append(entered, time.Since(began)) // who has the turn is alone
			l.leave(time.Now(), cost)
		})
		synctest.Wait()
	}
	impatient, giveUp := context.WithCancel(t.Context())
	wg.Go(func() {
		if err := l.enter(impatient, time.Now); !errors.Is(err, context.Canceled) {
			t.Errorf("who gives up gets %v, want %v", err, context.Canceled)
		}
	})
	synctest.Wait()
	giveUp()
	synctest.Wait()
	l.leave(began, cost)
	wg.Wait()
	if !slices.Equal(entered, want) || !slices.IsSorted(order) {
		t.Errorf("%v entered at %v, want them in order at %v", order, entered, want)
	}
	if n := l.waiting.Load(); n != 0 {
		t.Errorf("%d wait for ever", n)
	}
}

// Whoever gives up during the rest, with the turn already theirs, passes it on.
func TestATurnThatIsGivenUpIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lane{turn: make(chan struct{}, 1), open: time.Now().Add(maxRest)}
		impatient, giveUp := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.enter(impatient, time.Now) }()
		synctest.Wait()
		giveUp()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("who gives up gets %v, want %v", err, context.Canceled)
		}
		if err := l.enter(t.Context(), time.Now); err != nil { // it would wait for ever
			t.Errorf("the next gets %v", err)
		}
	})
}

func TestPulse(t *testing.T) {
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var p pulse
	for _, step := range []struct {
		after time.Duration
		grown uint64
		want  bool
	}{
		{0, 1000, false}, // over all the time before
		{10 * time.Millisecond, 1000, false},
		{50 * time.Millisecond, 1000, true},
		{10 * time.Millisecond, 0, true}, // too early to say
		{50 * time.Millisecond, 10, false},
		{time.Second, 1_000_000, true},
		{-time.Hour, 1_000_000, false}, // the clock was set back
		{time.Hour, 1_000_000, false},
	} {
		at = at.Add(step.after)
		if got := p.quick(at, p.end+step.grown); got != step.want {
			t.Errorf("%d events more after %v: quick %v, want %v", step.grown, step.after, got, step.want)
		}
	}
}

// A tail whose filters take long gives up its turn in the midst of a window, and
// goes on there: it sees the same as one that takes no time. What a query selects
// is what it says.
func TestTurnsOfTailsEnd(t *testing.T) {
	w := newWorld(t, 5, 1<<20)
	for w.store.End() < 1000 {
		w.append()
	}
	win, err := w.store.readWindow(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		q := w.query()
		if w.rnd.IntN(2) == 0 {
			q.Text = "A e " + q.Text
		}
		var want, got []uint64
		for i := range win.events {
			if q.Below = 0; q.Matches(&win.events[i]) {
				want = append(want, win.events[i].Position)
			}
		}
		turns := 0
		for at := uint64(0); at < win.to; turns++ {
			next, _ := win.show(&q, at, func() bool { return true }, func(e *annal.Event, _ []byte) bool {
				got = append(got, e.Position)
				return true
			})
			if next <= at || next > at+eventsPerLook && next < win.to {
				t.Fatalf("a turn from %d goes to %d", at, next)
			}
			at = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %d events are seen in %d turns, want %d", q, len(got), turns, len(want))
		}
	}
}
