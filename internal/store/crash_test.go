package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/vfs"
)

// A witness remembers what a store acknowledged, to hold it to that.
type witness struct {
	t     *testing.T
	rnd   *rand.Rand
	acked map[string]annal.Receipt // by request id
	tried map[string]bool
	batch annal.Batch // the latest, for a retry
	n     int
	dark  func() bool // the power is off: answers reach nobody any more; nil: it stays on
}

// errDark is what a client sees of an answer after the power went.
var errDark = errors.New("the power is off")

func (w *witness) next() annal.Batch {
	var b annal.Batch
	for range 1 + w.rnd.IntN(40) {
		w.n++
		id := strconv.Itoa(w.n)
		e := annal.Event{Tenant: []string{"a", "b"}[w.rnd.IntN(2)], Action: "read", Actor: annal.Actor{ID: "user:" + strconv.Itoa(w.rnd.IntN(9))},
			Request: annal.Request{ID: id}, Time: time.Unix(int64(1_700_000_000+w.rnd.IntN(5000)), 0).UTC()}
		if w.rnd.IntN(3) == 0 {
			e.EventID = "own-" + id
		}
		b.Events = append(b.Events, e)
		w.tried[id] = true
	}
	b.Key, b.Digest = "key-"+strconv.Itoa(w.n), [32]byte{byte(w.n)}
	w.batch = annal.Batch{Events: slices.Clone(b.Events), Key: b.Key, Digest: b.Digest}
	return b
}

func (w *witness) append(s *Store, b annal.Batch) error {
	rs, err := s.Append(context.Background(), &b)
	if err != nil {
		return err
	}
	if w.dark != nil && w.dark() {
		return errDark // a sync under way at that moment may have ended without effect
	}
	for i, r := range rs {
		w.acked[b.Events[i].Request.ID] = annal.Receipt{ID: r.ID, Seq: r.Seq, Position: r.Position}
	}
	return nil
}

// verify checks that s holds every acknowledged event once, where it was said
// to be, nothing that was never sent, and dense numbers.
func (w *witness) verify(s *Store) {
	w.t.Helper()
	seen := map[string]bool{}
	seqs := map[string]uint64{}
	position := uint64(0)
	events, err := s.all()
	if err != nil {
		w.t.Fatalf("read all: %v", err)
	}
	for _, e := range events {
		id := e.Request.ID
		if seen[id] || !w.tried[id] {
			w.t.Fatalf("event %s at %d: seen before %v, ever sent %v", id, e.Position, seen[id], w.tried[id])
		}
		seen[id] = true
		if e.Position != position || e.Seq != seqs[e.Tenant] {
			w.t.Fatalf("event %s of %s: position %d seq %d, want %d and %d", id, e.Tenant, e.Position, e.Seq, position, seqs[e.Tenant])
		}
		position++
		seqs[e.Tenant]++
		if r, ok := w.acked[id]; ok && (r.Position != e.Position || r.Seq != e.Seq || r.ID != e.ID) {
			w.t.Fatalf("event %s is %s at %d, was acknowledged as %s at %d", id, e.ID, e.Position, r.ID, r.Position)
		}
	}
	for id := range w.acked {
		if !seen[id] {
			w.t.Fatalf("acknowledged event %s is lost (of %d acknowledged, %d there)", id, len(w.acked), len(seen))
		}
	}
}

