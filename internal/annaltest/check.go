package annaltest

import (
	"flag"
	"strconv"

	"pgregory.net/rapid"
)

// checksFlag is the flag that says how many cases rapid tries.
const checksFlag = "rapid.checks"

// Check is [rapid.Check] with [Cases] of the cases that it usually tries.
func Check(t rapid.TB, prop func(*rapid.T)) {
	t.Helper()
	checks := flag.Lookup(checksFlag)
	usual := checks.Value.String()
	n, err := strconv.Atoi(usual)
	if err == nil {
		err = checks.Value.Set(strconv.Itoa(Cases(n)))
	}
	if err != nil {
		t.Fatalf("%s is %q: %v", checksFlag, usual, err)
	}
	defer func() { _ = checks.Value.Set(usual) }() // what it was is what it may be
	rapid.Check(t, prop)
}
