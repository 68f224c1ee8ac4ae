package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const ticksPerSecond = 100 // of /proc; Linux fixes it

// procStat returns a process's parent and the CPU seconds of itself and of its
// children that ended.
func procStat(pid int) (parent int, seconds float64, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	// Counted behind the command, which may hold spaces: state, parent, …
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const ppid, utime, cstime = 1, 11, 14
	if len(fields) <= cstime {
		return 0, 0, false
	}
	parent, _ = strconv.Atoi(string(fields[ppid]))
	for _, f := range fields[utime : cstime+1] {
		n, _ := strconv.ParseFloat(string(f), 64)
		seconds += n / ticksPerSecond
	}
	return parent, seconds, true
}

func selfCPU() float64 {
	_, s, _ := procStat(os.Getpid())
	return s
}

// treeCPU adds up a process and its children.
func treeCPU(pid int) float64 {
	_, sum, _ := procStat(pid)
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if parent, s, ok := procStat(child); ok && parent == pid {
			sum += s
		}
	}
	return sum
}
