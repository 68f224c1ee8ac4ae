package segment

import (
	"fmt"
	"strings"

	"annal/internal/vfs"
)

// Suffixes of a segment's files.
const (
	ColSuffix = ".col" // the columns: truth
	IdxSuffix = ".idx" // derived from the columns
)

// Name returns the name of a segment: the positions of its first and last row
// by arrival, and a generation that tells rewritten segments apart.
func Name(first, last uint64, generation int) string {
	return fmt.Sprintf("%020d-%020d-%04d", first, last, generation)
}

// ParseName reads a segment's name; false: it is none.
func ParseName(name string) (first, last uint64, generation int, ok bool) {
	n, err := fmt.Sscanf(name, "%d-%d-%d", &first, &last, &generation)
	ok = n == 3 && err == nil && first <= last && generation >= 0 && Name(first, last, generation) == name
	return first, last, generation, ok
}

// newName finds the first generation that is free.
func newName(fs vfs.FS, dir string, first, last uint64) (string, error) {
	names, err := fs.List(dir)
	if err != nil {
		return "", fmt.Errorf("list %s: %w", dir, err)
	}
	generation := 0
	for _, n := range names {
		n = strings.TrimSuffix(n, tmpSuffix)
		f, l, g, ok := ParseName(strings.TrimSuffix(strings.TrimSuffix(n, ColSuffix), IdxSuffix))
		if ok && f == first && l == last {
			generation = max(generation, g+1)
		}
	}
	return Name(first, last, generation), nil
}

// install gives temporary files their names. The columns come last: a segment
// exists once they do.
func install(fs vfs.FS, dir string, names ...string) error {
	for _, n := range names {
		if err := fs.Rename(n+tmpSuffix, n); err != nil {
			return err
		}
	}
	return fs.SyncDir(dir)
}

// discard removes what an unsuccessful Build left.
func discard(fs vfs.FS, full string) error {
	for _, suffix := range []string{ColSuffix, IdxSuffix} {
		for _, n := range []string{full + suffix, full + suffix + tmpSuffix} {
			if _, err := fs.Size(n); err != nil {
				continue
			}
			if err := fs.Remove(n); err != nil {
				return err
			}
		}
	}
	return nil
}
