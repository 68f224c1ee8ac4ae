package store

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"annal"
)

// TestValuesTellExactlyWhetherThereAreMore lists as many values as are counted
// apart, one more, and those that are spelled like the sum of the others.
func TestValuesTellExactlyWhetherThereAreMore(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     int // values, but for the one that is asked for
		value string
		list  int
		more  bool
	}{
		{"few", 1, "(other)", 2, false},
		{"as many as are kept, one absent", annal.MaxGroups - 1, "", annal.MaxGroups - 1, false},
		{"as many as are kept", annal.MaxGroups - 1, "(other)", annal.MaxGroups, false},
		{"one more", annal.MaxGroups, "(other)", annal.MaxGroups, true},
		{"as many as are listed, and one absent", annal.MaxGroups, "", annal.MaxGroups, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 0, 100_000)
			b := annal.Batch{Events: []annal.Event{{Tenant: "a", Action: "x", Resource: annal.Resource{Type: tt.value}, Time: w.now}}}
			for i := range tt.n {
				b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "x", Resource: annal.Resource{Type: strconv.Itoa(i)}, Time: w.now})
			}
			if tt.n == annal.MaxGroups {
				for i := range 2 { // the value in question and absent ones are more frequent than the rest
					b.Events = append(b.Events, b.Events[i])
				}
			}
			if _, err := w.store.Append(context.Background(), &b); err != nil {
				t.Fatal(err)
			}
			list, more, err := w.store.Values(context.Background(), annal.Query{}, annal.ResourceType, annal.MaxGroups)
			if err != nil || more != tt.more {
				t.Errorf("more %t, %v; want %t", more, err, tt.more)
			}
			if len(list) != tt.list {
				t.Errorf("%d values, want %d", len(list), tt.list)
			}
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSummariesOfTimesBeyondTheKeys has first, last and bars of events that 64
// bits of nanoseconds do not hold, in memory and in a segment.
func TestSummariesOfTimesBeyondTheKeys(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 3, 4, 5, 6, 7, 8, time.UTC) }
	for _, tt := range []struct {
		name        string
		years       []int
		since       time.Time
		first, last int
		start       time.Time // of the first bar
	}{
		{"both ends", []int{2026, 9998, 900, 1, 2026, 9997}, time.Time{}, 1, 9998, time.Time{}},
		{"long ago", []int{900, 3, 1676}, time.Time{}, 3, 1676, time.Date(1677, 9, 21, 0, 0, 0, 0, time.UTC)},
		{"far ahead", []int{2300, 9999, 2263}, time.Time{}, 2263, 9999, time.Date(2262, 4, 11, 0, 0, 0, 0, time.UTC)},
		{"some of it", []int{2300, 9999, 2263}, at(2264), 2300, 9999, time.Date(2262, 4, 11, 0, 0, 0, 0, time.UTC)},
	} {
		for _, sealed := range []bool{false, true} {
			t.Run(tt.name+", sealed "+strconv.FormatBool(sealed), func(t *testing.T) {
				w := newWorld(t, 0, 12)
				var b annal.Batch
				for _, y := range tt.years {
					b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "x", Time: at(y)})
				}
				for range 4 {
					if _, err := w.store.Append(context.Background(), &annal.Batch{Events: b.Events}); err != nil {
						t.Fatal(err)
					}
					if !sealed {
						break
					}
				}
				q := annal.Query{Since: tt.since}
				got, err := w.store.Summarize(context.Background(), q, annal.Aggregation{})
				if err != nil || !got.First.Equal(at(tt.first)) || !got.Last.Equal(at(tt.last)) {
					t.Errorf("from %v to %v, %v; want the years %d to %d", got.First, got.Last, err, tt.first, tt.last)
				}
				if tt.start.IsZero() {
					return
				}
				bars, err := w.store.Summarize(context.Background(), q, annal.Aggregation{Interval: 24 * time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				want := []annal.Bucket{{Start: tt.start, N: got.Total}}
				if diff := gocmp.Diff(want, bars.Histogram, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("bars (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestAnswersKeepNothingOfSegments overwrites the files of segments once summaries
// are made of them: those were merged from values that lie there.
func TestAnswersKeepNothingOfSegments(t *testing.T) {
	w := newWorld(t, 4, 100) // tiny tables
	w.settle(3)
	agg := annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID}}
	got, err := w.store.Summarize(context.Background(), annal.Query{}, agg)
	values, _, valuesErr := w.store.Values(context.Background(), annal.Query{}, annal.ActorID, 5)
	if err != nil || valuesErr != nil {
		t.Fatal(err, valuesErr)
	}
	want, _ := w.model.Summarize(context.Background(), annal.Query{Below: got.Total}, agg)
	wantValues, _, _ := w.model.Values(context.Background(), annal.Query{Below: got.Total}, annal.ActorID, 5)
	names, err := w.disk.List("data/segments")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		m, err := w.disk.Map("data/segments/" + name)
		if err != nil {
			t.Fatal(err)
		}
		clear(m.Bytes()) // the very memory of the disk
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(annal.Summary{}, "First", "Last")); diff != "" {
		t.Errorf("summary (-model +store):\n%s", diff)
	}
	if diff := gocmp.Diff(wantValues, values); diff != "" {
		t.Errorf("values (-model +store):\n%s", diff)
	}
}

// TestHistogramsOfTooManyBarsAreBounded counts by the second what is spread over
// days: it is refused, and no more bars are kept meanwhile than tell so.
func TestHistogramsOfTooManyBarsAreBounded(t *testing.T) {
	w := newWorld(t, 0, 100_000)
	var b annal.Batch
	for i := range 3 * annal.MaxBuckets {
		b.Events = append(b.Events, annal.Event{Tenant: "a", Action: "x", Time: w.now.Add(-time.Duration(i) * 10 * time.Second)})
	}
	if _, err := w.store.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	kept := 0
	agg := annal.Aggregation{Interval: time.Second}
	err := w.store.counted(context.Background(), &annal.Query{}, &agg, func(c *counting) error {
		kept = len(c.buckets)
		_, err := c.summary()
		return err
	})
	if !errors.As(err, new(*annal.InvalidError)) || kept > annal.MaxBuckets+1 {
		t.Errorf("%d bars are kept, %v; want at most %d, and a refusal", kept, err, annal.MaxBuckets+1)
	}
}
