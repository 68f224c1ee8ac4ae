package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/segment"
	"annal/internal/vfs"
)

// damaged makes a log on the real disk with several segments and a tail in the
// write-ahead log, and returns its folder and the events it holds.
func damagedLog(t *testing.T) (cfg Config, want map[string]annal.Event) {
	t.Helper()
	cfg = Config{Dir: t.TempDir(), SegmentRows: 400, WALFileSize: 1 << 20, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]annal.Event{}
	for i := range 9 {
		var b annal.Batch
		for j := range 150 {
			id := fmt.Sprintf("req_%d_%d", i, j)
			b.Events = append(b.Events, annal.Event{Tenant: []string{"a", "b"}[j%2], Action: "read", Actor: annal.Actor{ID: fmt.Sprint("user:", j%7)},
				Resource: annal.Resource{Path: fmt.Sprint("p/", j%11)}, Request: annal.Request{ID: id}, Message: "message " + id, Time: time.Unix(int64(1_699_000_000+i*150+j), 0).UTC()})
		}
		if _, err := s.Append(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Events {
			want[e.Request.ID] = e
		}
	}
	for s.sealedEnd() < 1200 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg, want
}

// askAll asks in several ways, and checks that each answer is right or an error
// that names the damage. It returns how many events could be read.
func askAll(t *testing.T, s *Store, want map[string]annal.Event, complete bool) (errs int) {
	t.Helper()
	ctx := context.Background()
	seen := 0
	err := s.Scan(ctx, annal.Query{}, func(e *annal.Event) error {
		w, ok := want[e.Request.ID]
		if !ok || e.Message != w.Message || e.Tenant != w.Tenant || !e.Time.Equal(w.Time) || e.Resource != w.Resource {
			return fmt.Errorf("event %q differs from what was stored", e.Request.ID)
		}
		seen++
		return nil
	})
	var d *segment.DamageError
	switch {
	case errors.As(err, &d):
		errs++
	case err != nil:
		t.Fatalf("scan: %v", err)
	case complete && seen != len(want):
		t.Fatalf("scan gave %d of %d events and no error", seen, len(want))
	}
	for _, q := range []annal.Query{
		{Where: []annal.Filter{{Fields: []annal.Field{annal.RequestID}, Values: []string{"req_3_77"}}}, Limit: 5},
		{Where: []annal.Filter{{Fields: []annal.Field{annal.ActorID}, Values: []string{"user:3"}}}, Limit: 500},
		{Text: "req_2_50", Limit: 5}, {Tenants: []string{"b"}, Limit: 1000},
	} {
		page, err := s.Search(ctx, q)
		if err != nil && !errors.As(err, &d) {
			t.Fatalf("search: %v", err)
		}
		n := 0
		for _, e := range want {
			if q.Matches(&e) {
				n++
			}
		}
		if err == nil && complete && len(page.Events) != min(n, q.Limit) {
			t.Fatalf("search %+v gave %d events, want %d", q, len(page.Events), n)
		}
		if err != nil {
			errs++
		}
	}
	sum, err := s.Summarize(ctx, annal.Query{}, annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID}})
	if err == nil && complete && sum.Total != uint64(len(want)) {
		t.Fatalf("summary counts %d of %d", sum.Total, len(want))
	}
	return errs
}

