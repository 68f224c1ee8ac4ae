package annaltest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"annal"
)

// Summarize counts what q selects, whatever its After, Offset and Limit. The
// empty value counts in breakdowns and tops like any other, but not as distinct.
// Buckets begin at multiples of the interval since 1970 and run from the oldest
// event's to the newest's.
func (m *Model) Summarize(ctx context.Context, q annal.Query, a annal.Aggregation) (annal.Summary, error) {
	if err := ctx.Err(); err != nil {
		return annal.Summary{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	q.Oldest = true
	all := m.matches(&q)
	s := annal.Summary{
		Total: uint64(len(all)), Breakdown: map[annal.Field][]annal.Count{},
		Top: map[annal.Field][]annal.Count{}, Distinct: map[annal.Field]uint64{},
	}
	for i, e := range all { // in the order of keys, which are not exact times at their ends
		if i == 0 || e.Time.Before(s.First) {
			s.First = e.Time
		}
		if i == 0 || e.Time.After(s.Last) {
			s.Last = e.Time
		}
		s.Outcomes[e.Outcome]++
	}
	for _, f := range a.Breakdown {
		s.Breakdown[f] = bounded(frequent(counts(all, f, a.Last)))
	}
	for _, f := range a.Top {
		top := frequent(present(counts(all, f, false)))
		s.Top[f] = top[:min(len(top), cmp.Or(a.TopN, 10))]
	}
	for _, f := range a.Distinct {
		s.Distinct[f] = uint64(len(present(counts(all, f, false))))
	}
	var err error
	if a.Interval > 0 {
		s.Histogram, err = histogram(all, a.Interval)
	}
	return s, err
}

// Values returns the distinct values of f, but for the empty one, in order of
// value, and whether there are more than limit; limit 0 is no bound.
func (m *Model) Values(ctx context.Context, q annal.Query, f annal.Field, limit int) ([]annal.Count, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	vs := present(counts(m.matches(&q), f, false))
	slices.SortFunc(vs, func(a, b annal.Count) int { return strings.Compare(a.Value, b.Value) })
	if limit > 0 && len(vs) > limit {
		return vs[:limit], true, nil
	}
	return vs, false, nil
}

// counts counts the values of f in events, which are in order of time.
func counts(events []*annal.Event, f annal.Field, last bool) []annal.Count {
	at := map[string]int{}
	var cs []annal.Count
	for _, e := range events {
		v := e.Value(f)
		i, ok := at[v]
		if !ok {
			i = len(cs)
			at[v] = i
			cs = append(cs, annal.Count{Value: v})
		}
		cs[i].N++
		if e.Outcome != annal.Success {
			cs[i].Failed++
		}
		if last {
			cs[i].Last = e.Time
		}
	}
	return cs
}

func present(cs []annal.Count) []annal.Count {
	return slices.DeleteFunc(cs, func(c annal.Count) bool { return c.Value == "" })
}

// frequent orders cs by frequency, ties by value.
func frequent(cs []annal.Count) []annal.Count {
	slices.SortFunc(cs, func(a, b annal.Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
	})
	return cs
}

// bounded adds up, as the last entry, what is beyond the most frequent MaxGroups.
func bounded(cs []annal.Count) []annal.Count {
	if len(cs) <= annal.MaxGroups {
		return cs
	}
	rest := annal.Count{Value: annal.OtherValues}
	for _, c := range cs[annal.MaxGroups:] {
		rest.N += c.N
		rest.Failed += c.Failed
		if c.Last.After(rest.Last) {
			rest.Last = c.Last
		}
	}
	return append(cs[:annal.MaxGroups:annal.MaxGroups], rest)
}

// histogram counts events, which are in order of time, by intervals.
func histogram(events []*annal.Event, interval time.Duration) ([]annal.Bucket, error) {
	if len(events) == 0 {
		return nil, nil
	}
	bucket := func(e *annal.Event) int64 {
		key := annal.TimeKey(e.Time)
		n := key / int64(interval)
		if key%int64(interval) < 0 {
			n--
		}
		return n
	}
	first, last := bucket(events[0]), bucket(events[len(events)-1])
	if uint64(last-first) >= annal.MaxBuckets {
		return nil, annal.Invalid("interval", "gives more than %d buckets; take a longer one or narrower times", annal.MaxBuckets)
	}
	buckets := make([]annal.Bucket, last-first+1)
	key := annal.TimeKey(events[0].Time)
	into := (key%int64(interval) + int64(interval)) % int64(interval)
	buckets[0].Start = annal.KeyTime(key).Add(-time.Duration(into)) // a key itself might be too small for 64 bits
	for i := range buckets[1:] {
		buckets[i+1].Start = buckets[i].Start.Add(interval)
	}
	for _, e := range events {
		b := &buckets[bucket(e)-first]
		b.N++
		if e.Outcome != annal.Success {
			b.Failed++
		}
	}
	return buckets, nil
}
