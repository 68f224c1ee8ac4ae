package access

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"annal"
)

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

// A disk that fails blocks nobody; what is lost is counted and told.
func TestNotesNeverWaitForTheDisk(t *testing.T) {
	broken := true
	d := &disk{}
	d.fail = func(string) error {
		if broken {
			return annal.ErrUnavailable
		}
		return nil
	}
	l := open(d, 10)
	began := time.Now()
	for range 1000 {
		l.Note(read("r"))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("noting took %v", took)
	}
	d.mu.Lock()
	broken = false
	d.mu.Unlock()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if lost := l.Dropped(); lost < 900 || len(d.lines) == 0 || !strings.Contains(d.lines[len(d.lines)-1]+d.lines[0], ActionDropped) {
		t.Errorf("%d dropped; kept %q", lost, d.lines)
	}
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
	if err := l.Close(); err != nil || l.Dropped() != 1 || l.Written() < 3 {
		t.Errorf("%d dropped, %d written, %v", l.Dropped(), l.Written(), err)
	}
}
