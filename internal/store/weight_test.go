package store

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"annal"
)

// newEvents are n events of whose texts no two are alike.
func newEvents(n int) []annal.Event {
	events := make([]annal.Event, n)
	for i := range events {
		for f := range annal.NumTexts {
			*events[i].Text(f) = fmt.Sprint("value-", i, "-", f)
		}
		events[i].Extra, events[i].Flags = "", ""
	}
	return events
}

// What a memtable says that it weighs is what it takes, whatever its events are like.
func TestMemtablesAreWeighed(t *testing.T) {
	const rows = 60_000
	alike := newEvents(rows)
	for i := range alike {
		for f := range annal.NumTexts {
			*alike[i].Text(f) = "the same"
		}
	}
	for name, events := range map[string][]annal.Event{"all new": newEvents(rows), "all alike": alike} {
		t.Run(name, func(t *testing.T) {
			before := heapInUse()
			m := newMemtable(0, DefaultSegmentRows, new(room))
			for i := range events {
				m.add([]*annal.Event{&events[i]}, 1)
			}
			took := heapInUse() - before
			got := m.weight.Load()
			const little = 8 << 20 // that is not worth weighing
			if got < took*9/10-little || got > took*11/10+little {
				t.Errorf("it says that it weighs %d bytes and takes %d", got, took)
			}
			runtime.KeepAlive(m)
			runtime.KeepAlive(events)
		})
	}
}

// heapInUse is how much memory is reachable now.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what pools still had
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// A memtable is sealed for its own weight, if it is the one that takes new events,
// and appends wait for the weight of all.
func TestHeavyMemtablesAreSealed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		weights  []int64
		base     uint64
		one, all bool
	}{
		{"a usual one", []int64{155 << 20}, 0, false, false},
		{"a usual one and half of the next", []int64{155 << 20, 77 << 20}, 100, false, false},
		{"two usual ones", []int64{155 << 20, 155 << 20}, 100, false, true},
		{"a heavy one", []int64{maxWeight + 1}, 0, true, false},
		{"a heavy one before it", []int64{maxWeight + 1, 1}, 100, false, false},
		{"both together", []int64{maxWeight, maxWeights - maxWeight + 1}, 100, false, true},
		{"the next does not exist yet", []int64{maxWeight + 1}, 100, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Store{cur: &view{}}
			for i, w := range tt.weights {
				m := newMemtable(uint64(100*i), 1, new(room))
				m.weight.Store(w)
				s.cur.mems = append(s.cur.mems, m)
			}
			if one, all := s.heavy(tt.base); one != tt.one || all != tt.all {
				t.Errorf("got %v and %v, want %v and %v", one, all, tt.one, tt.all)
			}
		})
	}
}

// Tables of values are bounded together: the largest is given up, and what was asked
// of it is answered all the same.
func TestTablesOfValuesAreBoundedTogether(t *testing.T) {
	s := &Store{}
	filler := strings.Repeat("x", 4000)
	fill := func(f annal.Field, n int) bool {
		_, ok := s.spaces[f].extend(nil, n, func(i int) string { return fmt.Sprint(i, filler) })
		s.boundSpaces()
		return ok
	}
	for _, f := range []annal.Field{annal.ActorID, annal.ActorName, annal.ResourceID, annal.ResourceName} {
		n := 5000
		if f == annal.ActorName {
			n = 10_000
		}
		if !fill(f, n) {
			t.Errorf("%v has no room", f)
		}
	}
	if !fill(annal.Action, 5000) {
		t.Error("action has no room")
	}
	all := 0
	for f := range s.spaces {
		all += s.spaces[f].weight()
		if full := s.spaces[f].full.Load(); full != (annal.Field(f) == annal.ActorName) {
			t.Errorf("%v was given up: %v", annal.Field(f), full)
		}
	}
	if all > maxSpaces {
		t.Errorf("they take %d bytes, at most %d are allowed", all, maxSpaces)
	}
}
