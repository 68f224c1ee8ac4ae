package api

import (
	"time"

	"annal"
)

// day is how coarsely the statistics count by time.
const day = 24 * time.Hour

// distinct lists the distinct values of f as one member.
func distinct(p Params, f annal.Field, member string) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		values, _, err := c.Values(c.ctx, a.Query, f, annal.MaxGroups)
		if err != nil {
			return err
		}
		w := &c.out
		w.open('{')
		w.name(member)
		w.open('[')
		for i := range values {
			w.text(values[i].Value)
		}
		w.close(']')
		w.close('}')
		return nil
	}
}

// scaikeyStats counts what the question selects.
func scaikeyStats(p Params) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		a.Below = c.End() // so that the parts of the answer are of one log
		s, err := c.Summarize(c.ctx, a.Query, annal.Aggregation{
			Breakdown: []annal.Field{annal.Action, annal.ResourceType}, Distinct: []annal.Field{annal.ActorID},
		})
		if err != nil {
			return err
		}
		days, err := c.days(a.Query, &s)
		if err != nil {
			return err
		}
		showScaikeyStats(&c.out, &s, days)
		return nil
	}
}

// days counts the events of s by day. Of a log that is longer than a histogram
// may be, it counts the latest days, to tomorrow at most: times that lie ahead
// are mistakes.
func (c *Call) days(q annal.Query, s *annal.Summary) ([]annal.Bucket, error) {
	if s.Total == 0 {
		return nil, nil
	}
	const most = annal.MaxBuckets - 1
	first, end := annal.KeyTime(annal.TimeKey(s.First)), annal.KeyTime(annal.TimeKey(s.Last)) // as bars have them
	if end.Sub(first) > most*day {
		if tomorrow := c.s.Now().Add(day); end.After(tomorrow) && first.Before(tomorrow) {
			end = tomorrow
		}
		if begin := end.Add(-(most - 1) * day).Truncate(day); q.Since.Before(begin) {
			q.Since = begin
		}
		if end = end.Truncate(day).Add(day); q.Until.IsZero() || q.Until.After(end) {
			q.Until = end
		}
	}
	byDay, err := c.Summarize(c.ctx, q, annal.Aggregation{Interval: day})
	return byDay.Histogram, err
}

func showScaikeyStats(w *writer, s *annal.Summary, days []annal.Bucket) {
	w.open('{')
	w.uintMember("total", s.Total)
	appendScaikeyCounts(w, "by_action", s.Breakdown[annal.Action])
	appendScaikeyCounts(w, "by_resource_type", s.Breakdown[annal.ResourceType])
	w.name("by_result")
	w.open('{')
	w.uintMember("success", s.Total-s.Failed())
	w.uintMember("failure", s.Failed())
	w.close('}')
	w.name("by_day")
	w.open('[')
	for i := range days {
		if days[i].N == 0 {
			continue
		}
		w.open('{')
		w.textMember("date", days[i].Start.Format("2006-01-02"))
		w.uintMember("count", days[i].N)
		w.close('}')
	}
	w.close(']')
	w.uintMember("unique_actors", s.Distinct[annal.ActorID])
	w.close('}')
}

// appendScaikeyCounts writes how often each value occurs, the absent one left
// out.
func appendScaikeyCounts(w *writer, name string, counts []annal.Count) {
	w.name(name)
	w.open('{')
	for i := range counts {
		if counts[i].Value != "" {
			w.key(counts[i].Value)
			w.uint(counts[i].N)
		}
	}
	w.close('}')
}
