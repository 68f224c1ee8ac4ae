package vfs_test

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"annal/internal/vfs"
)

// content returns what a file holds, or nil when there is none.
func content(t *testing.T, m *vfs.Mem, name string) []byte {
	t.Helper()
	mapping, err := m.Map(name)
	if err != nil {
		return nil
	}
	return append([]byte{}, mapping.Bytes()...)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A synced file under a synced name survives every crash; over many crashes,
// what was not synced is sometimes kept, sometimes lost, sometimes torn, and
// tears fall on sectors.
func TestCrashKeepsWhatWasSyncedAndNothingForSure(t *testing.T) {
	old, change := bytes.Repeat([]byte{1}, 4096), bytes.Repeat([]byte{2}, 4096)
	m := vfs.NewMem(7)
	f, err := m.Create("a")
	must(t, err)
	_, err = f.Write(old)
	must(t, err, f.Sync(), m.SyncDir("."))
	_, err = f.WriteAt(change, 0)
	must(t, err)

	seen := map[string]int{}
	for range 1000 {
		got := content(t, m.Crash(), "a")
		switch {
		case bytes.Equal(got, old):
			seen["lost"]++
		case bytes.Equal(got, change):
			seen["kept"]++
		case len(got) == len(old):
			seen["torn"]++
		}
		for i := 0; i < len(got); i += 512 {
			if bytes.Count(got[i:i+512], got[i:i+1]) != 512 {
				t.Fatalf("sector %d is torn", i/512)
			}
		}
	}
	if seen["lost"] < 100 || seen["kept"] < 100 || seen["torn"] < 100 || seen["lost"]+seen["kept"]+seen["torn"] != 1000 {
		t.Errorf("fates of 1000 crashes: %v", seen)
	}
	must(t, f.Sync())
	for range 100 {
		if !bytes.Equal(content(t, m.Crash(), "a"), change) {
			t.Fatal("a crash lost synced bytes")
		}
	}
}

// A rename is atomic: some name always leads to the file, and never two.
func TestCrashLeavesARenamedFileOneName(t *testing.T) {
	m := vfs.NewMem(3)
	f, err := m.Create("a")
	must(t, err, m.SyncDir("."), f.Sync(), m.Rename("a", "b"), m.Rename("b", "c"))
	seen := map[string]int{}
	for range 1000 {
		names, err := m.Crash().List(".")
		must(t, err)
		if len(names) != 1 {
			t.Fatalf("after a crash: %q, want one name", names)
		}
		seen[names[0]]++
	}
	if seen["a"] == 0 || seen["b"] == 0 || seen["c"] == 0 {
		t.Errorf("names after 1000 crashes: %v, want all of a, b, c", seen)
	}
}

func TestCrashMayUndoARemoveAndACreate(t *testing.T) {
	m := vfs.NewMem(5)
	f, err := m.Create("old")
	must(t, err)
	_, err = f.Write([]byte("content"))
	must(t, err, f.Sync(), m.SyncDir("."), m.Remove("old"))
	_, err = m.Create("new")
	must(t, err)
	seen := map[string]int{}
	for range 1000 {
		after := m.Crash()
		if b := content(t, after, "old"); b != nil {
			seen["old"]++
			if string(b) != "content" {
				t.Fatalf("an undone remove gave %q", b)
			}
		}
		if content(t, after, "new") != nil {
			seen["new"]++
		}
	}
	if seen["old"] == 0 || seen["old"] == 1000 || seen["new"] == 0 || seen["new"] == 1000 {
		t.Errorf("files after 1000 crashes: %v, want each sometimes", seen)
	}
	must(t, m.SyncDir("."))
	if got, err := m.Crash().List("."); err != nil || len(got) != 1 || got[0] != "new" {
		t.Errorf("after a sync and a crash: %q, %v; want new alone", got, err)
	}
}

// After a failed sync a later one succeeds without making the bytes durable.
func TestFailedSyncIsForgottenByTheNext(t *testing.T) {
	lost := 0
	for seed := range uint64(200) {
		m := vfs.NewMem(seed)
		f, err := m.Create("a")
		must(t, err, m.SyncDir("."))
		_, err = f.Write([]byte("x"))
		must(t, err)
		m.Fail(func(op vfs.Op, _ string) error {
			if op == vfs.OpSync {
				return syscall.EIO
			}
			return nil
		})
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Sync: %v, want EIO", err)
		}
		m.Fail(nil)
		must(t, f.Sync())
		if string(content(t, m, "a")) != "x" {
			t.Fatal("the running system no longer sees its write")
		}
		if string(content(t, m.Crash(), "a")) != "x" {
			lost++
		}
	}
	if lost == 0 || lost == 200 {
		t.Errorf("the write was lost in %d of 200 crashes, want some", lost)
	}
}

func TestSameSeedSameCrash(t *testing.T) {
	run := func() []byte {
		m := vfs.NewMem(11)
		f, err := m.Create("a")
		must(t, err, m.SyncDir("."))
		for i := range 20 {
			_, err = f.WriteAt(bytes.Repeat([]byte{byte(i)}, 5000), int64(i*1000))
			must(t, err)
		}
		return content(t, m.Crash(), "a")
	}
	if !bytes.Equal(run(), run()) {
		t.Error("two runs with one seed crashed differently")
	}
}

// Every operation asks the fault function, is counted, and fails with its error.
func TestEveryOperationCanFail(t *testing.T) {
	m := vfs.NewMem(1)
	f, err := m.Create("a")
	must(t, err)
	before := m.Ops()
	var asked []vfs.Op
	m.Fail(func(op vfs.Op, _ string) error {
		asked = append(asked, op)
		return syscall.ENOSPC
	})
	calls := map[vfs.Op]func() error{
		vfs.OpCreate:   func() error { _, err := m.Create("b"); return err },
		vfs.OpOpen:     func() error { _, err := m.Open("a"); return err },
		vfs.OpOpenLog:  func() error { _, err := m.OpenLog("a"); return err },
		vfs.OpMap:      func() error { _, err := m.Map("a"); return err },
		vfs.OpRename:   func() error { return m.Rename("a", "b") },
		vfs.OpRemove:   func() error { return m.Remove("a") },
		vfs.OpList:     func() error { _, err := m.List("."); return err },
		vfs.OpMkdir:    func() error { return m.MkdirAll("d") },
		vfs.OpSize:     func() error { _, err := m.Size("a"); return err },
		vfs.OpSyncDir:  func() error { return m.SyncDir(".") },
		vfs.OpLock:     func() error { _, err := m.Lock("l"); return err },
		vfs.OpRead:     func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		vfs.OpWrite:    func() error { _, err := f.Write([]byte("x")); return err },
		vfs.OpSync:     f.Sync,
		vfs.OpTruncate: func() error { return f.Truncate(1) },
		vfs.OpAllocate: func() error { return f.Allocate(1) },
	}
	for op, call := range calls {
		asked = nil
		if err := call(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v, want ENOSPC", op, err)
		}
		if len(asked) != 1 || asked[0] != op {
			t.Errorf("%s asked about %q", op, asked)
		}
	}
	if got := m.Ops() - before; got != len(calls) {
		t.Errorf("counted %d operations, want %d", got, len(calls))
	}
}
