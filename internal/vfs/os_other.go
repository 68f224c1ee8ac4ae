//go:build unix && !linux

package vfs

// directFlag is none: these systems know no O_DIRECT, so logs are written
// through the page cache.
const directFlag = 0

func (f *osFile) syncData() error { return f.File.Sync() }

// Allocate does nothing: a write says when space is lacking.
func (f *osFile) Allocate(int64) error { return nil }

func (f *osFile) clearDirect() error { return nil }
