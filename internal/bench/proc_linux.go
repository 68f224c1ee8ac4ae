package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of CPU time in /proc; Linux fixes it.
const ticksPerSecond = 100

// endWithParent has a process killed when the one that started it ends, however
// that came about.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

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

// readMemory returns what a process holds and held at most.
func readMemory(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, err
	}
	var m memory
	into := map[string]*int64{"VmHWM": &m.peak, "VmRSS": &m.resident, "RssAnon": &m.anon, "RssFile": &m.file}
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if to := into[string(name)]; to != nil {
			kib, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
			n, _ := strconv.ParseInt(string(kib), 10, 64)
			*to = n << 10
		}
	}
	return m, nil
}

// resetPeak lets a process's peak begin anew at what it holds now.
func resetPeak(pid int) error {
	const resetHighWaterMark = "5"
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte(resetHighWaterMark), 0)
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
