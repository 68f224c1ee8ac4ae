package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/vfs"
)

func TestDeletedIndexIsRebuiltWithTheSameBytes(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		disk, s := built(t, m)
		idx := s.Name() + IdxSuffix
		want := contents(t, disk, idx)
		if err := disk.Remove("d/" + idx); err != nil {
			t.Fatal(err)
		}
		if errs := Verify(disk, "d", s.Name(), testLog); len(errs) != 1 {
			t.Errorf("Verify without an index = %v, want one error", errs)
		}
		if _, err := reopen(disk, s.Name()); err != nil {
			t.Fatal(err)
		}
		if contents(t, disk, idx) != want {
			t.Error("the rebuilt index has other bytes")
		}
		put(t, disk, idx, want[:len(want)/2])
		if err := RebuildIndex(disk, "d", s.Name(), testLog); err != nil {
			t.Fatal(err)
		}
		if contents(t, disk, idx) != want {
			t.Error("the index rebuilt on demand has other bytes")
		}
		if errs := Verify(disk, "d", s.Name(), testLog); len(errs) != 0 {
			t.Errorf("Verify = %v", errs)
		}
	})
}

// reopen opens and closes a segment and returns all of its events.
func reopen(disk vfs.FS, name string) (events []annal.Event, err error) {
	s, err := Open(disk, "d", name, testLog)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	events = make([]annal.Event, s.Rows())
	r := s.NewReader()
	var e annal.Event
	for row := range events {
		if err := r.Read(row, &e); err != nil {
			return nil, err
		}
		events[row] = e.Clone()
	}
	return events, nil
}

// flips changes single bytes of a file: all of its frame, samples of the rest.
func flips(t *testing.T, disk *vfs.Mem, name string, check func(at int)) {
	t.Helper()
	sound := contents(t, disk, name)
	rng := rand.New(rand.NewPCG(11, 12))
	for at := 0; at < len(sound); at++ {
		if at > headerBytes+2000 && at < len(sound)-400 {
			at += rng.IntN(1 + len(sound)/150)
		}
		if at >= len(sound) {
			break
		}
		b := []byte(sound)
		b[at] ^= 1 << rng.IntN(8)
		put(t, disk, name, string(b))
		check(at)
	}
	put(t, disk, name, sound)
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(3, 3)), mix{rows: 300, tenants: 3, shuffled: true, templated: true, far: true, gaps: true})
	disk, s := built(t, m)
	want := m.sorted()
	for _, suffix := range []string{ColSuffix, IdxSuffix} {
		flips(t, disk, s.Name()+suffix, func(at int) {
			if len(Verify(disk, "d", s.Name(), testLog)) == 0 {
				t.Fatalf("%s: byte %d flipped: Verify finds nothing", suffix, at)
			}
			got, err := reopen(disk, s.Name())
			if err != nil {
				if suffix == IdxSuffix && at >= headerBytes {
					t.Fatalf("%s: byte %d flipped: %v: the rows do not need the index", suffix, at, err)
				}
				return
			}
			for row := range want {
				if got[row] != want[row] {
					t.Fatalf("%s: byte %d flipped: row %d reads differently, without an error", suffix, at, row)
				}
			}
		})
	}
}

// Every bit of the seed that is flipped is damage of the columns: with another seed
// look-ups would find nothing.
func TestAFlippedSeedIsFound(t *testing.T) {
	disk, s := built(t, newModel(rand.New(rand.NewPCG(14, 14)), mix{rows: 300, tenants: 2}))
	col := s.Name() + ColSuffix
	sound := contents(t, disk, col)
	at := strings.LastIndex(sound, string(binary.LittleEndian.AppendUint64(nil, s.seed))) // the salt comes before
	if footer := len(sound) - trailerBytes - len(s.col.meta); at < footer {
		t.Fatalf("the seed is at %d, want it behind %d", at, footer)
	}
	for bit := range 64 {
		b := []byte(sound)
		b[at+bit/8] ^= 1 << (bit % 8)
		put(t, disk, col, string(b))
		_, err := reopen(disk, s.Name())
		var d *DamageError
		if !errors.As(err, &d) || !strings.HasSuffix(d.File, col) {
			t.Errorf("bit %d flipped: Open = %v, want a DamageError that names %s", bit, err, col)
		}
		if len(Verify(disk, "d", s.Name(), testLog)) == 0 {
			t.Errorf("bit %d flipped: Verify finds nothing", bit)
		}
	}
}

