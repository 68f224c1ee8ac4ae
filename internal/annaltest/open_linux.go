package annaltest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OpenIn lists what of a folder this process has open or mapped, each once.
func OpenIn(dir string) (names []string, err error) {
	const descriptors = "/proc/self/fd"
	open, err := os.ReadDir(descriptors)
	if err != nil {
		return nil, err
	}
	for _, fd := range open {
		name, err := os.Readlink(filepath.Join(descriptors, fd.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // others come and go
			return nil, err
		}
		if strings.HasPrefix(name, dir+"/") {
			names = append(names, name)
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		if _, name, mapped := strings.Cut(line, " "+dir+"/"); mapped {
			names = append(names, filepath.Join(dir, strings.TrimSpace(name)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
