package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annal/internal/wal"
)

// TestHalfOfAnotherLogIsRefused puts another log's LOG into a folder: it is
// refused, and nothing is set aside on the strength of it.
func TestHalfOfAnotherLogIsRefused(t *testing.T) {
	cfg, want := damagedLog(t)
	other, _ := damagedLog(t)
	own := filepath.Join(cfg.Dir, IdentityFile)
	before, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(other.Dir, IdentityFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg); !errors.Is(err, wal.ErrForeign) {
		t.Errorf("got %v, want %v", err, wal.ErrForeign)
	}
	if err := os.WriteFile(own, before, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if lost := s.Stats().Lost; len(lost) > 0 {
		t.Errorf("%v were set aside", lost)
	}
	if errs := askAll(t, s, want, true); errs > 0 {
		t.Errorf("%d questions failed", errs)
	}
}

// TestAMissingWriteAheadLogIsNamed removes all of it: segments show that there
// was one.
func TestAMissingWriteAheadLogIsNamed(t *testing.T) {
	cfg, _ := damagedLog(t)
	if err := os.RemoveAll(filepath.Join(cfg.Dir, walDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(cfg.Dir, walDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := Check(cfg); err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], walDir) {
		t.Errorf("check finds %v, %v", r.Problems, err)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := s.Stats().WALDamage; n != 1 {
		t.Errorf("%d damaged places, want 1", n)
	}
}
