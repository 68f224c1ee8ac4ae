package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"annal"
	"annal/internal/vfs"
)

// TestClockJumpsBackAndForth moves the clock by up to years between and during
// appends, seals and restarts: received never goes back, ids stay unique, and
// everything is found under its id.
func TestClockJumpsBackAndForth(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { clockJumps(t, seed) })
	}
}

func clockJumps(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	var mu sync.Mutex
	now := time.Date(2026, 4, 23, 18, 0, 0, 0, time.UTC)
	disk := vfs.NewMem(seed)
	cfg := crashConfig(disk)
	cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	jump := func() {
		mu.Lock()
		defer mu.Unlock()
		span := []time.Duration{time.Microsecond, time.Second, 25 * time.Hour, 3 * 8766 * time.Hour}[rnd.IntN(4)]
		now = now.Add(time.Duration(rnd.Int64N(int64(2*span))) - span)
	}
	stored := map[annal.ID]uint64{} // position by id
	for range 4 {
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			jump()
			b := annal.Batch{Key: fmt.Sprint(seed, len(stored), i)}
			for j := range 1 + rnd.IntN(9) {
				b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Time: cfg.Now(),
					EventID: fmt.Sprint(len(stored), "-", j)})
			}
			receipts, err := s.Append(context.Background(), &b)
			if err != nil {
				t.Fatalf("append at %v: %v", cfg.Now(), err)
			}
			for _, r := range receipts {
				if old, twice := stored[r.ID]; twice || r.Duplicate {
					t.Fatalf("position %d has the id of position %d, or is called a duplicate", r.Position, old)
				}
				stored[r.ID] = r.Position
			}
		}
		checkReceived(t, s, stored)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkReceived reads the whole log in the order of arrival.
func checkReceived(t *testing.T, s *Store, stored map[annal.ID]uint64) {
	t.Helper()
	events, err := s.all()
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != len(stored) {
		t.Errorf("%d events are there, %d were stored", len(events), len(stored))
	}
	var last time.Time
	for _, e := range events {
		if e.Received.Before(last) {
			t.Fatalf("position %d was received at %v, before the one ahead of it, %v", e.Position, e.Received, last)
		}
		last = e.Received
		if position, ok := stored[e.ID]; !ok || position != e.Position {
			t.Errorf("position %d has id %v, which was given to position %d", e.Position, e.ID, position)
		}
	}
}
