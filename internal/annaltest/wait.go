package annaltest

import "time"

// Patience is how long a test waits for what must come. It ends only tests that
// would wait for ever: no machine is so slow.
const Patience = 2 * time.Minute

// Comes waits until something holds, and reports whether it does in the end.
func Comes(holds func() bool) bool {
	const pause = 10 * time.Millisecond
	for until := time.Now().Add(Patience); !holds(); time.Sleep(pause) {
		if time.Now().After(until) {
			return false
		}
	}
	return true
}
