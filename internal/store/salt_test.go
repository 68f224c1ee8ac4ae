package store

import (
	"context"
	"fmt"
	"testing"

	"annal"
)

// An event keeps the salt that it was stored with, each its own, in the memtable
// and in segments. Pages and scans leave it out.
func TestAnEventKeepsItsSalt(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir(), SegmentRows: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stored := map[annal.ID][16]byte{}
	seen := map[[16]byte]bool{}
	for i := range 10 {
		b := annal.Batch{Events: make([]annal.Event, 10)}
		for j := range b.Events {
			b.Events[j] = annal.Event{Tenant: "t", Action: "read", Message: fmt.Sprint(i, j), Time: second(10*i + j)}
		}
		receipts, err := s.Append(context.Background(), &b)
		if err != nil {
			t.Fatal(err)
		}
		for j, e := range b.Events {
			if e.Salt == [16]byte{} || seen[e.Salt] {
				t.Fatalf("event %d of batch %d has the salt %x", j, i, e.Salt)
			}
			seen[e.Salt], stored[receipts[j].ID] = true, e.Salt
		}
	}
	waitForSeal(t, s)
	for id, salt := range stored {
		e, err := s.Event(context.Background(), nil, id)
		if err != nil || e.Salt != salt {
			t.Errorf("event %s has the salt %x (%v), want %x", id, e.Salt, err, salt)
		}
	}
	page, err := s.Search(context.Background(), annal.Query{Limit: 100})
	if err != nil || len(page.Events) != 100 {
		t.Fatalf("%d events and %v", len(page.Events), err)
	}
	for _, e := range page.Events {
		if e.Salt != [16]byte{} {
			t.Errorf("a page shows the salt of %s", e.ID)
		}
	}
}
