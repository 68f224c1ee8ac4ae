package store

import (
	"testing"
	"time"
)

// TestSpareRoomIsLetGoOf keeps room while events come, and not when they rest or
// for longer than spareTime.
func TestSpareRoomIsLetGoOf(t *testing.T) {
	begun := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		what   string
		after  time.Duration
		rested bool
		kept   bool
	}{
		{"events come", spareTime, false, true},
		{"appends rest", 0, true, false},
		{"nobody took it", spareTime + 1, false, false},
		{"the clock was set back", -1, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			var s spare
			kept := new(room)
			s.put(kept, begun)
			s.expire(begun.Add(c.after), c.rested)
			if got := s.take() == kept; got != c.kept {
				t.Errorf("the room is kept: %v, want %v", got, c.kept)
			}
		})
	}
}
