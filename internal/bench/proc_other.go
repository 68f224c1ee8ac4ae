//go:build !linux

package bench

import (
	"errors"
	"syscall"
)

var errNoProc = errors.New("processes can only be measured on Linux")

// endWithParent does nothing where the system cannot: there only a signal that
// the parent handles ends the server.
func endWithParent() *syscall.SysProcAttr { return nil }

func cpuSeconds(int) (float64, error) { return 0, errNoProc }

func resetPeak(int) error { return errNoProc }

func readMemory(int) (memory, error) { return memory{}, errNoProc }

func evict(string) error { return errNoProc }
