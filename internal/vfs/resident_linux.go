package vfs

import (
	"bytes"
	"os"
	"strconv"
	"sync"
)

// statm is the file that tells the memory of this process, nil when there is
// none; see proc_pid_statm(5). It stays open, since it is asked often.
var statm = sync.OnceValue(func() *os.File {
	f, _ := os.Open("/proc/self/statm")
	return f
})

// Resident returns how many bytes of memory the process has now; 0 when the
// system does not say.
func Resident() int64 {
	var b [128]byte
	n, _ := statm().ReadAt(b[:], 0)
	fields := bytes.Fields(b[:n])
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
