package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"annal"
	"annal/internal/segment"
)

// blocksOf makes a log whose one segment has n blocks, of events a second apart.
func blocksOf(t *testing.T, n int) Config {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), SegmentRows: n * segment.BlockRows, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const batch = 1024
	for i := range n*segment.BlockRows/batch + 1 {
		b := annal.Batch{Events: make([]annal.Event, batch)}
		for j := range b.Events {
			k := i*batch + j
			b.Events[j] = annal.Event{Tenant: "t", Action: "read", Actor: annal.Actor{ID: fmt.Sprint("user:", k%5)},
				Request: annal.Request{ID: fmt.Sprintf("req_%d", k)}, Message: fmt.Sprintf("it was %x", k*k), Time: second(k)}
		}
		if _, err := s.Append(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	waitForSeal(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// waitForSeal waits until a memtable has become a segment.
func waitForSeal(t *testing.T, s *Store) {
	t.Helper()
	for range 10_000 {
		if s.Stats().Segments > 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing is sealed after 10 s")
}

// second is when the kth event of blocksOf happened.
func second(k int) time.Time { return time.Unix(int64(1_690_000_000+k), 0).UTC() }

// spoilPart flips a byte in the middle of one part of the segment's columns.
func spoilPart(t *testing.T, cfg Config, part string) (file string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cfg.Dir, segmentDir, "*"+segment.ColSuffix))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 100; at < len(whole); at += 1000 {
		bad := append([]byte(nil), whole...)
		bad[at] ^= 1
		if err := os.WriteFile(files[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Check(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) == 1 && regexp.MustCompile(`: `+part+`: .*\(bytes \d+ to \d+\)`).MatchString(r.Problems[0]) {
			return files[0]
		}
	}
	t.Fatalf("no byte of %s was found", part)
	return ""
}

// Where one block of a segment is damaged, whatever needs it fails and says so,
// and whatever does not is answered in full.
func TestADamagedBlockCostsOnlyItsOwnQuestions(t *testing.T) {
	const blocks, bad = 3, 1
	prepared := blocksOf(t, blocks)
	for _, part := range []string{"codes of block " + strconv.Itoa(bad), "texts of block " + strconv.Itoa(bad)} {
		t.Run(part, func(t *testing.T) {
			cfg := copyLog(t, prepared)
			file := spoilPart(t, cfg, part)
			s, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for block := range blocks {
				if err := askBlock(t, s, block); (block == bad) != errors.Is(err, annal.ErrDamaged) || block != bad && err != nil {
					t.Errorf("block %d: %v", block, err)
				}
			}
			n := 0
			if err := s.Scan(context.Background(), annal.Query{}, func(*annal.Event) error { n++; return nil }); !errors.Is(err, annal.ErrDamaged) {
				t.Errorf("a scan of everything gives %d events and %v", n, err)
			}
			if st := s.Stats(); len(st.Damaged) != 1 || st.Damaged[0] != file || st.ReadDamage == 0 {
				t.Errorf("stats name %v after %d reads that met damage, want %s", st.Damaged, st.ReadDamage, file)
			}
		})
	}
}

// askBlock asks for the events of one block in several ways. An answer that is
// no error must be complete.
func askBlock(t *testing.T, s *Store, block int) error {
	t.Helper()
	first := block * segment.BlockRows
	within := annal.Query{Since: second(first + 10), Until: second(first + segment.BlockRows - 10), Limit: 1000}
	actor := within
	actor.Limit = 500
	actor.Where = []annal.Filter{{Fields: []annal.Field{annal.ActorID}, Values: []string{"user:3"}}}
	one := annal.Query{Where: []annal.Filter{{Fields: []annal.Field{annal.RequestID}, Values: []string{fmt.Sprintf("req_%d", first+4000)}}}, Limit: 10}
	var failed error
	for _, ask := range []struct {
		q    annal.Query
		want int
	}{{within, 1000}, {actor, 500}, {one, 1}} {
		page, err := s.Search(context.Background(), ask.q)
		if err == nil && len(page.Events) != ask.want {
			t.Errorf("block %d: %+v gives %d events and no error, want %d", block, ask.q, len(page.Events), ask.want)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// An event that was lost with its segment is not "not found": the log has given
// its id.
func TestALostEventIsNotNotFound(t *testing.T) {
	cfg, want := damagedLog(t)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Search(context.Background(), annal.Query{Oldest: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cfg.Dir, segmentDir, "*"+segment.ColSuffix))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], 10); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	gone := 0
	for _, e := range page.Events {
		got, err := s.Event(context.Background(), nil, e.ID)
		switch {
		case errors.Is(err, annal.ErrDamaged):
			gone++
		case err != nil || got.Request.ID != e.Request.ID:
			t.Fatalf("event %s: %v, %v", e.ID, got.Request.ID, err)
		}
		forged := e.ID
		forged[15] ^= 1 // a check bit
		if _, err := s.Event(context.Background(), nil, forged); !errors.Is(err, annal.ErrNotFound) {
			t.Fatalf("an id that was never given: %v", err)
		}
	}
	if gone == 0 || gone == len(want) {
		t.Errorf("%d of %d events are said to be lost", gone, len(page.Events))
	}
}
