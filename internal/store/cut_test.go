package store

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"annal/internal/segment"
	"annal/internal/vfs"
)

// A segment's file that is cut while the log is open, wherever that is, changes no
// answer but into an error: of the page that the cut goes through, the rest reads
// as zeros, also where it was verified before.
func TestAFileThatIsCutWhileOpenGivesNoAnswer(t *testing.T) {
	prepared, want := damagedLog(t)
	rnd := rand.New(rand.NewPCG(5, 5))
	failed := 0
	for _, pattern := range []string{"segments/*300-*.col", "segments/*900-*.col", "segments/*300-*.idx"} {
		for range 20 {
			cfg := copyLog(t, prepared)
			found, err := filepath.Glob(filepath.Join(cfg.Dir, pattern))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			info, err := os.Stat(found[0])
			if err != nil {
				t.Fatal(err)
			}
			s := reopen(t, cfg)
			if errs := askAll(t, s, want, true); errs > 0 { // now all is verified
				t.Fatalf("before, %d questions failed", errs)
			}
			if err := os.Truncate(found[0], rnd.Int64N(info.Size())); err != nil {
				t.Fatal(err)
			}
			failed += askAll(t, s, want, true)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if failed < 20 {
		t.Errorf("only %d questions failed", failed)
	}
}

// eventually waits until something holds that the store does by itself.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 10_000 {
		if holds() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("not after 10 s: %s", what)
}

// An index that is removed while the log is open is made again, and the alarm ends;
// damage of the segments behind it is found, too.
func TestARemovedIndexIsMadeAgain(t *testing.T) {
	cfg, _ := damagedLog(t)
	cfg.Resident = 1 << 40
	s := reopen(t, cfg)
	defer s.Close()
	folder := filepath.Join(cfg.Dir, segmentDir)
	index := filepath.Join(folder, segment.Name(300, 599, 0)+segment.IdxSuffix)
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the index is there again", func() bool {
		_, err := os.Stat(index)
		return err == nil && len(s.Stats().Damaged) == 0
	})
	columns := filepath.Join(folder, segment.Name(600, 899, 0)+segment.ColSuffix)
	spoilByte(t, columns)
	eventually(t, "the damage is found", func() bool { return slices.Equal(s.Stats().Damaged, []string{columns}) })
}

// A file that cannot be opened at the moment does not keep the other segments from
// being read anew.
func TestScrubPassesOverWhatItCannotOpen(t *testing.T) {
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		cfg, disk := memLog(t)
		s := reopen(t, cfg)
		unopened, opened := 0, 0
		disk.Fail(func(op vfs.Op, name string) error {
			switch {
			case op != vfs.OpOpen:
			case filepath.Base(name) == segment.Name(0, 9, 0)+suffix:
				unopened++
				return syscall.EMFILE
			case filepath.Base(name) == segment.Name(10, 19, 0)+suffix:
				opened++
			}
			return nil
		})
		var at scrubber
		for range 20 {
			s.scrub(&at)
			at.begun = time.Time{}
		}
		disk.Fail(nil)
		if unopened < 2 || opened < 2 {
			t.Errorf("of 20 looks %d went to a file that cannot be opened, %d to the same of the next segment", unopened, opened)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Where no file can be opened, that is said once a minute, not at each look; and
// when the clock goes back, at once.
func TestScrubComplainsNowAndThen(t *testing.T) {
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	var at scrubber
	for now := range 150 { // s
		at.tell(log, time.Unix(int64(now), 0), "name", syscall.EMFILE)
	}
	at.tell(log, time.Unix(1, 0), "name", syscall.EMFILE)
	const words = `level=WARN msg="a segment cannot be read anew at present" segment=name problem="too many open files"`
	if n := strings.Count(said.String(), words); n != 4 || strings.Count(said.String(), "\n") != 4 {
		t.Errorf("it is said %d times, want 4:\n%s", n, said.String())
	}
}

// memLog makes a log of two segments on a disk in memory.
func memLog(t *testing.T) (Config, *vfs.Mem) {
	t.Helper()
	disk := vfs.NewMem(1)
	cfg := crashConfig(disk)
	cfg.SegmentRows = 10
	s := reopen(t, cfg)
	for n := range 3 {
		mustAppend(t, s, some(10*n, 10))
	}
	eventually(t, "two segments are there", func() bool { return s.Stats().Segments == 2 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg, disk
}

// A segment's file that is written to while the log is open gives no answer from
// what was verified before: the system tells that it was, long before it is read anew
// in turn.
func TestAFileThatIsWrittenToIsVerifiedAgain(t *testing.T) {
	prepared, want := damagedLog(t)
	for _, suffix := range []string{segment.ColSuffix, segment.IdxSuffix} {
		cfg := copyLog(t, prepared) // without Resident nothing is read anew in turn
		s := reopen(t, cfg)
		if errs := askAll(t, s, want, true); errs > 0 { // now all is verified
			t.Fatalf("before, %d questions failed", errs)
		}
		time.Sleep(20 * time.Millisecond) // the system's clock of files is coarse
		file := filepath.Join(cfg.Dir, segmentDir, segment.Name(300, 599, 0)+suffix)
		spoilByte(t, file)
		if suffix == segment.ColSuffix {
			eventually(t, "the damage is named", func() bool { return slices.Equal(s.Stats().Damaged, []string{file}) })
		} else {
			eventually(t, "the damage is met", func() bool { return s.Stats().ReadDamage > 0 })
		}
		errs := askAll(t, s, want, true)
		if derived := suffix == segment.IdxSuffix; derived != (errs == 0) {
			t.Errorf("%s: %d questions failed", suffix, errs)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// spoilByte flips a bit in the first of a segment's parts, in place.
func spoilByte(t *testing.T, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const at = 500
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := file.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
