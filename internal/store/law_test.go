package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/vfs"
)

// A world is a store and the model that it must agree with.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	mu    sync.Mutex
	now   time.Time // changed by pass alone; others than the test's goroutine ask clock
	disk  *vfs.Mem
	model *annaltest.Model
	store *Store
	rows  int
	keyed map[string]annal.Batch // the first with each key
	one   bool                   // all events are of one tenant
	crowd int                    // how many tenants there are; 0: the usual few
	skew  float64                // of a hundred actors in a crowd: 1: all are as frequent; 0: the usual few
	few   bool                   // the store's tables of values are tiny, so that it must merge
	plain bool                   // no event has an id of its own, so that appends look at no segment
}

func newWorld(t *testing.T, seed uint64, rows int) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), rows: rows, keyed: map[string]annal.Batch{}, one: seed%3 == 1, few: seed%5 == 4}
	w.disk = vfs.NewMem(seed)
	w.model = annaltest.New(func() time.Time { return w.now })
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	cfg := Config{Dir: "data", FS: w.disk, Now: w.clock, SegmentRows: w.rows, WALFileSize: 1 << 20}
	if w.few {
		cfg.spaceValues = 4
	}
	s, err := Open(cfg)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	w.store = s
}

// close closes the store, unless it is.
func (w *world) close() {
	w.t.Helper()
	if err := w.store.Close(); err != nil && !errors.Is(err, annal.ErrClosed) {
		w.t.Fatal(err)
	}
}

// clock is the time as the store sees it.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) pick(list ...string) string { return list[w.rnd.IntN(len(list))] }

// event makes an event whose values recur, so that questions find something.
func (w *world) event() annal.Event {
	r := w.rnd
	e := annal.Event{
		Tenant: w.pick("acme", "acme", "globex", "initech"), Action: w.pick("read", "read", "write", "delete", "list"),
		Actor:    annal.Actor{Type: w.pick("user", "service_account", ""), ID: "user:" + strconv.Itoa(r.IntN(12)), Name: w.pick("", "Ada", "Grace")},
		Resource: annal.Resource{Path: w.pick("a/b", "a/b/c", "a/bc", "x:y:z", "x", "", "Ünïcode/Path"), Type: w.pick("", "secret")},
		Outcome:  annal.Outcome(r.IntN(int(annal.NumOutcomes))), Severity: annal.Severity(r.IntN(int(annal.NumSeverities))),
		Source:  annal.Source{IP: fmt.Sprintf("10.0.0.%d", r.IntN(5)), UserAgent: w.pick("curl", "vault/1.0")},
		Request: annal.Request{ID: "req_" + strconv.Itoa(r.IntN(200)), Status: int32(r.IntN(3) * 200), Duration: time.Duration(r.IntN(3)) * 1500 * time.Microsecond},
		Session: w.pick("", "s1", "s2"), Message: w.pick("", "Hello World", "needle in hay"),
		Extra: w.pick("", `{"a":1}`, `{"ticket":"INC-`+strconv.Itoa(r.IntN(30))+`"}`),
	}
	if w.one {
		e.Tenant = "acme"
	}
	if w.crowd > 0 {
		return w.inCrowd(e)
	}
	switch r.IntN(20) {
	case 0:
		e.Time = time.Date(1+r.IntN(9998), 1, 1, 0, 0, 0, r.IntN(1e9), time.UTC)
	case 1:
		e.Time = w.now.Add(-time.Duration(r.IntN(90*24)) * time.Hour)
	case 2:
		e.Time = time.Unix(1_790_000_000, 0).UTC()
	default:
		e.Time = w.now.Add(-time.Duration(r.IntN(3000)) * time.Millisecond).UTC()
	}
	return e
}

func (w *world) append() {
	n := 1 + w.rnd.IntN(60)
	var b, twin annal.Batch
	for range n {
		b.Events = append(b.Events, w.event())
		if w.rnd.IntN(10) == 0 && !w.plain {
			b.Events[len(b.Events)-1].EventID = "e" + strconv.Itoa(w.rnd.IntN(40))
		}
	}
	if all := w.model.Events(); w.rnd.IntN(3) == 0 && len(all) > 0 { // repeat an older event
		e := all[w.rnd.IntN(len(all))]
		if e.EventID != "" {
			b.Events = append(b.Events, e)
		}
	}
	if w.rnd.IntN(8) == 0 {
		b.Key, b.Digest = "k"+strconv.Itoa(w.rnd.IntN(5)), [32]byte{byte(w.rnd.IntN(256)), byte(w.rnd.IntN(256))}
		if old, used := w.keyed[b.Key]; used && w.rnd.IntN(3) > 0 {
			b = annal.Batch{Events: slices.Clone(old.Events), Key: old.Key, Digest: old.Digest} // a retry
		}
	}
	w.pass(time.Duration(w.rnd.IntN(5000)) * time.Millisecond)
	if w.rnd.IntN(20) == 0 { // what is remembered for a day may be forgotten
		w.pass(time.Duration(w.rnd.IntN(14)) * time.Hour)
	}
	twin = annal.Batch{Events: slices.Clone(b.Events), Key: b.Key, Digest: b.Digest}
	got, gotErr := w.store.Append(context.Background(), &b)
	want, wantErr := w.model.Append(context.Background(), &twin)
	if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
		w.t.Fatalf("Append: got error %v, want %v", gotErr, wantErr)
	}
	if _, used := w.keyed[b.Key]; b.Key != "" && gotErr == nil && !used {
		w.keyed[b.Key] = twin
	}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreFields(annal.Receipt{}, "ID")); diff != "" && wantErr == nil {
		w.t.Fatalf("receipts (-model +store):\n%s", diff)
	}
}