// TestEveryFlippedByteIsFound flips bytes of every file in turn. Derived files
// are made again and no answer changes; damage of the truth is named and the
// rest is served; nothing wrong is ever answered.
func TestEveryFlippedByteIsFound(t *testing.T) {
	cfg, want := damagedLog(t)
	rnd := rand.New(rand.NewPCG(4, 4))
	err := filepath.WalkDir(cfg.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockFile || strings.Contains(path, "/"+walDir+"/") {
			return err // the write-ahead log's own tests flip its bytes
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for range annaltest.Cases(25) {
			t.Run(d.Name(), func(t *testing.T) { flip(t, cfg, path, whole, rnd.IntN(len(whole)), want) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyLog copies the data folder, so that each flip meets the same log.
func copyLog(t *testing.T, cfg Config) Config {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = to
	return cfg
}

func flip(t *testing.T, cfg Config, path string, whole []byte, at int, want map[string]annal.Event) {
	rel, err := filepath.Rel(cfg.Dir, path)
	if err != nil {
		t.Fatal(err)
	}
	cfg = copyLog(t, cfg)
	bad := append([]byte(nil), whole...)
	bad[at] ^= 0x10
	if err := os.WriteFile(filepath.Join(cfg.Dir, rel), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Check(cfg)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if len(report.Problems) == 0 {
		t.Errorf("flip of byte %d of %s: check finds nothing", at, rel)
	}
	s, err := Open(cfg)
	if err != nil {
		if rel != IdentityFile {
			t.Fatalf("flip of byte %d of %s: open: %v", at, rel, err)
		}
		return // without its identity a log is not opened
	}
	defer s.Close()
	derived := strings.HasSuffix(rel, segment.IdxSuffix) || rel == manifestFile
	lost := len(s.Stats().Lost) > 0
	errs := askAll(t, s, want, !lost)
	if derived && (errs > 0 || lost) {
		t.Errorf("flip of byte %d of %s, which can be made again: %d questions failed", at, rel, errs)
	}
	if b := (annal.Batch{Events: []annal.Event{{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Time: time.Unix(1, 0)}}}); !lost {
		if _, err := s.Append(context.Background(), &b); err != nil {
			t.Errorf("append beside damage: %v", err)
		}
	}
}

// TestFilesCutEmptiedSwappedOrMissing treats whole files badly.
func TestFilesCutEmptiedSwappedOrMissing(t *testing.T) {
	cfg, want := damagedLog(t)
	other, _ := damagedLog(t)
	for _, rel := range append(segmentFiles(t, cfg), manifestFile) {
		for name, spoil := range map[string]func(t *testing.T, file string){
			"cut to a few bytes": func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return b[:20] }) },
			"cut in half":        func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return b[:len(b)/2] }) },
			"cut by a byte":      func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return b[:len(b)-1] }) },
			"longer by a byte":   func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return append(b, 0) }) },
			"emptied":            func(t *testing.T, f string) { edit(t, f, func([]byte) []byte { return nil }) },
			"missing": func(t *testing.T, f string) {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			},
			"another log's": func(t *testing.T, f string) {
				edit(t, f, func([]byte) []byte { return contents(t, filepath.Join(other.Dir, rel)) })
			},
			"its neighbour's": func(t *testing.T, f string) {
				edit(t, f, func([]byte) []byte { return contents(t, filepath.Join(cfg.Dir, neighbour(t, cfg, rel))) })
			},
			"its neighbour's, as is the other of the segment": func(t *testing.T, f string) {
				for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
					of := strings.TrimSuffix(rel, filepath.Ext(rel)) + suffix
					edit(t, strings.TrimSuffix(f, filepath.Ext(f))+suffix, func([]byte) []byte { return contents(t, filepath.Join(cfg.Dir, neighbour(t, cfg, of))) })
				}
			},
			"swapped with its neighbour": func(t *testing.T, f string) {
				next := neighbour(t, cfg, rel)
				edit(t, f, func([]byte) []byte { return contents(t, filepath.Join(cfg.Dir, next)) })
				edit(t, filepath.Join(strings.TrimSuffix(f, rel), next), func([]byte) []byte { return contents(t, filepath.Join(cfg.Dir, rel)) })
			},
		} {
			if rel == manifestFile && strings.Contains(name, "neighbour") {
				continue // it has none
			}
			t.Run(rel+" "+name, func(t *testing.T) {
				cfg, rel := copyLog(t, cfg), rel
				spoil(t, filepath.Join(cfg.Dir, rel))
				if strings.Contains(name, "the other of the segment") {
					rel = strings.TrimSuffix(rel, filepath.Ext(rel)) + segment.ColSuffix // of both, it is what matters
				}
				judgeSpoiled(t, cfg, rel, want, strings.HasPrefix(name, "swapped"))
			})
		}
	}
}

