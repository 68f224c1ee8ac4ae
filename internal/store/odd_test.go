package store

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
)

// oddPieces are what texts and what is looked for in them are made of: separators,
// bytes at the ends of their range, letters whose cases differ in length or fold
// onto ASCII, and runes of two to four bytes.
var oddPieces = [...]string{
	"", "a", "A", "b", "/", ":", "//", " ", "\x00", "\x7f", "ab", "aB/", "İ", "ı", "ſ", "s", "K", "k", "ß", "ẞ", "é", "e\u0301",
	"\u00ff", "\u0100", "\ufffd", "\U0010ffff", "日本", "🙂", "\u2028", "%", "*", "\\", "\"",
}

// odd joins a few pieces.
func (w *world) odd() string {
	var b strings.Builder
	for range w.rnd.IntN(4) {
		b.WriteString(oddPieces[w.rnd.IntN(len(oddPieces))])
	}
	return b.String()
}

// oddEvent makes an event whose values lie at the ends of what they may be.
func (w *world) oddEvent() annal.Event {
	r := w.rnd
	e := annal.Event{
		Tenant: w.pick("a", "aa", "a.", "a:a", "b"), Action: w.pick("x", w.odd()), Actor: annal.Actor{ID: w.odd(), Name: w.odd()},
		Resource: annal.Resource{Path: w.odd(), Name: w.odd()}, Message: w.odd(), Session: w.odd(), ErrorCode: w.odd(),
		Request: annal.Request{ID: w.odd(),
			Status:   [...]int32{0, -1, 200, math.MinInt32, math.MaxInt32}[r.IntN(5)],
			Duration: [...]time.Duration{0, 1, 999_999, time.Millisecond, 1e15 - 1, 1e15, annal.MaxDuration - 1, annal.MaxDuration}[r.IntN(8)]},
		Outcome: annal.Outcome(r.IntN(int(annal.NumOutcomes))),
	}
	if w.rnd.IntN(2) == 0 { // hardly ever the same, so that no dictionary is made
		e.Message += strconv.Itoa(r.IntN(1e6))
		e.Request.ID += strconv.Itoa(r.IntN(1e6))
	}
	e.Time = oddTimes[r.IntN(len(oddTimes))]
	return e
}

var oddTimes = [...]time.Time{
	time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, 999_999_998, time.UTC), time.Unix(0, 0).UTC(), time.Unix(0, -1).UTC(), time.Unix(0, 1).UTC(),
	time.Unix(-maxKeySeconds, 0).UTC(), time.Unix(-maxKeySeconds, -1).UTC(), time.Unix(maxKeySeconds, -1).UTC(), time.Unix(maxKeySeconds, 0).UTC(),
}

// maxKeySeconds is where annal.TimeKey ends.
const maxKeySeconds = math.MaxInt64 / 1_000_000_000

func (w *world) oddQuery() annal.Query {
	r := w.rnd
	q := annal.Query{Oldest: r.IntN(2) == 0, Limit: 1 + r.IntN(20), Count: true}
	if r.IntN(2) == 0 {
		q.Tenants = [][]string{{"a"}, {"aa", "a"}, {"a:", "a."}, {"b", "a", "b"}, {""}}[r.IntN(5)]
	}
	if r.IntN(3) == 0 {
		q.Since = oddTimes[r.IntN(len(oddTimes))].Add(time.Duration(r.IntN(3) - 1))
	}
	if r.IntN(3) == 0 {
		q.Until = oddTimes[r.IntN(len(oddTimes))].Add(time.Duration(r.IntN(3) - 1))
	}
	if r.IntN(3) == 0 {
		q.Text = w.odd()
	}
	for r.IntN(2) == 0 {
		f := annal.Filter{Fields: []annal.Field{[...]annal.Field{annal.Action, annal.ActorID, annal.ResourcePath, annal.Session, annal.RequestID,
			annal.Message, annal.ErrorCode, annal.Status, annal.Duration, annal.ResultOutcome, annal.Tenant}[r.IntN(11)]},
			Values: []string{w.odd()}, Prefix: r.IntN(2) == 0, Not: r.IntN(4) == 0}
		some := w.oddEvent()
		f.Values = append(f.Values, some.Value(f.Fields[0]))
		if r.IntN(4) == 0 {
			f.Fields = append(f.Fields, annal.ActorName)
		}
		q.Where = append(q.Where, f)
	}
	return q
}

// TestOddValuesAgreeWithTheModel is the law of the store at the ends of what
// values, times and questions may be.
func TestOddValuesAgreeWithTheModel(t *testing.T) {
	for seed := annaltest.FirstSeed(); seed < annaltest.FirstSeed()+uint64(annaltest.Cases(6)); seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			w := newWorld(t, seed, []int{60, 300, 5000}[seed%3])
			for range 12 {
				var b, twin annal.Batch
				for range 1 + w.rnd.IntN(60) {
					b.Events = append(b.Events, w.oddEvent())
				}
				twin.Events = append(twin.Events, b.Events...)
				if _, err := w.store.Append(context.Background(), &b); err != nil {
					t.Fatal(err)
				}
				if _, err := w.model.Append(context.Background(), &twin); err != nil {
					t.Fatal(err)
				}
				for range 15 {
					q := w.oddQuery()
					w.walk(q)
					q.Limit, q.Count = 0, false
					w.compare(q, annal.Aggregation{Breakdown: []annal.Field{annal.Action, annal.Status}, Top: []annal.Field{annal.ActorID},
						TopN: 1 + w.rnd.IntN(4), Distinct: []annal.Field{annal.ResourcePath, annal.ErrorCode}})
				}
			}
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
