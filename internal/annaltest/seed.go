package annaltest

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// FirstSeed is where laws under random work begin: ANNAL_SEED, so that a long
// run does not see the same again, or 0.
func FirstSeed() uint64 {
	seed, _ := strconv.ParseUint(os.Getenv("ANNAL_SEED"), 10, 64)
	return seed
}

// Seeds is how many seeds a law tries: what the variable says, or as many as
// Cases of usual.
func Seeds(variable string, usual int) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(variable), 10, 32); err == nil {
		return n
	}
	return uint64(Cases(usual))
}

// Replay, deferred, has a test that fails print the command that tries the seed
// at fault, and no other, anew. The variable is that of Seeds. Where goroutines take
// turns as they like, one time may not show it, so that it is tried several times.
func Replay(t testing.TB, seed uint64, variable string) {
	t.Helper()
	if t.Failed() {
		name, _, _ := strings.Cut(t.Name(), "/") // of the test that a subtest is of
		t.Logf("seed %d; in this package, again: ANNAL_SEED=%d %s=1 go test -count=20 -failfast -run '^%s$' .", seed, seed, variable, name)
	}
}
