package main

import (
	"strconv"
	"strings"
	"time"

	"annal"
)

// A when is a time on the command line: ISO 8601, a date, "now", "today", or a
// time before now such as -90m, -24h, -7d or -2w. The zero when is open.
type when struct {
	text string
	now  func() time.Time
	at   time.Time
	date bool // a bare date
}

// UnmarshalText reads a time, relative ones against the clock.
func (w *when) UnmarshalText(text []byte) error {
	now := time.Now
	if w.now != nil {
		now = w.now
	}
	w.text = string(text)
	switch {
	case w.text == "now":
		w.at = now().UTC()
		return nil
	case w.text == "today":
		w.at = now().UTC().Truncate(24 * time.Hour)
		return nil
	}
	if d, ok := parseAgo(w.text); ok {
		w.at = now().UTC().Add(-d)
		return nil
	}
	at, date, ok := annal.ParseTime(w.text)
	if !ok {
		return usage("%q is no time: write 2026-04-22T10:00:00Z, 2026-04-22, now, today, or -90m, -24h, -7d, -2w for a time before now", w.text)
	}
	w.at, w.date = at, date
	return nil
}

// end returns the last instant that w includes as the end of a range: of a bare
// date the whole day.
func (w *when) end() time.Time {
	if w.date {
		return w.at.Add(24*time.Hour - 1)
	}
	return w.at
}

// inOrder refuses a range that ends before it begins: nothing lies in it.
func inOrder(from, to *when) error {
	if !from.at.IsZero() && !to.at.IsZero() && to.end().Before(from.at) {
		return usage("--from %s is after --to %s", from.text, to.text)
	}
	return nil
}

// parseAgo reads "-7d": days and weeks besides the units of Go.
func parseAgo(s string) (time.Duration, bool) {
	s, ok := strings.CutPrefix(s, "-")
	if !ok {
		return 0, false
	}
	for suffix, day := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, isDay := strings.CutSuffix(s, suffix); isDay {
			f, err := strconv.ParseUint(n, 10, 16)
			return time.Duration(f) * day, err == nil
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}
