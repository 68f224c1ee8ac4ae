package access

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"annal"
)

// TestMain holds that no log leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk keeps what is written, unless it fails.
type disk struct {
	mu    sync.Mutex
	lines []string
	fail  func(body string) error
}

func (d *disk) Write(_ context.Context, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail(string(body)); err != nil {
			return err
		}
	}
	for _, line := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
		d.lines = append(d.lines, string(line))
	}
	return nil
}

// breaks has the disk fail from now on, or work again.
func (d *disk) breaks(fail func(body string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// wantLast looks for words in the last line that was written.
func (d *disk) wantLast(t *testing.T, words ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	last := ""
	if n := len(d.lines); n > 0 {
		last = d.lines[n-1]
	}
	for _, w := range words {
		if !strings.Contains(last, w) {
			t.Errorf("the last line is %q, want %s in it", last, w)
		}
	}
}

func open(d *disk, queue int) *Log {
	return Open(Config{Write: d.Write, Now: time.Now, Tenant: "annal", Logger: slog.New(slog.DiscardHandler), Queue: queue})
}

func read(id string) annal.Event {
	return annal.Event{Tenant: "acme", Actor: annal.Actor{ID: "user:a"}, Action: "audit.read", Request: annal.Request{ID: id}}
}

func TestNotesAreWrittenInOrder(t *testing.T) {
	d := &disk{}
	l := open(d, 0)
	for i := range 2000 {
		l.Note(read(strings.Repeat("x", i%7+1)))
	}
	if err := l.Close(); err != nil || len(d.lines) != 2000 || l.Written() != 2000 || l.Dropped() != 0 {
		t.Errorf("%d lines, %d written, %d dropped, %v", len(d.lines), l.Written(), l.Dropped(), err)
	}
	for i, line := range d.lines {
		if !strings.Contains(line, `"id":"`+strings.Repeat("x", i%7+1)+`"}`) {
			t.Fatalf("line %d is %s", i, line)
		}
	}
}

// A disk that fails blocks nobody; what is lost is counted and told. In a bubble
// time stands still while anybody can go on: it tells who waited.
func TestNotesNeverWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const queue, notes = 10, 1000
		d := &disk{fail: func(string) error { return annal.ErrUnavailable }}
		l := open(d, queue)
		l.Note(read("first"))
		synctest.Wait() // it is to be written, and the disk is left alone for a while
		began := time.Now()
		for range notes {
			l.Note(read("r"))
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("who noted had to wait %v for the disk", waited)
		}
		if lost := l.Dropped(); lost != notes-queue {
			t.Errorf("%d notes were dropped, want all but the %d that a queue holds of %d", lost, queue, notes)
		}
		d.breaks(nil)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		d.wantLast(t, `"action":"`+ActionDropped+`"`, `"message":"991 reads before this one were not noted"`)
	})
}

// Once the disk works again, what waited is written by itself.
func TestNotesAreWrittenOnceTheDiskWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{fail: func(string) error { return annal.ErrUnavailable }}
		l := open(d, 10)
		for range 100 {
			l.Note(read("r"))
			synctest.Wait()
		}
		d.breaks(nil)
		time.Sleep(retryAfter + restAfter)
		synctest.Wait()
		if kept, lost := l.Written(), l.Dropped(); kept != 12 || lost != 89 || len(d.lines) != 12 {
			t.Errorf("%d notes are written as %d lines and %d dropped, want 11 and one about the 89 others", kept, len(d.lines), lost)
		}
		d.wantLast(t, `"message":"89 reads before this one were not noted"`)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A disk that fails does not hold up the end either: what waits is tried once.
func TestCloseDoesNotWaitForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{fail: func(string) error { return annal.ErrUnavailable }}
		l := open(d, 10)
		for range 5 {
			l.Note(read("r"))
		}
		synctest.Wait()
		began := time.Now()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > 0 || l.Dropped() != 5 || l.Written() != 0 {
			t.Errorf("the end waited %v; %d notes were dropped and %d written, want 5 and 0", waited, l.Dropped(), l.Written())
		}
	})
}

func TestOneBadNoteDoesNotTakeOthersWithIt(t *testing.T) {
	d := &disk{fail: func(body string) error {
		if strings.Contains(body, "bad") {
			return annal.Invalid("x", "y")
		}
		return nil
	}}
	l := open(d, 0)
	for _, id := range []string{"a", "bad", "b", "c"} {
		l.Note(read(id))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	kept := strings.Join(d.lines, "\n")
	for _, id := range []string{"a", "b", "c"} {
		if !strings.Contains(kept, `"id":"`+id+`"}`) {
			t.Errorf("note %s is not kept:\n%s", id, kept)
		}
	}
	if lost := l.Dropped(); lost != 1 || strings.Contains(kept, "bad") {
		t.Errorf("%d notes were dropped, want the bad one:\n%s", lost, kept)
	}
}
