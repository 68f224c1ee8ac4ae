package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/vfs"
)

// A question that is under way when the log is closed is answered to its end, from
// what it has begun to read.
func TestAQuestionOutlivesTheLog(t *testing.T) {
	cfg, want := damagedLog(t)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = s.Scan(context.Background(), annal.Query{}, func(e *annal.Event) error {
		if n++; n == 1 {
			if err := s.Close(); err != nil {
				return err
			}
		}
		if e.Message != want[e.Request.ID].Message {
			return errors.New("another message: " + e.Message)
		}
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("%d of %d events, %v", n, len(want), err)
	}
}

// A closed log answers no question, and writes nothing: another process may have
// its folder.
func TestAClosedLogAnswersNothing(t *testing.T) {
	cfg, want := damagedLog(t)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	page, err := s.Search(ctx, annal.Query{Limit: 1, Oldest: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	indexes, err := filepath.Glob(filepath.Join(cfg.Dir, segmentDir, "*"+segment.IdxSuffix))
	if err != nil || len(indexes) < 2 {
		t.Fatal(indexes, err)
	}
	for _, file := range indexes { // who reads them would repair them
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
	}
	for name, ask := range map[string]func() error{
		"search": func() error { _, err := s.Search(ctx, annal.Query{}); return err },
		"scan":   func() error { return s.Scan(ctx, annal.Query{}, func(*annal.Event) error { return nil }) },
		"event":  func() error { _, err := s.Event(ctx, nil, page.Events[0].ID); return err },
		"summary": func() error {
			_, err := s.Summarize(ctx, annal.Query{Where: []annal.Filter{{Fields: []annal.Field{annal.ActorID}, Values: []string{"user:1"}}}}, annal.Aggregation{})
			return err
		},
		"tail": func() error {
			_, err := s.Tail(ctx, annal.Query{}, 0, func(*annal.Event, []byte) bool { return true })
			return err
		},
		"append": func() error { _, err := s.Append(ctx, &annal.Batch{Events: some(len(want), 1)}); return err },
	} {
		if err := ask(); !errors.Is(err, annal.ErrClosed) {
			t.Errorf("%s: %v, want %v", name, err, annal.ErrClosed)
		}
	}
	for _, file := range indexes {
		if info, err := os.Stat(file); err != nil || info.Size() > 0 {
			t.Errorf("%s was written to: %v", file, err)
		}
	}
}

// Close waits for the housekeeping, which looks at files that another process may
// have from then on: while a turn of it is held up, Close does not return.
func TestCloseWaitsForHousekeeping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		begun, goOn := make(chan struct{}), make(chan struct{})
		cfg := crashConfig(vfs.NewMem(1))
		cfg.Now = func() time.Time {
			if armed.CompareAndSwap(true, false) {
				close(begun)
				<-goOn
			}
			return time.Now()
		}
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // nobody but the housekeeping asks for the time now
		armed.Store(true)
		<-begun
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if len(closed) != 0 {
			t.Error("the log is closed and its housekeeping goes on")
		}
		close(goOn)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// Whoever appends while the log is closed is told so, or is answered; under the race
// detector in particular.
func TestCloseDuringAppends(t *testing.T) {
	cfg := crashConfig(vfs.NewMem(1))
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acked []uint64
	begun := make(chan struct{}, 8)
	for c := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; ; n++ {
				rs, err := s.Append(context.Background(), &annal.Batch{Events: some(1000*c+n, 1)})
				if errors.Is(err, annal.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked = append(acked, rs[0].Position)
				mu.Unlock()
				if n == 0 {
					begun <- struct{}{}
				}
			}
		}()
	}
	for range 8 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if s, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	slices.Sort(acked)
	if got := positions(t, s, annal.Query{}); !slices.Equal(got, acked) {
		t.Errorf("the log has %d events, want the %d that were acknowledged", len(got), len(acked))
	}
}
