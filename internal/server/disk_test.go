package server_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"annal"
	"annal/client"
	"annal/internal/server"
	"annal/internal/vfs"
)

// While the disk refuses, writes are answered with 503 and a time to come back,
// the alarm is on and reads go on. Once the disk works again so do writes, and
// what a client repeats is there once.
func TestFailingDiskRefusesWritesAndServesReads(t *testing.T) {
	disk := vfs.NewMem(1)
	dir := t.TempDir()
	if err := disk.MkdirAll(filepath.ToSlash(dir)); err != nil {
		t.Fatal(err)
	}
	var late atomic.Int64 // how far the server's clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	s := startWith(t, config(dir), server.Deps{Disk: disk, Now: now})
	once, patient := s.client(t, -1), s.client(t, 20)
	alarm := func(want string) {
		t.Helper()
		if _, body := get(t, s.url+"/metrics", ""); !strings.Contains(body, "\nannal_write_alarm "+want+"\n") {
			t.Errorf("annal_write_alarm is not %s", want)
		}
	}
	if _, err := once.Append(t.Context(), []annal.Event{event("before")}); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []struct {
		name string
		op   vfs.Op
		err  error
	}{{"full disk", vfs.OpWrite, syscall.ENOSPC}, {"failing sync", vfs.OpSync, syscall.EIO}} {
		disk.Fail(func(op vfs.Op, _ string) error {
			if op == fault.op || op == vfs.OpCreate || op == vfs.OpAllocate {
				return fault.err
			}
			return nil
		})
		_, err := once.Append(t.Context(), []annal.Event{event(fault.name)})
		var refusal *client.Error
		if !errors.As(err, &refusal) || refusal.Status != 503 || refusal.RetryAfter <= 0 {
			t.Errorf("%s: got %v, want 503 with Retry-After", fault.name, err)
		}
		alarm("1")
		if n := counts(t, once)["before"]; n != 1 {
			t.Errorf("%s: the event from before is read %d times, want once", fault.name, n)
		}
		disk.Fail(nil)
		late.Add(int64(time.Second)) // the log tries again at most so often
		if _, err := patient.Append(t.Context(), []annal.Event{event(fault.name)}); err != nil {
			t.Fatalf("%s is over: %v", fault.name, err)
		}
		alarm("0")
		if n := counts(t, once)[fault.name]; n != 1 {
			t.Errorf("%s: the event is there %d times, want once", fault.name, n)
		}
	}
}
