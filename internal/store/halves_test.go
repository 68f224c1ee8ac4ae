package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annal"
	"annal/internal/segment"
	"annal/internal/wal"
)

// TestHalfOfAnotherLogIsRefused puts another log's LOG into a folder: it is
// refused, and nothing is set aside on the strength of it.
func TestHalfOfAnotherLogIsRefused(t *testing.T) {
	other, _ := damagedLog(t)
	sealed, all := damagedLog(t)
	for _, tt := range []struct {
		name string
		cfg  Config
		want map[string]annal.Event
		err  error
	}{
		{"with segments", sealed, all, segment.ErrForeign},
		{"with a write-ahead log alone", youngLog(t), nil, wal.ErrForeign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			own := filepath.Join(tt.cfg.Dir, IdentityFile)
			before := contents(t, own)
			edit(t, own, func([]byte) []byte { return contents(t, filepath.Join(other.Dir, IdentityFile)) })
			for range 2 {
				if _, err := Open(tt.cfg); !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
			}
			edit(t, own, func([]byte) []byte { return before })
			s := reopen(t, tt.cfg)
			if st := s.Stats(); len(st.Lost) > 0 || st.Missing > 0 || st.Events == 0 {
				t.Errorf("%d events are there, %d missing, and %v were set aside", st.Events, st.Missing, st.Lost)
			}
			if tt.want == nil {
				return
			}
			if errs := askAll(t, s, tt.want, true); errs > 0 {
				t.Errorf("%d questions failed", errs)
			}
		})
	}
}

// youngLog makes a log that has sealed nothing yet.
func youngLog(t *testing.T) Config {
	t.Helper()
	cfg := Config{Dir: t.TempDir(), WALFileSize: 1 << 20}
	s := reopen(t, cfg)
	if _, err := s.Append(t.Context(), &annal.Batch{Events: []annal.Event{{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Time: second(1)}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg
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
