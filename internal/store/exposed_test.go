package store

import (
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/vfs"
)

// Files of the write-ahead log that are cut, removed or changed while the log is open cost no
// event that was acknowledged: what they held is still in memory, and is sealed; and
// what comes then has a file that a start finds.
func TestALogWithoutItsFilesKeepsItsEvents(t *testing.T) {
	for name, spoil := range map[string]func(disk *vfs.Mem, file string) error{
		"removed": func(disk *vfs.Mem, file string) error { return disk.Remove(file) },
		"cut": func(disk *vfs.Mem, file string) error {
			f, err := disk.OpenLog(file)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(4096)
		},
		"changed at its head": func(disk *vfs.Mem, file string) error { return change(disk, file, 0) },
		"changed":             func(disk *vfs.Mem, file string) error { return change(disk, file, vfs.Align) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem(1)
			cfg := crashConfig(disk)
			cfg.Resident, cfg.Now = 1<<40, time.Now
			s := reopen(t, cfg)
			mustAppend(t, s, some(0, 10))
			const folder = "data/" + walDir
			names, err := disk.List(folder)
			if err != nil || len(names) == 0 {
				t.Fatal(names, err)
			}
			for _, file := range names {
				if err := spoil(disk, folder+"/"+file); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "it is named, and the events are sealed", func() bool {
				st := s.Stats()
				return st.Segments == 1 && len(st.Damaged) == 1 && strings.HasPrefix(st.Damaged[0], folder+"/wal-")
			})
			quiet := disk.Crash()
			mustAppend(t, s, some(10, 10))
			after := disk.Crash()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			whole(t, cfg, quiet, 10)
			whole(t, cfg, after, 20)
			whole(t, cfg, disk, 20)
		})
	}
}

// change overwrites a block of a file durably.
func change(disk *vfs.Mem, file string, at int64) error {
	f, err := disk.OpenLog(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, vfs.Align), at); err != nil {
		return err
	}
	return f.Sync()
}

// whole checks that the log on a disk has n events, and misses none.
func whole(t *testing.T, cfg Config, disk *vfs.Mem, n int) {
	t.Helper()
	cfg.FS = disk
	s := reopen(t, cfg)
	if got := positions(t, s, annal.Query{}); len(got) != n || got[n-1] != uint64(n-1) {
		t.Errorf("the log has %v, want %d events", got, n)
	}
	if missing := s.Missing(annal.Query{}); missing != nil {
		t.Errorf("%v are said to be missing", missing)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
