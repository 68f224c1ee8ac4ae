package main

import (
	"testing"
	"time"
)

func TestWhen(t *testing.T) {
	now := time.Date(2026, 4, 23, 18, 30, 0, 0, time.UTC)
	day := time.Date(2026, 4, 22, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		in       string
		from, to time.Time
	}{
		{"2026-04-22T10:00:00Z", day.Add(10 * time.Hour), day.Add(10 * time.Hour)},
		{"2026-04-22", day, day.Add(24*time.Hour - 1)},
		{"now", now, now},
		{"today", day.Add(24 * time.Hour), day.Add(24 * time.Hour)},
		{"-7d", now.Add(-7 * 24 * time.Hour), now.Add(-7 * 24 * time.Hour)},
		{"-2w", now.Add(-14 * 24 * time.Hour), now.Add(-14 * 24 * time.Hour)},
		{"-90m", now.Add(-90 * time.Minute), now.Add(-90 * time.Minute)},
		{"-1h30m", now.Add(-90 * time.Minute), now.Add(-90 * time.Minute)},
	} {
		w := when{now: func() time.Time { return now }}
		if err := w.UnmarshalText([]byte(tt.in)); err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if !w.at.Equal(tt.from) || !w.end().Equal(tt.to) {
			t.Errorf("%s: got %v to %v, want %v to %v", tt.in, w.at, w.end(), tt.from, tt.to)
		}
	}
	for _, in := range []string{"", "yesterdayish", "-", "-7", "-7x", "7d", "2026-13-01", "--7d", "-1.5d"} {
		var w when
		if err := w.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q: got %v, want an error", in, w.at)
		}
	}
}
