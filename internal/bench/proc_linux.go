package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of CPU time in /proc; Linux fixes it.
const ticksPerSecond = 100

// cpuSeconds returns the CPU time that a process has used, user and system.
func cpuSeconds(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the command in parentheses and may hold spaces.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 11, 12 // counted from the third field
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/%d/stat has only %d fields", pid, len(fields))
	}
	var sum float64
	for _, f := range fields[utime : stime+1] {
		n, err := strconv.ParseFloat(string(f), 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		sum += n / ticksPerSecond
	}
	return sum, nil
}

// memory says how much of a process is resident, in bytes.
type memory struct {
	peak int64 // the most that ever was, with mapped files
	anon int64 // at present, without mapped files
}

func readMemory(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		kib, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		n, _ := strconv.ParseInt(string(kib), 10, 64)
		switch string(name) {
		case "VmHWM":
			m.peak = n << 10
		case "RssAnon":
			m.anon = n << 10
		}
	}
	return m, nil
}

// evict asks the kernel to drop a file's pages from its cache. What is mapped
// at present stays.
func evict(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return fmt.Errorf("evict %s: %w", name, err)
	}
	return nil
}
