package annaltest

import (
	"os"
	"strings"
	"testing"
)

// A run is the tests of a package that does not exist.
type run func() int

// Run runs them.
func (r run) Run() int { return r() }

func TestRacesOfProcessesFailTheTests(t *testing.T) {
	t.Setenv(RaceEnv, "") // Main sets it
	report := func(text string) run {
		return func() int {
			name, ok := strings.CutPrefix(os.Getenv(RaceEnv), "log_path=")
			if !ok {
				t.Errorf("%s is %q", RaceEnv, os.Getenv(RaceEnv))
			}
			if err := os.WriteFile(name+".123", []byte(text), 0o600); err != nil {
				t.Error(err)
			}
			return 0
		}
	}
	for _, tt := range []struct {
		name string
		run  run
		want int
	}{
		{"sound", func() int { return 0 }, 0},
		{"failing", func() int { return 3 }, 3},
		{"a race in a process", report("==================\nWARNING: DATA RACE\n"), 1},
		{"another message", report("no address space\n"), 0},
	} {
		if got := Main(tt.run); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestCases(t *testing.T) {
	all := Cases(80) == 80 && Cases(1) == 1
	if few := Cases(80) == 80/slower && Cases(1) == 1 && Cases(0) == 0; Raced && !few || !Raced && !all {
		t.Errorf("of 80 and 1 cases %d and %d are tried", Cases(80), Cases(1))
	}
}