// judgeSpoiled opens a log of which a file, or two of its kind, are not as they
// were.
func judgeSpoiled(t *testing.T, cfg Config, rel string, want map[string]annal.Event, two bool) {
	t.Helper()
	if r, err := Check(cfg); err != nil || len(r.Problems) == 0 {
		t.Errorf("check finds %v, %v", r.Problems, err)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer s.Close()
	lost := len(s.Stats().Lost) > 0
	newest := strings.Contains(rel, "900-") && !two || strings.Contains(rel, "600-") && two
	if derived := !strings.HasSuffix(rel, segment.ColSuffix); derived && lost {
		t.Errorf("%s can be made again, but segments were set aside: %v", rel, s.Stats().Lost)
	} else if !derived && lost == newest {
		t.Errorf("%s is gone, and it was set aside %v; the write-ahead log has the newest alone", rel, lost)
	}
	if errs := askAll(t, s, want, !lost); errs > 0 {
		t.Errorf("%d questions failed", errs)
	}
}

// segmentFiles lists the files of a log's segments, below its folder.
func segmentFiles(t *testing.T, cfg Config) (names []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cfg.Dir, segmentDir, "*"))
	if err != nil || len(found) < 4 {
		t.Fatalf("segments: %v, %v", found, err)
	}
	for _, f := range found {
		names = append(names, strings.TrimPrefix(f, cfg.Dir+"/"))
	}
	return names
}

// neighbour is the next file of the same kind, or the first.
func neighbour(t *testing.T, cfg Config, rel string) string {
	t.Helper()
	like := slices.DeleteFunc(segmentFiles(t, cfg), func(f string) bool { return filepath.Ext(f) != filepath.Ext(rel) })
	return like[(slices.Index(like, rel)+1)%len(like)]
}

