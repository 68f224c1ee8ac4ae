package annal

import (
	"strings"
	"time"
)

// Limits of a query.
const (
	MaxFilters      = 32   // conditions of one query
	MaxFilterValues = 256  // values of one condition
	MaxTextBytes    = 1024 // free text of one query
	MaxWords        = 32   // words of it
	MaxPage         = 1000 // events on a page
	MaxOffset       = 100_000
	MaxGroups       = 10_000 // values that a breakdown keeps apart; the rest are added up as [OtherValues]
	MaxBuckets      = 4_000  // bars of a histogram
)

// OtherValues stands in a breakdown for the values beyond MaxGroups.
const OtherValues = "(other)"

// A Query selects events: those within its tenants and times that fulfil every
// filter and contain every word of its text.
type Query struct {
	Tenants []string  // nil: every tenant; empty: none
	Since   time.Time // Since ≤ Event.Time; zero: from the beginning
	Until   time.Time // Event.Time < Until; zero: without end
	Where   []Filter  // all must hold
	Text    string    // words, each a case-insensitive part of a Search field; see [Words]

	Oldest bool   // oldest first, else newest first; ties by Position the same way
	Limit  int    // events on the page, 1 to MaxPage
	Offset int    // events to leave out first, to MaxOffset
	After  *Mark  // go on behind this event; nil: begin
	Below  uint64 // only events with Position < Below; 0: all there are
	Count  bool   // count all that match, not just the page
}

// A Filter holds when any of Fields has any of Values.
type Filter struct {
	Fields []Field
	Values []string
	Prefix bool // Values are paths: themselves and all below them, see [Under]
	Not    bool // holds when the filter otherwise would not
}

// A Mark is a place in the order of a query: just behind one event.
type Mark struct {
	Time     int64 // the event's [TimeKey]
	Position uint64
}

// A Page is one answer to a Query.
type Page struct {
	Events []Event
	Next   *Mark  // where the next page begins; nil: there is none
	Below  uint64 // the Below that keeps further pages on the same snapshot
	Total  uint64 // all that match, when Query.Count
}

// Matches reports whether e fulfils q's tenants, times, filters and text. It is
// the definition that every faster way must agree with.
func (q *Query) Matches(e *Event) bool {
	if q.Tenants != nil && !contains(q.Tenants, e.Tenant) || q.Below != 0 && e.Position >= q.Below {
		return false
	}
	if !q.Since.IsZero() && e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until) {
		return false
	}
	for i := range q.Where {
		if !q.Where[i].matches(e) {
			return false
		}
	}
	for _, w := range Words(q.Text) {
		if !containsWord(e, w) {
			return false
		}
	}
	return true
}

func (f *Filter) matches(e *Event) bool {
	for _, field := range f.Fields {
		v := e.Value(field)
		for _, want := range f.Values {
			if v == want || f.Prefix && Under(v, want) {
				return !f.Not
			}
		}
	}
	return f.Not
}

// Under reports whether path is prefix or lies below it by whole segments;
// both '/' and ':' end a segment. A prefix that itself ends in a separator
// selects what lies below it. Every path is under "".
func Under(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	if len(path) == len(prefix) || prefix == "" || isSeparator(prefix[len(prefix)-1]) {
		return true
	}
	return isSeparator(path[len(prefix)])
}

func isSeparator(c byte) bool { return c == '/' || c == ':' }

// Words splits free text into the lower-case words that must each occur.
func Words(text string) []string { return strings.Fields(strings.ToLower(text)) }

func containsWord(e *Event, lower string) bool {
	for f := range NumTexts {
		if Fields[f].Search && strings.Contains(strings.ToLower(*e.Text(f)), lower) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// An Aggregation says what to count over the events that a Query selects.
type Aggregation struct {
	Breakdown []Field       // count every value, to MaxGroups
	Top       []Field       // count the TopN most frequent values, the empty one left out
	TopN      int           // 0: 10
	Distinct  []Field       // count how many values there are, the empty one left out
	Last      bool          // also the newest time of each value in Breakdown
	Interval  time.Duration // count by time in intervals of this length; 0: do not
}

// A Summary is what an Aggregation counted.
type Summary struct {
	Total     uint64
	Outcomes  [NumOutcomes]uint64
	First     time.Time // oldest and newest event; zero when there is none
	Last      time.Time
	Breakdown map[Field][]Count // most frequent first, ties by value
	Top       map[Field][]Count
	Distinct  map[Field]uint64
	Histogram []Bucket // oldest first, without gaps
}

// A Count says how many events have a value, and how many of them did not
// succeed.
type Count struct {
	Value  string
	N      uint64
	Failed uint64
	Last   time.Time // newest such event, when Aggregation.Last
}

// A Bucket counts the events of one interval, which begins at Start.
type Bucket struct {
	Start  time.Time
	N      uint64
	Failed uint64
}

// Failed counts the events that did not succeed.
func (s *Summary) Failed() uint64 { return s.Total - s.Outcomes[Success] }
