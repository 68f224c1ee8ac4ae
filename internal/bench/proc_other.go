//go:build !linux

package bench

import "errors"

var errNoProc = errors.New("processes can only be measured on Linux")

func cpuSeconds(int) (float64, error) { return 0, errNoProc }

// memory says how much of a process is resident, in bytes.
type memory struct{ peak, anon int64 }

func readMemory(int) (memory, error) { return memory{}, errNoProc }

func evict(string) error { return errNoProc }