func TestDamagedIndexGivesErrorsNotAnswers(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(4, 4)), mix{rows: 500, tenants: 2, shuffled: true, templated: true})
	disk, s := built(t, m)
	rows := m.sorted()
	flips(t, disk, s.Name()+IdxSuffix, func(at int) {
		s, err := Open(disk, "d", s.Name(), testLog)
		if err != nil {
			return
		}
		for _, f := range []annal.Field{annal.ActorID, annal.RequestID, annal.Session, annal.SourceIP} {
			want := 300 % len(rows)
			got, err := s.Lookup(f, *rows[want].Text(f), nil)
			var d *DamageError
			if err != nil && !errors.As(err, &d) {
				t.Fatalf("byte %d flipped: %v is no DamageError", at, err)
			}
			if err == nil && len(got) != len(naive(rows, f)[*rows[want].Text(f)]) {
				t.Fatalf("byte %d flipped: Lookup(%s) = %v, without an error", at, f, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWrongFiles(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(5, 5)), mix{rows: 900, tenants: 2})
	disk, s := built(t, m)
	other, err := Build(disk, "d", newModel(rand.New(rand.NewPCG(6, 6)), mix{rows: 700}).columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	col, idx := s.Name()+ColSuffix, s.Name()+IdxSuffix
	soundCol, soundIdx := contents(t, disk, col), contents(t, disk, idx)
	for _, tt := range []struct {
		name, file, b, want string // want "": opens, for the index is made again
	}{
		{"columns emptied", col, "", "cut short"},
		{"columns cut in the header", col, soundCol[:20], "cut short"},
		{"columns cut", col, soundCol[:len(soundCol)-1], "cut short"},
		{"columns cut by half", col, soundCol[:len(soundCol)/2], "cut short"},
		{"columns longer", col, soundCol + "x", "damaged"},
		{"columns are the index", col, soundIdx, "magic"},
		{"columns of another segment", col, contents(t, disk, other+ColSuffix), "positions"},
		{"columns with a changed version", col, soundCol[:8] + "\x09" + soundCol[9:], "checksum"},
		{"index emptied", idx, "", ""},
		{"index cut", idx, soundIdx[:len(soundIdx)-9], ""},
		{"index is the columns", idx, soundCol, ""},
		{"index of other columns", idx, contents(t, disk, other+IdxSuffix), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			put(t, disk, tt.file, tt.b)
			if len(Verify(disk, "d", s.Name(), testLog)) == 0 {
				t.Error("Verify finds nothing")
			}
			_, err := reopen(disk, s.Name())
			if tt.want == "" && (err != nil || contents(t, disk, idx) != soundIdx) {
				t.Errorf("Open: %v, want the index made again", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file)) {
				t.Errorf("Open: %v, want it to name %s and %q", err, tt.file, tt.want)
			}
			put(t, disk, col, soundCol)
			put(t, disk, idx, soundIdx)
		})
	}
}

// reheaded changes a file's header and corrects its checksum.
func reheaded(b string, change func(h []byte)) string {
	h := []byte(b[:headerBytes])
	change(h)
	binary.LittleEndian.PutUint32(h[headerBytes-4:], crc32.Checksum(h[:headerBytes-4], castagnoli))
	return string(h) + b[headerBytes:]
}

func TestOtherFormatsAndLogs(t *testing.T) {
	disk, s := built(t, newModel(rand.New(rand.NewPCG(13, 13)), mix{rows: 40}))
	col, idx := s.Name()+ColSuffix, s.Name()+IdxSuffix
	soundCol, soundIdx := contents(t, disk, col), contents(t, disk, idx)
	older, newer := func(h []byte) { h[8]-- }, func(h []byte) { h[8]++ }
	foreign := func(h []byte) { h[16]++ }
	for _, tt := range []struct {
		name, col, idx string
		want           error
	}{
		{"older columns", reheaded(soundCol, older), soundIdx, ErrVersion},
		{"newer columns", reheaded(soundCol, newer), soundIdx, ErrVersion},
		{"older index", soundCol, reheaded(soundIdx, older), nil},
		{"newer index", soundCol, reheaded(soundIdx, newer), nil},
		{"columns of another log", reheaded(soundCol, foreign), soundIdx, ErrForeign},
		{"index of another log", soundCol, reheaded(soundIdx, foreign), ErrForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			put(t, disk, col, tt.col)
			put(t, disk, idx, tt.idx)
			_, err := reopen(disk, s.Name())
			if !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
			if version := fmt.Sprintf("format %d", tt.col[8]); tt.want == ErrVersion && !strings.Contains(err.Error(), version) {
				t.Errorf("Open = %v, want it to name %q", err, version)
			}
			if tt.want == nil && contents(t, disk, idx) != soundIdx {
				t.Error("the index was not made again")
			}
		})
	}
}

func TestOtherLogsAreRefused(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(7, 7)), mix{rows: 10})
	disk, s := built(t, m)
	if _, err := Open(disk, "d", s.Name(), [16]byte{9}); !errors.Is(err, ErrForeign) {
		t.Errorf("Open with another log's id: %v, want ErrForeign", err)
	}
	if _, err := Open(disk, "d", "no-such-segment", testLog); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of nothing: %v, want ErrNotExist", err)
	}
}

