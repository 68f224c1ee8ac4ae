package api

import (
	"strings"
	"time"

	"annal"
)

// readISO reads what [annal.ParseTime] does, and the forms of ISO 8601 that RFC
// 3339 leaves out: without separators (20260423T180000Z), days of the year
// (2026-113) and of the week (2026-W17-4), hours alone, and 24:00.
func readISO(v string) (t time.Time, date, ok bool) {
	if t, date, ok = annal.ParseTime(v); ok {
		return t, date, true
	}
	days, clock := v, ""
	i := strings.IndexAny(v, "Tt ")
	if i >= 0 {
		days, clock = v[:i], v[i+1:]
	}
	day, ok := isoDay(days)
	if !ok || i < 0 {
		return day, true, ok
	}
	clock, next := isoClock(clock)
	if next {
		day = day.AddDate(0, 0, 1)
	}
	return annal.ParseTime(day.Format(time.DateOnly) + "T" + clock)
}

// isoDay reads a date.
func isoDay(s string) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, "20060102", "2006-002", "2006002"} {
		if day, err := time.Parse(layout, s); err == nil {
			return day, day.Year() >= annal.MinYear
		}
	}
	year, week, ok := strings.Cut(s, "W")
	year, dashed := strings.CutSuffix(year, "-")
	if dashed && len(week) == len("17-4") && week[2] == '-' {
		week, dashed = week[:2]+week[3:], false
	}
	if !ok || dashed || len(year) != 4 || len(week) != 3 || strings.Trim(year+week, "0123456789") != "" {
		return time.Time{}, false
	}
	number := func(digits string) (n int) {
		for _, d := range digits {
			n = 10*n + int(d-'0')
		}
		return n
	}
	y, w, d := number(year), number(week[:2]), number(week[2:])
	fourth := time.Date(y, 1, 4, 0, 0, 0, 0, time.UTC) // is in the first week
	day := fourth.AddDate(0, 0, 7*(w-1)+d-1-(int(fourth.Weekday())+6)%7)
	inYear, inWeek := day.ISOWeek()
	return day, d >= 1 && d <= 7 && inYear == y && inWeek == w && day.Year() >= annal.MinYear && day.Year() <= annal.MaxYear
}

// isoClock puts a time of day into the form that [annal.ParseTime] reads; next
// says that it is the end of the day, and so midnight of the next.
func isoClock(s string) (clock string, next bool) {
	zone := ""
	if i := strings.IndexAny(s, "Zz+-"); i >= 0 {
		s, zone = s[:i], s[i:]
	}
	fraction := ""
	if i := strings.IndexAny(s, ".,"); i >= 0 {
		s, fraction = s[:i], s[i:]
	}
	switch len(s) {
	case len("18"):
		s += ":00"
	case len("1800"):
		s = s[:2] + ":" + s[2:]
	case len("180000"):
		s = s[:2] + ":" + s[2:4] + ":" + s[4:]
	}
	if (s == "24:00" || s == "24:00:00") && strings.Trim(fraction, ".,0") == "" {
		s, next = "00"+s[2:], true
	}
	return s + fraction + zone, next
}
