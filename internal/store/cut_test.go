package store

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
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
