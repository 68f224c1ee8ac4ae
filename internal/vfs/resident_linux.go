package vfs

import (
	"bytes"
	"os"
	"strconv"
)

// MappedResident returns how many bytes of mapped files the process has in
// memory now; 0 when the system does not say. See proc_pid_statm(5).
func MappedResident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 3 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[2]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