// A file that is cut while it is mapped faults; Guard turns that into an error.
func TestFileCutWhileMapped(t *testing.T) {
	dir := t.TempDir()
	m := newModel(rand.New(rand.NewPCG(8, 8)), mix{rows: 2 * BlockRows, distinct: true})
	name, err := Build(vfs.OS{}, dir, m.columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(vfs.OS{}, dir, name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/"+name+ColSuffix, 4096); err != nil {
		t.Fatal(err)
	}
	var e annal.Event
	err = s.NewReader().Read(BlockRows, &e)
	var d *DamageError
	if !errors.As(err, &d) || !strings.HasSuffix(d.File, name+ColSuffix) {
		t.Errorf("Read of a cut file: %v, want a DamageError that names it", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Reading a segment anew meets the cut first, where it looks at what is no section:
// at the file's end.
func TestScrubNamesAFileCutWhileMapped(t *testing.T) {
	for _, suffix := range []string{ColSuffix, IdxSuffix} {
		dir := t.TempDir()
		m := newModel(rand.New(rand.NewPCG(8, 8)), mix{rows: 2 * BlockRows, distinct: true})
		name, err := Build(vfs.OS{}, dir, m.columns(), testLog)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(vfs.OS{}, dir, name, testLog)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(dir+"/"+name+suffix, 4096); err != nil {
			t.Fatal(err)
		}
		found := 0
		for part, next := 0, 1; next > 0; part = next {
			if next, err = s.Scrub(vfs.OS{}, part, 1<<20); err == nil {
				continue
			}
			found++
			var d *DamageError
			if !errors.As(err, &d) || d.File != dir+"/"+name+suffix || d.From >= d.To {
				t.Errorf("the %s file was cut, and what is read anew says %v", suffix, err)
			}
		}
		if found == 0 {
			t.Errorf("the %s file was cut, which is not found", suffix)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Columns that are cut just when their index is opened end no process.
func TestColumnsCutBeforeTheIndexIsOpened(t *testing.T) {
	dir := t.TempDir()
	m := newModel(rand.New(rand.NewPCG(8, 8)), mix{rows: 2 * BlockRows, distinct: true})
	name, err := Build(vfs.OS{}, dir, m.columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openColumns(vfs.OS{}, dir, name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/"+name+ColSuffix, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.openIndex(vfs.OS{}, dir, testLog); err != nil {
		t.Errorf("the index is sound, and belongs to what the columns were: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGuardLetsOtherPanicsPass(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Guard swallowed a bug")
		}
	}()
	var none []int
	err := Guard(func() error { _ = none[len(none)]; return nil })
	t.Errorf("Guard returned %v", err)
}

// Whatever operation of the disk fails, Build says so and leaves nothing that
// looks like a segment.
func TestBuildOnAFailingDisk(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(9, 9)), mix{rows: 300, tenants: 2})
	broken := errors.New("the disk is broken")
	for k := range 100 {
		disk := vfs.NewMem(uint64(k))
		if err := disk.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		n := 0
		disk.Fail(func(op vfs.Op, _ string) error {
			if n++; n == k+1 {
				return fmt.Errorf("%s: %w", op, broken)
			}
			return nil
		})
		name, err := Build(disk, "d", m.columns(), testLog)
		reached := n > k
		disk.Fail(nil)
		if !reached {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if err == nil {
			if _, err := reopen(disk, name); err != nil {
				t.Fatalf("operation %d failed, Build said nothing, and then %v", k, err)
			}
			continue
		}
		if !errors.Is(err, broken) {
			t.Fatalf("operation %d: Build = %v", k, err)
		}
	}
	t.Error("Build never ends")
}

// A crash at any operation leaves a whole segment or none.
func TestBuildSurvivesCrashes(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(10, 10)), mix{rows: 200, tenants: 2, shuffled: true})
	want := m.sorted()
	for seed := range uint64(annaltest.Cases(60)) {
		disk := vfs.NewMem(seed)
		if err := disk.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		if err := disk.SyncDir(""); err != nil {
			t.Fatal(err)
		}
		stop := errors.New("power cut")
		n, at := 0, int(seed%30)
		disk.Fail(func(vfs.Op, string) error {
			if n++; n > at {
				return stop
			}
			return nil
		})
		_, err := Build(disk, "d", m.columns(), testLog)
		after := disk.Crash()
		names, listErr := after.List("d")
		if listErr != nil {
			t.Fatal(listErr)
		}
		found := false
		for _, file := range names {
			name, ok := strings.CutSuffix(file, ColSuffix)
			if !ok {
				continue
			}
			found = true
			got, err := reopen(after, name)
			if err != nil {
				t.Fatalf("seed %d: after the crash: %v", seed, err)
			}
			for row := range want {
				if got[row] != want[row] {
					t.Fatalf("seed %d: row %d differs after the crash", seed, row)
				}
			}
		}
		if err == nil && !found {
			t.Fatalf("seed %d: Build returned and the crash took the segment", seed)
		}
	}
}
