package annaltest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// slower is how many times fewer cases a law tries under the race detector,
// which makes each about as many times slower. It looks for races between
// goroutines, which the first cases have as well as the last.
const slower = 4

// Cases is how many of n cases a test tries: all, or under the race detector
// fewer, but one.
func Cases(n int) int {
	if Raced {
		return max(n/slower, min(n, 1))
	}
	return n
}

// Main runs the tests of a package whose tests start processes. They fail when
// the race detector finds a race in one of these, which it cannot say for
// itself: most are killed. It is for TestMain; the processes must get this one's
// environment.
func Main(m interface{ Run() int }) int {
	code, err := runRaced(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "annaltest:", err)
		return 1
	}
	return code
}

func runRaced(m interface{ Run() int }) (code int, err error) {
	dir, err := os.MkdirTemp("", "annal-races")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Setenv(RaceEnv, "log_path="+filepath.Join(dir, "race")); err != nil {
		return 1, err
	}
	code = m.Run()
	reports, err := filepath.Glob(filepath.Join(dir, "race*"))
	for _, name := range reports {
		text, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr)
		if strings.Contains(string(text), "DATA RACE") {
			fmt.Fprintf(os.Stderr, "in a process that the tests started:\n%s\n", text)
			code = 1
		}
	}
	return code, err
}

// RaceEnv is the environment variable that says where the race detector of a
// process reports to.
const RaceEnv = "GORACE"