func contents(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func edit(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	if err := os.WriteFile(file, change(contents(t, file)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTheLastRecordIsProvedAtRest damages the only record of a log that was not
// closed: once the log has rested, that is no torn write.
func TestTheLastRecordIsProvedAtRest(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), WALFileSize: 1 << 20}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := annal.Batch{Events: []annal.Event{{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Time: time.Unix(1, 0)}}}
	if _, err := s.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	for before := s.wal.Stats().Bytes; s.wal.Stats().Bytes == before; {
		time.Sleep(restAfter / 20)
	}
	killed := copyLog(t, cfg)
	files, err := filepath.Glob(filepath.Join(killed.Dir, walDir, "wal-0*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("log files: %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	whole[4096+60] ^= 1
	if err := os.WriteFile(files[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Check(killed)
	if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], filepath.Base(files[0])+": records are damaged, bytes 4096 to 8192, positions 0 to 0 are lost") {
		t.Errorf("check: %q, %v", r.Problems, err)
	}
	again, err := Open(killed)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	rs, err := again.Append(context.Background(), &annal.Batch{Events: b.Events})
	if st := again.Stats(); err != nil || st.WALDamage != 1 || rs[0].Position != 1 {
		t.Errorf("%d damaged places; the next event is at %v, %v; want it at 1", st.WALDamage, rs, err)
	}
}

// TestASegmentThatCannotBeOpenedNowIsKept has the system refuse to open a sound
// segment's files, as when descriptors run out: the log does not open, and once
// the system allows it again nothing is missing.
func TestASegmentThatCannotBeOpenedNowIsKept(t *testing.T) {
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		disk := vfs.NewMem(1)
		s, err := Open(crashConfig(disk))
		if err != nil {
			t.Fatal(err)
		}
		w := &witness{t: t, rnd: rand.New(rand.NewPCG(1, 1)), acked: map[string]annal.Receipt{}, tried: map[string]bool{}}
		for s.Stats().Segments < 2 {
			if err := w.append(s, w.next()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		disk.Fail(func(op vfs.Op, name string) error {
			if op == vfs.OpMap && strings.HasSuffix(name, suffix) {
				return syscall.EMFILE
			}
			return nil
		})
		if s, err := Open(crashConfig(disk)); err == nil {
			t.Errorf("%s: the log opens, with %v set aside", suffix, s.Stats().Lost)
			_ = s.Close()
		} else if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), suffix) {
			t.Errorf("%s: got %v, want an error that names the file", suffix, err)
		}
		disk.Fail(nil)
		if s, err = Open(crashConfig(disk)); err != nil {
			t.Fatal(err)
		}
		w.verify(s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckGoesOnWhereAFileCannotBeRead has the disk refuse one file at a time,
// beside a segment that is damaged: check names both.
func TestCheckGoesOnWhereAFileCannotBeRead(t *testing.T) {
	cfg, disk := memLog(t)
	damaged := segment.Name(0, 9, 0) + segment.ColSuffix
	spoilMem(t, disk, cfg.Dir+"/"+segmentDir+"/"+damaged)
	for _, unread := range []string{"/" + manifestFile, "/" + walDir + "/", segment.Name(10, 19, 0) + segment.ColSuffix} {
		disk.Fail(func(op vfs.Op, name string) error {
			if (op == vfs.OpOpen || op == vfs.OpMap) && strings.Contains(name, unread) {
				return syscall.EIO
			}
			return nil
		})
		r, err := Check(cfg)
		disk.Fail(nil)
		said := strings.Join(r.Problems, "\n")
		if err != nil || !strings.Contains(said, damaged) || !strings.Contains(said, unread) || !strings.Contains(said, "input/output error") {
			t.Errorf("%s cannot be read, and check says %v and\n%s", unread, err, said)
		}
		if strings.Contains(said, "is missing") {
			t.Errorf("what cannot be read is called missing:\n%s", said)
		}
	}
}

// spoilMem flips a byte in the middle of a file.
func spoilMem(t *testing.T, disk *vfs.Mem, name string) {
	t.Helper()
	m, err := disk.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	b := slices.Clone(m.Bytes())
	b[len(b)/2] ^= 1
	f, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), m.Close()); err != nil {
		t.Fatal(err)
	}
}

// A segment under the name of another, index and all, is not taken for that: events
// would be there twice.
func TestASegmentUnderTheNameOfAnotherIsFound(t *testing.T) {
	cfg, want := damagedLog(t)
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		b, err := os.ReadFile(filepath.Join(cfg.Dir, segmentDir, segment.Name(0, 299, 0)+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Dir, segmentDir, segment.Name(300, 599, 0)+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := Check(cfg); err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], segment.Name(300, 599, 0)) {
		t.Errorf("check finds %v, %v", r.Problems, err)
	}
	s := reopen(t, cfg)
	defer s.Close()
	if lost := s.Stats().Lost; len(lost) != 1 || lost[0] != segment.Name(300, 599, 0) {
		t.Errorf("%v is set aside", lost)
	}
	if got := positions(t, s, annal.Query{}); len(got) != len(want)-300 {
		t.Errorf("%d events are served, want %d", len(got), len(want)-300)
	}
}

// A manifest that is made anew is made around a segment whose tenants cannot be
// read: that is served as far as it can be, and no number of it is given again.
func TestAManifestIsMadeAnewAroundDamage(t *testing.T) {
	cfg, want := damagedLog(t)
	before := reopen(t, cfg)
	id := before.ID()
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.Dir, segmentDir, segment.Name(600, 899, 0)+segment.ColSuffix)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"tenants", "dictionary"} {
		hit := false
		for at := 0; at < len(whole) && !hit; at += 2 {
			bad := append([]byte(nil), whole...)
			bad[at] ^= 1
			if err := os.WriteFile(file, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			errs := segment.Verify(vfs.OS{}, filepath.Dir(file), segment.Name(600, 899, 0), id)
			hit = len(errs) == 1 && strings.Contains(errs[0].Error(), ": "+part+": ")
		}
		if !hit {
			t.Fatalf("no byte of %s was found", part)
		}
		cfg := copyLog(t, cfg)
		if err := os.Remove(filepath.Join(cfg.Dir, manifestFile)); err != nil {
			t.Fatal(err)
		}
		if r, err := Check(cfg); err != nil || len(r.Problems) < 2 {
			t.Errorf("%s: check finds %v, %v", part, r.Problems, err)
		}
		s := reopen(t, cfg)
		askAll(t, s, want, true)
		for _, r := range mustAppend(t, s, []annal.Event{{Tenant: "a", Action: "read"}, {Tenant: "b", Action: "read"}, {Tenant: "c", Action: "read"}}) {
			if r.Position < uint64(len(want)) || r.Seq < 300 {
				t.Errorf("%s: a new event is at %d, its seq is %d", part, r.Position, r.Seq)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
