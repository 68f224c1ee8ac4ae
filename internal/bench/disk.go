package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// disk says what a data folder holds.
type disk struct {
	sealedBytes  int64
	sealedEvents uint64
	walBytes     int64
	files        []string
}

// segmentName finds the first and last position in the name of a segment's
// column file.
var segmentName = regexp.MustCompile(`(\d{10,})-(\d{10,}).*\.col$`)

// readDisk adds up a data folder: what lies under a folder "segments" is
// sealed, what lies under "wal" is the log.
func readDisk(data string) (disk, error) {
	var d disk
	err := filepath.WalkDir(data, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		d.files = append(d.files, name)
		switch filepath.Base(filepath.Dir(name)) {
		case "segments":
			d.sealedBytes += info.Size()
			d.sealedEvents += eventsOf(name)
		case "wal":
			d.walBytes += info.Size()
		}
		return nil
	})
	return d, err
}

// ignoreMissing forgives files that went away meanwhile.
func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func eventsOf(name string) uint64 {
	m := segmentName.FindStringSubmatch(filepath.Base(name))
	if m == nil || strings.HasSuffix(name, ".tmp") {
		return 0
	}
	first, err1 := strconv.ParseUint(m[1], 10, 64)
	last, err2 := strconv.ParseUint(m[2], 10, 64)
	if err1 != nil || err2 != nil || last < first {
		return 0
	}
	return last - first + 1
}
