package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"annal"
	"annal/internal/annaltest"
)

// TestMain holds that no store leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// However a log was used and whether it opened or not, none of its files stays
// open or mapped, and another may open it.
func TestNoFileOfALogStaysOpen(t *testing.T) {
	sound, _ := damagedLog(t)
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, cfg Config)
		opens bool
	}{
		{"sound", func(*testing.T, Config) {}, true},
		{"a segment is cut", func(t *testing.T, cfg Config) { truncate(t, cfg, segmentDir, "*.col") }, true},
		{"an index is cut", func(t *testing.T, cfg Config) { truncate(t, cfg, segmentDir, "*.idx") }, true},
		{"the manifest is cut", func(t *testing.T, cfg Config) { truncate(t, cfg, "", manifestFile) }, true},
		{"the identity is cut", func(t *testing.T, cfg Config) { truncate(t, cfg, "", IdentityFile) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := copyLog(t, sound)
			tt.spoil(t, cfg)
			for range 2 {
				s, err := Open(cfg)
				if (err == nil) != tt.opens {
					t.Fatalf("open: %v", err)
				}
				if err == nil {
					useAndClose(t, s)
				}
				if _, err := Check(cfg); err != nil && tt.opens {
					t.Errorf("check: %v", err)
				}
				if left, err := annaltest.OpenIn(cfg.Dir); err != nil || len(left) > 0 {
					t.Errorf("still open or mapped: %q, %v", left, err)
				}
			}
		})
	}
}

// truncate cuts the first file that matches.
func truncate(t *testing.T, cfg Config, dir, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cfg.Dir, dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	if err := os.Truncate(files[0], 10); err != nil {
		t.Fatal(err)
	}
}

// useAndClose writes, seals, scans, follows and gives up, and closes.
func useAndClose(t *testing.T, s *Store) {
	t.Helper()
	for i := range 10 { // more than a segment
		var b annal.Batch
		for j := range 50 {
			b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Message: fmt.Sprint(i, j), Time: second(j)})
		}
		if _, err := s.Append(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if open, err := annaltest.OpenIn(s.cfg.Dir); err != nil || len(open) < 3 {
		t.Fatalf("a log in use has %q open, %v; this proves nothing", open, err)
	}
	enough := errors.New("enough")
	if err := s.Scan(t.Context(), annal.Query{}, func(*annal.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("a scan that is given up: %v", err)
	}
	if _, err := s.Tail(t.Context(), annal.Query{}, s.End()-1, func(*annal.Event, []byte) bool { return false }); err != nil {
		t.Errorf("tail: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Tail(ctx, annal.Query{}, s.End(), func(*annal.Event, []byte) bool { return true })
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a tail that is given up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