func crashConfig(disk vfs.FS) Config {
	return Config{Dir: "data", FS: disk, SegmentRows: 150, WALFileSize: 64 << 10,
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
}

// crashAt returns a hook that cuts the power at the nth operation from now on,
// a function that says whether it happened, and one that gives the disk as it
// was left then.
func crashAt(disk *vfs.Mem, nth int) (dark func() bool, after func() *vfs.Mem) {
	var mu sync.Mutex
	var left *vfs.Mem
	disk.Fail(func(vfs.Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if nth--; nth > 0 {
			return nil
		}
		if left == nil {
			left = disk.Crash()
		}
		return syscall.EIO
	})
	dark = func() bool {
		mu.Lock()
		defer mu.Unlock()
		return left != nil
	}
	return dark, func() *vfs.Mem {
		mu.Lock()
		defer mu.Unlock()
		if left == nil {
			left = disk.Crash()
		}
		return left
	}
}

// TestPowerCutAtAnyOperation cuts the power again and again, at any operation
// of appends, seals and recoveries, and holds the store to what it acknowledged.
func TestPowerCutAtAnyOperation(t *testing.T) {
	first := annaltest.FirstSeed()
	for seed := first; seed < first+annaltest.Seeds("ANNAL_CRASH_RUNS", 340); seed++ {
		powerCuts(t, seed)
	}
}

// powerCuts is a life of six power cuts.
func powerCuts(t *testing.T, seed uint64) {
	defer annaltest.Replay(t, seed, "ANNAL_CRASH_RUNS")
	w := &witness{t: t, rnd: rand.New(rand.NewPCG(seed, 9)), acked: map[string]annal.Receipt{}, tried: map[string]bool{}}
	disk := vfs.NewMem(seed)
	for range 6 {
		var after func() *vfs.Mem
		w.dark, after = crashAt(disk, 1+w.rnd.IntN(160))
		s, err := Open(crashConfig(disk))
		if err == nil {
			for err == nil && w.n < 4000 {
				if w.batch.Events != nil && w.rnd.IntN(4) == 0 {
					err = w.append(s, annal.Batch{Events: slices.Clone(w.batch.Events), Key: w.batch.Key, Digest: w.batch.Digest})
				} else {
					err = w.append(s, w.next())
				}
			}
			_ = s.Close()
		}
		disk, w.dark = after(), nil
		s, err = Open(crashConfig(disk))
		if err != nil {
			t.Fatalf("recovery: %v", err)
		}
		w.verify(s)
		if w.batch.Events != nil { // the client tries again what it has no answer to
			if err := w.append(s, annal.Batch{Events: slices.Clone(w.batch.Events), Key: w.batch.Key, Digest: w.batch.Digest}); err != nil {
				t.Fatalf("retry: %v", err)
			}
			w.verify(s)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if r, err := Check(crashConfig(disk)); err != nil || len(r.Problems) > 0 {
			t.Fatalf("check: %v %v", r.Problems, err)
		}
	}
}

// A fault is what a disk does instead of an operation.
type fault struct {
	name string
	op   vfs.Op
	err  error
}

// refusedWhile expects that a write is refused during a fault, and reads are not.
func refusedWhile(t *testing.T, disk *vfs.Mem, s *Store, w *witness, fault fault) {
	t.Helper()
	disk.Fail(func(op vfs.Op, _ string) error {
		if op == fault.op || op == vfs.OpCreate {
			return fault.err
		}
		return nil
	})
	defer disk.Fail(nil)
	if err := w.append(s, w.next()); !errors.Is(err, annal.ErrUnavailable) {
		t.Fatalf("%s: append: %v, want ErrUnavailable", fault.name, err)
	}
	if s.Stats().Alarm == "" {
		t.Errorf("%s: no alarm", fault.name)
	}
	w.verify(s)
}

// TestWritesResumeWhenTheDiskDoes fills the disk: writes are refused, reads go
// on, and writes go on by themselves once there is room.
func TestWritesResumeWhenTheDiskDoes(t *testing.T) {
	disk := vfs.NewMem(1)
	var late atomic.Int64 // s; stages of the store look at the clock too
	pass := func() { late.Add(1) }
	cfg := crashConfig(disk)
	cfg.Now = func() time.Time { return time.Unix(1_700_000_000+late.Load(), 0) }
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{t: t, rnd: rand.New(rand.NewPCG(1, 9)), acked: map[string]annal.Receipt{}, tried: map[string]bool{}}
	for range 5 {
		if err := w.append(s, w.next()); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // so that some batches begin a new memtable
		for _, fault := range []fault{{"a full disk", vfs.OpWrite, syscall.ENOSPC}, {"a failing sync", vfs.OpSync, syscall.EIO}} {
			refusedWhile(t, disk, s, w, fault)
			var err error
			if !annaltest.Comes(func() bool { // what could not be sealed is sealed first
				pass()
				err = w.append(s, w.next())
				return !errors.Is(err, annal.ErrUnavailable)
			}) || err != nil {
				t.Fatalf("%s is over: append: %v", fault.name, err)
			}
			if a := s.Stats().Alarm; a != "" {
				t.Errorf("%s is over: alarm %q stays", fault.name, a)
			}
			w.verify(s)
		}
	}
	if n := s.Stats().Segments; n < 3 {
		t.Errorf("%d segments were sealed; this proves little", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	w.verify(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestConcurrentAppends has many writers share syncs, under the race detector
// in particular. Of three who send the same, whoever comes first, each event is
// there once, and every answer names its place.
func TestConcurrentAppends(t *testing.T) {
	s, err := Open(crashConfig(vfs.NewMem(3)))
	if err != nil {
		t.Fatal(err)
	}
	const writers, tenants, batches = 9, 3, 42
	var wg sync.WaitGroup
	var mu sync.Mutex
	places, sent := map[string]annal.Receipt{}, 0 // by request id
	for c := range writers {
		wg.Go(func() {
			for i := range batches {
				b := annal.Batch{Events: make([]annal.Event, 1+i%7)}
				for j := range b.Events {
					b.Events[j] = annal.Event{Tenant: fmt.Sprint("t", c%tenants), Action: "read", Actor: annal.Actor{ID: "u"}, EventID: fmt.Sprint(i, j),
						Request: annal.Request{ID: fmt.Sprint(c%tenants, i, j)}, Time: time.Unix(int64(i), 0).UTC()}
				}
				rs, err := s.Append(context.Background(), &b)
				if err != nil {
					t.Error(err)
					return
				}
				e, err := s.Event(context.Background(), nil, rs[0].ID)
				if err != nil || e.Request.ID != b.Events[0].Request.ID {
					t.Errorf("read your write: %v, %v", e.Request.ID, err)
					return
				}
				mu.Lock()
				for j, r := range rs {
					sent++
					r.Duplicate = false
					if old, ok := places[b.Events[j].Request.ID]; ok && old != r {
						t.Errorf("event %s is said to be at %+v and at %+v", b.Events[j].Request.ID, old, r)
					}
					places[b.Events[j].Request.ID] = r
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	const want = tenants * batches * (1 + 2 + 3 + 4 + 5 + 6 + 7) / 7
	if st := s.Stats(); st.Events != want || st.Accepted != want || st.Duplicates != uint64(sent-want) || len(places) != want {
		t.Errorf("%d events are stored, %d accepted, %d duplicates and %d places; want %d events of %d sent", st.Events, st.Accepted, st.Duplicates, len(places), want, sent)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
