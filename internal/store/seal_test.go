package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/vfs"
)

// some makes n events, whose request ids go on from first.
func some(first, n int) []annal.Event {
	var list []annal.Event
	for i := range n {
		list = append(list, annal.Event{Tenant: "a", Action: "read", EventID: fmt.Sprint("own-", first+i), Request: annal.Request{ID: fmt.Sprint(first + i)}, Time: stamp(uint64(i))})
	}
	return list
}

// mustAppend stores events.
func mustAppend(t *testing.T, s *Store, events []annal.Event) []annal.Receipt {
	t.Helper()
	rs, err := s.Append(context.Background(), &annal.Batch{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// failing has a disk refuse operations of one kind on files whose names hold a
// part.
func failing(disk *vfs.Mem, op vfs.Op, part string) {
	disk.Fail(func(o vfs.Op, name string) error {
		if o == op && strings.Contains(name, part) {
			return syscall.ENOSPC
		}
		return nil
	})
}

// The manifest says that all before its end is in segments, and the write-ahead log
// lets go of that. So a memtable that the disk did not take until the log was
// closed keeps those behind it from being sealed.
func TestMemtablesAreSealedInOrder(t *testing.T) {
	disk := vfs.NewMem(1)
	cfg := crashConfig(disk)
	cfg.SegmentRows = 10
	const first = "/00000000000000000000-"
	failing(disk, vfs.OpCreate, first)
	n := 0
	for _, batches := range []int{2, 1} { // the second time two memtables may wait
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range batches {
			mustAppend(t, s, some(n, 10))
			n += 10
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	disk.Fail(nil)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := positions(t, s, annal.Query{}); len(got) != n {
		t.Errorf("the log has %d of %d acknowledged events: %v", len(got), n, got)
	}
}

// Whatever keeps the manifest from being written, a segment is written once: each
// try would else take more of the disk.
func TestASegmentThatTheManifestDoesNotTakeIsWrittenOnce(t *testing.T) {
	for _, op := range []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename} {
		t.Run(string(op), func(t *testing.T) {
			disk := vfs.NewMem(1)
			cfg := crashConfig(disk)
			cfg.SegmentRows = 10
			s, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, s, some(0, 10))
			failing(disk, op, manifestFile)
			mustAppend(t, s, some(10, 1))
			for s.counters.sealFailures.Load() < 3 {
				time.Sleep(time.Millisecond)
			}
			names, err := disk.List("data/" + segmentDir)
			if err != nil || len(names) != 2 {
				t.Errorf("the disk holds %v (%v), want the two files of one segment", names, err)
			}
			disk.Fail(nil)
			waitForSeal(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err := Check(cfg); err != nil || len(r.Problems) > 0 || r.Segments != 1 {
				t.Errorf("check: %d segments, %v, %v", r.Segments, r.Problems, err)
			}
		})
	}
}

// An event is recognised at every moment while it moves from memory into a segment,
// also after the manifest has named that and before questions see it.
func TestAnEventIsRecognisedWhileItIsSealed(t *testing.T) {
	s, err := Open(crashConfig(vfs.NewMem(1)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := mustAppend(t, s, some(0, 10))
	m := s.manifest.clone()
	m.Next = 10
	if err := s.install(m); err != nil {
		t.Fatal(err)
	}
	got := mustAppend(t, s, some(0, 10))
	for i := range want {
		want[i].Duplicate = true
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent again they are %v, want %v", got, want)
	}
}

// A key is remembered for as long as it was promised, though the events that it
// came with, and all others of its segment, are older.
func TestAKeyOutlivesTheEventsOfItsSegment(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	cfg := crashConfig(vfs.NewMem(1))
	cfg.SegmentRows, cfg.Now = 10, func() time.Time { return now }
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, some(0, 10))
	keyed := func() []annal.Receipt {
		rs, err := s.Append(context.Background(), &annal.Batch{Events: some(0, 10), Key: "key", Digest: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		return rs
	}
	now = now.Add(20 * time.Hour)
	keyed() // holds nothing new, so that the key alone is stored
	now = now.Add(time.Hour)
	for n := range 40 { // one at a time, so that the file with the key is let go of
		mustAppend(t, s, some(10+n, 1))
	}
	for s.Stats().Segments < 4 {
		time.Sleep(time.Millisecond)
	}
	now = now.Add(9 * time.Hour)
	for _, when := range []string{"while the log is open", "after a start"} {
		for _, r := range keyed() {
			if !r.Duplicate {
				t.Errorf("%s an event is stored again at %d", when, r.Position)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A segment that is damaged before the manifest names it is written again.
func TestASegmentThatIsDamagedEarlyIsWrittenAgain(t *testing.T) {
	for _, text := range []string{"", "something else"} {
		disk := vfs.NewMem(1)
		cfg := crashConfig(disk)
		cfg.SegmentRows = 10
		s := reopen(t, cfg)
		mustAppend(t, s, some(0, 10))
		failing(disk, vfs.OpCreate, manifestFile)
		mustAppend(t, s, some(10, 1))
		eventually(t, "the manifest was refused", func() bool { return s.counters.sealFailures.Load() > 0 })
		put(t, disk, "data/"+segmentDir+"/"+segment.Name(0, 9, 0)+segment.ColSuffix, text)
		disk.Fail(nil)
		waitForSeal(t, s)
		if got := positions(t, s, annal.Query{}); len(got) != 11 {
			t.Errorf("the log has %d events, want 11", len(got))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := Check(cfg); err != nil || len(r.Problems) > 0 {
			t.Errorf("check: %v, %v", r.Problems, err)
		}
	}
}
