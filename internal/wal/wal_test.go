//go:build unix

package wal_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"annal"
	"annal/internal/vfs"
	"annal/internal/wal"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// On a real disk, with files prepared in the background and trimmed,
// the log gives back what was put in and keeps its folder small.
func TestRealDisk(t *testing.T) {
	cfg := wal.Config{FS: vfs.OS{}, Dir: filepath.ToSlash(t.TempDir()) + "/log", FileSize: 32 << 10}
	var all []written
	next, kept := uint64(0), uint64(0)
	for range 3 {
		l, got, damages, err := collect(cfg, kept)
		if err != nil || len(damages) > 0 {
			t.Fatal(err, damages)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(w written) bool { return !w.neededFrom(kept) })
		if !slices.EqualFunc(got, want, written.equal) {
			t.Fatalf("replay from %d: got %v, want %v", kept, got, want)
		}
		for i := range 100 {
			w := written{next, uint32(i % 3), int64(i), bytes.Repeat([]byte{byte(i)}, i*97)}
			if i == 50 {
				w.payload = make([]byte, 100<<10) // more than a file
			}
			if err := l.Append(wal.Record{Position: w.position, Count: w.count, Received: w.received}, w.payload); err != nil {
				t.Fatal(err)
			}
			all, next = append(all, w), next+uint64(w.count)
			if i%20 == 19 {
				kept = next - 5
				if err := l.Trim(kept); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := l.Stats()
		if s.Recycled == 0 || s.Records != 100 || s.Next != next || s.FileBytes > 512<<10 {
			t.Errorf("stats: %+v", s)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := cfg.FS.List(cfg.Dir)
	if err != nil || len(names) > 12 {
		t.Errorf("the folder holds %d files: %v, %v", len(names), names, err)
	}
}

// Trim runs beside Append.
func TestTrimBesideAppend(t *testing.T) {
	l, _, _, err := collect(wal.Config{FS: vfs.NewMem(1), Dir: "log", FileSize: 16 << 10}, 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var trims sync.WaitGroup
	trims.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := l.Trim(l.Stats().Next); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for i := range uint64(2000) {
		if err := l.Append(wal.Record{Position: i, Count: 1}, []byte("payload")); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	trims.Wait()
	if err := l.Trim(2000); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Files != 1 || s.Next != 2000 {
		t.Errorf("after everything was trimmed: %+v, want one file", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAppendRefuses(t *testing.T) {
	l, _, _, err := collect(config(vfs.NewMem(1)), 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(wal.Record{Position: 4, Count: 1}); err == nil || !strings.Contains(err.Error(), "the next position is 5") {
		t.Errorf("wrong position: %v", err)
	}
	if err := l.Append(wal.Record{Position: 5, Count: 1}, make([]byte, wal.MaxRecord), []byte("x")); !errors.Is(err, wal.ErrTooLarge) {
		t.Errorf("too large: got %v, want ErrTooLarge", err)
	}
	if err := l.Append(wal.Record{Position: 5, Count: 1}, []byte("x")); err != nil {
		t.Errorf("after refusals: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(wal.Record{Position: 6, Count: 1}); !errors.Is(err, annal.ErrClosed) {
		t.Errorf("closed: got %v, want ErrClosed", err)
	}
}

// Whatever call fails, the file that it failed on gets no further record: what a
// failed sync has left there, no later one makes good.
func TestNoRecordFollowsAFailure(t *testing.T) {
	disk := vfs.NewMem(1)
	l, _, _, err := collect(config(disk), 0)
	if err != nil {
		t.Fatal(err)
	}
	next := uint64(0)
	put := func() error {
		err := l.Append(wal.Record{Position: next, Count: 1}, []byte("x"))
		if err == nil {
			next++
		}
		return err
	}
	for range 2 {
		for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpSync} {
			if err := put(); err != nil {
				t.Fatal(err)
			}
			spoiled := ""
			disk.Fail(func(o vfs.Op, name string) error {
				if o == op && spoiled == "" {
					spoiled = name
					return syscall.EIO
				}
				return nil
			})
			if err := put(); !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s: got %v, want %v", op, err, syscall.EIO)
			}
			disk.Fail(func(o vfs.Op, name string) error {
				if name == spoiled && (o == vfs.OpWrite || o == vfs.OpSync) {
					t.Errorf("%s of %s, where a %s has failed", o, name, op)
				}
				return nil
			})
			if err := put(); err != nil {
				t.Errorf("after the failing %s: %v", op, err)
			}
			disk.Fail(nil)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got, damages, err := collect(config(disk), 0); len(got) != int(next) || len(damages) > 0 || err != nil {
		t.Errorf("replay gives %d records, %v, %v; want %d", len(got), damages, err, next)
	}
}

// A log that lost its end, or was left behind by sealed data, goes on from
// where the caller says, in a file of its own.
func TestOpenBeyondTheEnd(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 10)
	end := all[len(all)-1].position + uint64(all[len(all)-1].count)
	l, _, damages, err := collect(config(disk), end+100)
	if err != nil || len(damages) > 0 {
		t.Fatal(err, damages)
	}
	if err := l.Append(wal.Record{Position: end + 100, Count: 1}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, got, damages, err := collect(config(disk), end+100); len(got) != 1 || len(damages) > 0 || err != nil {
		t.Errorf("replay gives %v, %v, %v; want one record", got, damages, err)
	}
	_, got, damages, err := collect(config(disk), 0)
	if len(got) != len(all)+1 || err != nil || len(damages) != 1 || damages[0].LostFrom != end || damages[0].LostTo != end+100 {
		t.Errorf("replay of all gives %d records, %v, %v; want %d and positions %d to %d lost", len(got), damages, err, len(all)+1, end, end+99)
	}
}

func TestReplayStopsAtTheCallersError(t *testing.T) {
	cfg := config(vfs.NewMem(1))
	fillLog(t, cfg, 5)
	stop := errors.New("stop")
	if _, _, err := wal.Open(cfg, 0, func(wal.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the caller's error", err)
	}
}

func TestAppendAllocatesLittle(t *testing.T) {
	cfg := config(vfs.OS{})
	cfg.Dir, cfg.FileSize = filepath.ToSlash(t.TempDir()), 1<<20
	l, _, _, err := collect(cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next, part := uint64(0), make([]byte, 500)
	if n := testing.AllocsPerRun(60, func() {
		if err := l.Append(wal.Record{Position: next, Count: 1}, part, part); err != nil {
			t.Error(err)
		}
		next++
	}); n > 8 {
		t.Errorf("an append allocates %v times, want a few at most", n)
	}
}
