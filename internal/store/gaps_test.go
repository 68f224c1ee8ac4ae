package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/vfs"
)

// remove removes the files that match a pattern within a log's folder, all but
// the last keep of them.
func remove(t *testing.T, cfg Config, pattern string, keep int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cfg.Dir, pattern))
	if err != nil || len(found) <= keep {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	for _, f := range found[:len(found)-keep] {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

// cut cuts the only file that matches a pattern in half.
func cut(t *testing.T, cfg Config, pattern string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cfg.Dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(found[0], info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // it may be closed already
	return s
}

// positions lists those of every event that q selects.
func positions(t *testing.T, s *Store, q annal.Query) (list []uint64) {
	t.Helper()
	err := s.Scan(context.Background(), q, func(e *annal.Event) error { list = append(list, e.Position); return nil })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// Whatever is lost: an answer lacks what Missing names and nothing else, and says
// nothing where no lost event can have been. Deleting the manifest hides no loss;
// what times a lost segment had is then not known. (Where the write-ahead log still
// has the newest segment's events, that brings them back.)
func TestWhatIsLostIsMissing(t *testing.T) {
	prepared, want := damagedLog(t)
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, cfg Config)
		gaps  annal.Gaps // in pieces whose times are known
		timed bool
		after annal.Gaps // once the manifest was made anew
	}{
		{"nothing", func(*testing.T, Config) {}, nil, true, nil},
		{"a segment in the middle", func(t *testing.T, cfg Config) { remove(t, cfg, "segments/*300-*", 0) }, ranges(300, 600), true, ranges(300, 600)},
		{"two segments", func(t *testing.T, cfg Config) { remove(t, cfg, "segments/*.col", 2) }, ranges(0, 300, 300, 600), true, ranges(0, 600)},
		{"the newest segment, which the write-ahead log still has", func(t *testing.T, cfg Config) { remove(t, cfg, "segments/*900-*", 0) }, nil, true, nil},
		{"the newest segment, damaged", func(t *testing.T, cfg Config) { cut(t, cfg, "segments/*900-*.col") }, nil, true, nil},
		{"the manifest and a segment, damaged", func(t *testing.T, cfg Config) {
			remove(t, cfg, manifestFile, 0)
			cut(t, cfg, "segments/*300-*.col")
		}, ranges(300, 600), false, ranges(300, 600)},
		{"the write-ahead log", func(t *testing.T, cfg Config) { remove(t, cfg, "wal/*", 0) }, ranges(1200, 1200+skippedNumbers), false, ranges(1200, 1200+skippedNumbers)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := copyLog(t, prepared)
			tt.spoil(t, cfg)
			s := reopen(t, cfg)
			judgeGaps(t, s, want, tt.gaps, tt.timed)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			remove(t, cfg, manifestFile, 0)
			judgeGaps(t, reopen(t, cfg), want, tt.after, false)
		})
	}
}

// ranges are from, to, from, to, in pieces as they are.
func ranges(ends ...uint64) (g annal.Gaps) {
	for i := 0; i < len(ends); i += 2 {
		g = append(g, annal.Gap{From: ends[i], To: ends[i+1]})
	}
	return g
}

// stamp is the time of the event of a damagedLog at position n.
func stamp(n uint64) time.Time { return time.Unix(1_699_000_000+int64(n), 0).UTC() }

// judgeGaps compares s with the events that it held before it lost gaps.
func judgeGaps(t *testing.T, s *Store, want map[string]annal.Event, gaps annal.Gaps, timed bool) {
	t.Helper()
	if st := s.Stats(); st.Missing != gaps.Len() || st.Events != uint64(len(positions(t, s, annal.Query{}))) {
		t.Errorf("%d events and %d missing positions, want %d", st.Events, st.Missing, gaps.Len())
	}
	for _, q := range []annal.Query{
		{}, {Tenants: []string{"b"}}, {Tenants: []string{}}, {Below: 500}, {Below: 1}, {Below: 300}, {Below: 301},
		{Since: stamp(0), Until: stamp(300)}, {Since: stamp(350), Until: stamp(360)}, {Since: stamp(600)}, {Since: stamp(599)},
		{Until: stamp(300)}, {Until: stamp(301)}, {Since: stamp(1200)}, {Since: stamp(5), Until: stamp(5)},
		{Until: stamp(301), After: &annal.Mark{Time: annal.TimeKey(stamp(3)), Position: 3}},
	} {
		var missing annal.Gaps
		for _, g := range gaps {
			touched := q.Below == 0 || g.From < q.Below
			if timed {
				touched = touched && (q.Since.IsZero() || q.Since.Before(stamp(g.To))) && (q.Until.IsZero() || stamp(g.From).Before(q.Until))
			}
			if touched && (q.Tenants == nil || len(q.Tenants) > 0) && !(!q.Since.IsZero() && q.Since.Equal(q.Until)) {
				if q.Below != 0 {
					g.To = min(g.To, q.Below)
				}
				missing = missing.With(annal.Gaps{g})
			}
		}
		if got := s.Missing(q); !slices.Equal(got, missing) {
			t.Errorf("%+v: %q, want %q", q, got, missing)
		}
		q.After = nil
		got := positions(t, s, q)
		for _, e := range want {
			if _, there := slices.BinarySearch(got, e.Position); q.Matches(&e) && there == missing.Holds(e.Position) {
				t.Fatalf("%+v: position %d is in the answer %v, and %q are said to be missing", q, e.Position, there, missing)
			}
		}
	}
}

// A segment that was set aside is served again once its columns are back in their
// place, and set aside again when they are no better.
func TestASegmentThatIsPutBackIsServed(t *testing.T) {
	cfg, want := damagedLog(t)
	found, err := filepath.Glob(filepath.Join(cfg.Dir, "segments/*300-*.col"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	sound, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, contents := range [][]byte{sound[:len(sound)/2], sound[:100], sound} {
		if err := os.WriteFile(found[0], contents, 0o600); err != nil {
			t.Fatal(err)
		}
		s := reopen(t, cfg)
		gaps := ranges(300, 600)
		if len(contents) == len(sound) {
			gaps = nil
		}
		judgeGaps(t, s, want, gaps, true)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Check(cfg)
		if err != nil || len(r.Problems) != len(gaps) || len(gaps) > 0 && !strings.Contains(r.Problems[0], "put from a backup into "+cfg.Dir) {
			t.Errorf("check finds %q, %v", r.Problems, err)
		}
	}
}

// A tail passes over what is lost, however long the gap, and sees the rest.
func TestTailsPassOverGaps(t *testing.T) {
	cfg, want := damagedLog(t)
	remove(t, cfg, "segments/*300-*", 0)
	remove(t, cfg, "wal/*", 0)
	s := reopen(t, cfg)
	if _, err := s.Append(context.Background(), &annal.Batch{Events: []annal.Event{{Tenant: "a", Action: "read", Time: stamp(0)}}}); err != nil {
		t.Fatal(err)
	}
	seen, calls := []uint64{}, 0
	for at := uint64(0); at < s.End(); calls++ {
		next, err := s.Tail(context.Background(), annal.Query{}, at, func(e *annal.Event, _ []byte) bool { seen = append(seen, e.Position); return true })
		if err != nil || next <= at {
			t.Fatalf("at %d: %d, %v", at, next, err)
		}
		at = next
	}
	if n := len(want) - 300 - 150 + 1; len(seen) != n || seen[n-1] != 1200+skippedNumbers || calls > 50 {
		t.Errorf("%d calls showed %d events, want %d", calls, len(seen), n)
	}
}

// numbers are what a log gave to events of each tenant.
type numbers struct {
	positions map[uint64]bool
	seqs      map[string]map[uint64]bool
}

// give appends events of tenants and checks that no number is given twice.
func (n *numbers) give(t *testing.T, s *Store, tenants ...string) {
	t.Helper()
	b := annal.Batch{}
	for _, tenant := range tenants {
		b.Events = append(b.Events, annal.Event{Tenant: tenant, Action: "read", Time: stamp(0)})
	}
	rs, err := s.Append(context.Background(), &b)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rs {
		if n.positions[r.Position] || n.seqs[tenants[i]][r.Seq] {
			t.Errorf("%s gets position %d and seq %d, one of which was given before", tenants[i], r.Position, r.Seq)
		}
		n.positions[r.Position] = true
		if n.seqs[tenants[i]] == nil {
			n.seqs[tenants[i]] = map[uint64]bool{}
		}
		n.seqs[tenants[i]][r.Seq] = true
	}
}

// Numbers that were given once are never given again, whatever is lost of the
// log, however often it is opened and whether it is sealed in between; and what
// is still there keeps its own.
func TestNoNumberIsGivenTwice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, cfg Config)
	}{
		{"nothing", func(*testing.T, Config) {}},
		{"the write-ahead log", func(t *testing.T, cfg Config) { remove(t, cfg, "wal/*", 0) }},
		{"its newest file", func(t *testing.T, cfg Config) {
			found, err := filepath.Glob(filepath.Join(cfg.Dir, "wal/wal-0*"))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			if err := os.Truncate(found[len(found)-1], 4096); err != nil {
				t.Fatal(err)
			}
		}},
		{"its middle", func(t *testing.T, cfg Config) {
			found, err := filepath.Glob(filepath.Join(cfg.Dir, "wal/wal-0*"))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			b, err := os.ReadFile(found[len(found)-1])
			if err != nil {
				t.Fatal(err)
			}
			clear(b[4096:8192])
			if err := os.WriteFile(found[len(found)-1], b, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"the manifest and the newest segment", func(t *testing.T, cfg Config) {
			remove(t, cfg, manifestFile, 0)
			found, err := filepath.Glob(filepath.Join(cfg.Dir, "segments/*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found[max(0, len(found)-2):] { // its columns and its index
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		for _, sealed := range []int{0, 40} {
			t.Run(fmt.Sprintf("%s after %d events", tt.name, sealed), func(t *testing.T) {
				cfg := Config{Dir: t.TempDir(), SegmentRows: 10, WALFileSize: 64 << 10}
				n := &numbers{map[uint64]bool{}, map[string]map[uint64]bool{}}
				s := reopen(t, cfg)
				for range sealed / 4 {
					n.give(t, s, "a", "b", "a", "c")
				}
				n.give(t, s, "a", "b", "new")
				n.give(t, s, "a")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				tt.spoil(t, cfg)
				for round := range 4 {
					s := reopen(t, cfg)
					if round > 0 {
						n.give(t, s, "b", "other")
					}
					for range sealed / 4 * round {
						n.give(t, s, "a", "a", "a", "other")
					}
					kept := positions(t, s, annal.Query{})
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = reopen(t, cfg)
					if again := positions(t, s, annal.Query{}); !slices.Equal(again, kept) {
						t.Errorf("after a start the log has %d events, want %d", len(again), len(kept))
					}
					n.give(t, s, "a", "b", "c", "new")
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// A segment that is there twice, as an earlier annal left it when the manifest did
// not take it the first time, counts once when the manifest is made anew; and the
// last one counts, for the first may have been damaged.
func TestASegmentThatWasWrittenTwiceCountsOnce(t *testing.T) {
	disk := vfs.NewMem(1)
	cfg := crashConfig(disk)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		mustAppend(t, s, some(100*n, 100))
	}
	waitForSeal(t, s)
	kept := positions(t, s, annal.Query{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		put(t, disk, "data/"+segmentDir+"/"+segment.Name(0, 99, 1)+suffix, textOf(t, disk, "data/"+segmentDir+"/"+segment.Name(0, 99, 0)+suffix))
	}
	for _, first := range []string{"sound", "damaged"} {
		if first == "damaged" {
			put(t, disk, "data/"+segmentDir+"/"+segment.Name(0, 99, 0)+segment.ColSuffix, "")
		}
		if err := disk.Remove("data/" + manifestFile); err != nil {
			t.Fatal(err)
		}
		s := reopen(t, cfg)
		if got := positions(t, s, annal.Query{}); !slices.Equal(got, kept) {
			t.Errorf("the first one %s: the log has %d events, want %d", first, len(got), len(kept))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