var ignoreAssigned = cmpopts.IgnoreFields(annal.Event{}, "ID", "Salt", "Untimed")

func (w *world) query() annal.Query {
	var q annal.Query
	r := w.rnd
	if r.IntN(2) == 0 {
		q.Tenants = [][]string{{"acme"}, {"globex", "initech"}, {"nobody"}, {}}[r.IntN(4)]
	}
	if r.IntN(3) == 0 {
		q.Since = w.now.Add(-time.Duration(r.IntN(600)) * time.Second)
	}
	if r.IntN(3) == 0 {
		q.Until = w.now.Add(-time.Duration(r.IntN(300)) * time.Second)
	}
	if r.IntN(6) == 0 { // bounds beyond what 64 bits of nanoseconds hold
		q.Since = time.Date(1+r.IntN(1700), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if r.IntN(6) == 0 {
		q.Until = time.Date(2200+r.IntN(7000), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for r.IntN(2) == 0 {
		q.Where = append(q.Where, w.filter())
	}
	if r.IntN(4) == 0 {
		q.Text = w.pick("needle", "HELLO world", "inc-7", "path ada", "ünïcode", "nothing-here", "user:3")
	}
	q.Oldest = r.IntN(2) == 0
	q.Limit = 1 + r.IntN(50)
	q.Count = r.IntN(3) == 0
	if r.IntN(5) == 0 {
		q.Offset = r.IntN(30)
	}
	return q
}

func (w *world) filter() annal.Filter {
	f := [...]annal.Filter{
		{Fields: []annal.Field{annal.Action}, Values: []string{"read"}},
		{Fields: []annal.Field{annal.Action}, Values: []string{"write", "delete", "unknown"}},
		{Fields: []annal.Field{annal.ActorID}, Values: []string{"user:" + strconv.Itoa(w.rnd.IntN(13))}},
		{Fields: []annal.Field{annal.ActorID, annal.ActorName}, Values: []string{"user:1", "Ada"}},
		{Fields: []annal.Field{annal.ResourcePath}, Values: []string{w.pick("a/b", "x", "a", "", "a/")}, Prefix: true},
		{Fields: []annal.Field{annal.ResultOutcome}, Values: []string{"failure", "denied"}},
		{Fields: []annal.Field{annal.Status}, Values: []string{"400"}},
		{Fields: []annal.Field{annal.Duration}, Values: []string{"1.5"}},
		{Fields: []annal.Field{annal.RequestID}, Values: []string{"req_" + strconv.Itoa(w.rnd.IntN(200))}},
		{Fields: []annal.Field{annal.Session}, Values: []string{w.pick("s1", "")}},
		{Fields: []annal.Field{annal.Message}, Values: []string{"Hello World"}},
		{Fields: []annal.Field{annal.EventID}, Values: []string{"e" + strconv.Itoa(w.rnd.IntN(40)), "e1"}},
		{Fields: []annal.Field{annal.SourceIP}, Values: []string{"10.0.0.1", "10.0.0.3"}},
		{Fields: []annal.Field{annal.SeverityLevel}, Values: []string{"error"}},
	}[w.rnd.IntN(14)]
	f.Not = w.rnd.IntN(6) == 0
	return f
}

func (w *world) askPages() { w.walk(w.query()) }

// walk asks for the pages of q, at times while the log grows.
func (w *world) walk(q annal.Query) {
	w.t.Helper()
	ctx := context.Background()
	for page := range 5 {
		got, err := w.store.Search(ctx, q)
		want, wantErr := w.model.Search(ctx, q)
		if err != nil || wantErr != nil {
			w.t.Fatalf("Search(%+v): %v, model %v", q, err, wantErr)
		}
		if diff := gocmp.Diff(want.Events, got.Events, ignoreAssigned, cmpopts.EquateEmpty()); diff != "" {
			w.t.Fatalf("Search(%+v) page %d (-model +store):\n%s", q, page, diff)
		}
		if got.Total != want.Total || (got.Next == nil) != (want.Next == nil) {
			w.t.Fatalf("Search(%+v): total %d next %v, want %d %v", q, got.Total, got.Next, want.Total, want.Next)
		}
		if got.Next == nil {
			return
		}
		q.After, q.Below, q.Offset = got.Next, got.Below, 0
		if w.rnd.IntN(3) == 0 {
			w.append()
		}
	}
}

func (w *world) askSummary() {
	ctx := context.Background()
	q := w.query()
	agg := annal.Aggregation{
		Breakdown: []annal.Field{annal.Action, annal.ResultOutcome}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}, TopN: 1 + w.rnd.IntN(5),
		Distinct: []annal.Field{annal.ActorID, annal.ResourcePath, annal.SourceIP}, Last: w.rnd.IntN(2) == 0,
	}
	if w.rnd.IntN(2) == 0 {
		agg = annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}, Distinct: []annal.Field{annal.ActorID}}
	}
	w.compare(q, agg)
	gotV, _, err := w.store.Values(ctx, q, annal.ActorID, 5)
	wantV, _, wantErr := w.model.Values(ctx, q, annal.ActorID, 5)
	if diff := gocmp.Diff(wantV, gotV, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(annal.Count{}, "Last")); diff != "" || err != nil || wantErr != nil {
		w.t.Fatalf("Values (-model +store):\n%s %v %v", diff, err, wantErr)
	}
}

// A tailer is a log that can be followed.
type tailer interface {
	Tail(ctx context.Context, q annal.Query, from uint64, fn func(*annal.Event, []byte) bool) (uint64, error)
}

// askTail reads a window of the log by position.
func (w *world) askTail() {
	from := uint64(0)
	if end := w.store.End(); end > 0 {
		from = w.rnd.Uint64N(end)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := annal.Query{Tenants: []string{"acme"}}
	read := func(tail tailer) (out []uint64) {
		for at := from; len(out) < 20; {
			next, err := tail.Tail(ctx, q, at, func(e *annal.Event, _ []byte) bool {
				out = append(out, e.Position)
				return len(out) < 20
			})
			if err != nil {
				w.t.Fatalf("Tail from %d: %v", at, err)
			}
			at = next
		}
		return out
	}
	count, _ := w.model.Search(ctx, annal.Query{Tenants: q.Tenants, Count: true, Limit: 1})
	if count.Total < 20 {
		return
	}
	after := 0
	for _, e := range w.model.Events() {
		if e.Tenant == "acme" && e.Position >= from {
			after++
		}
	}
	if after < 20 {
		return
	}
	if got, want := read(w.store), read(w.model); !slices.Equal(got, want) {
		w.t.Fatalf("Tail from %d: got %v, want %v", from, got, want)
	}
}

// same compares the whole of both, which also covers Scan, Event and ids.
func (w *world) same() {
	ctx := context.Background()
	want := slices.Clone(w.model.Events())
	slices.SortStableFunc(want, func(a, b annal.Event) int { return cmp.Compare(annal.TimeKey(a.Time), annal.TimeKey(b.Time)) })
	i := 0
	var ask []annal.Event // with nothing but how to find them
	err := w.store.Scan(ctx, annal.Query{Oldest: true}, func(e *annal.Event) error {
		if diff := gocmp.Diff(want[i], *e, ignoreAssigned); diff != "" {
			return fmt.Errorf("event %d (-model +store):\n%s", i, diff)
		}
		if i++; w.rnd.IntN(20) == 0 {
			ask = append(ask, annal.Event{Tenant: strings.Clone(e.Tenant), ID: e.ID, Position: e.Position})
		}
		return nil
	})
	if err != nil || i != len(want) {
		w.t.Fatalf("Scan gave %d events, want %d: %v", i, len(want), err)
	}
	for _, e := range ask {
		got, err := w.store.Event(ctx, []string{e.Tenant}, e.ID)
		if err != nil || got.Position != e.Position {
			w.t.Fatalf("Event(%s) = position %d, %v; want %d", e.ID, got.Position, err, e.Position)
		}
		if _, err := w.store.Event(ctx, []string{"nobody"}, e.ID); err != annal.ErrNotFound {
			w.t.Fatalf("Event for another tenant: %v", err)
		}
	}
}

// TestStoreAgreesWithTheModel is the law of the store: whatever happens, it
// answers as a naive slice does.
func TestStoreAgreesWithTheModel(t *testing.T) {
	first := annaltest.FirstSeed()
	for seed := first; seed < first+annaltest.Seeds("ANNAL_SOAK_SEEDS", 12); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			defer annaltest.Replay(t, seed, "ANNAL_SOAK_SEEDS")
			w := newWorld(t, seed, []int{100, 700, 5000}[seed/2%3])
			for range 150 {
				switch w.rnd.IntN(10) {
				case 0, 1, 2, 3:
					w.append()
				case 4, 5, 6:
					w.askPages()
				case 7:
					w.askSummary()
				case 8:
					w.askTail()
				case 9:
					w.close()
					if w.rnd.IntN(3) == 0 {
						w.loseDerived()
					}
					w.open()
				}
			}
			w.same()
			w.close()
			r, err := Check(Config{Dir: "data", FS: w.disk, Now: func() time.Time { return w.now }})
			if err != nil || len(r.Problems) > 0 {
				t.Errorf("Check: %v %v", r.Problems, err)
			}
		})
	}
}

// loseDerived deletes every file that can be made again.
func (w *world) loseDerived() {
	names, err := w.disk.List("data/segments")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".idx") {
			if err := w.disk.Remove("data/segments/" + n); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}
