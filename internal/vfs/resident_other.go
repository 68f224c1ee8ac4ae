//go:build unix && !linux

package vfs

// MappedResident returns 0: these systems do not say.
func MappedResident() int64 { return 0 }
