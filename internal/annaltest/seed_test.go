package annaltest

import (
	"fmt"
	"testing"
)

// A failing is a test that fails, and keeps what it logs.
type failing struct {
	testing.TB
	failed bool
	said   string
}

func (f *failing) Failed() bool { return f.failed }

func (f *failing) Logf(format string, args ...any) { f.said += fmt.Sprintf(format, args...) }

// Who reads of a failure gets a command that tries that seed alone.
func TestReplaySaysHow(t *testing.T) {
	t.Run("beneath", func(t *testing.T) {
		for _, tt := range []struct {
			failed bool
			want   string
		}{
			{false, ""},
			{true, "seed 7; in this package, again: ANNAL_SEED=7 ANNAL_RUNS=1 go test -count=20 -failfast -run '^TestReplaySaysHow$' ."},
		} {
			f := &failing{TB: t, failed: tt.failed}
			Replay(f, 7, "ANNAL_RUNS")
			if f.said != tt.want {
				t.Errorf("failed %v: it says %q, want %q", tt.failed, f.said, tt.want)
			}
		}
	})
	t.Setenv("ANNAL_SEED", "7")
	t.Setenv("ANNAL_RUNS", "1")
	if first, n := FirstSeed(), Seeds("ANNAL_RUNS", 90); first != 7 || n != 1 {
		t.Errorf("that command tries %d seeds from %d on", n, first)
	}
}
