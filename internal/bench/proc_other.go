//go:build !linux

package bench

import "errors"

var errNoProc = errors.New("processes can only be measured on Linux")

func cpuSeconds(int) (float64, error) { return 0, errNoProc }

func resetPeak(int) error { return errNoProc }

func readMemory(int) (memory, error) { return memory{}, errNoProc }

func evict(string) error { return errNoProc }
