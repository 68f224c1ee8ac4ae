package store

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"annal"
)

const defaultTop = 10

// Summarize counts what q selects, exactly. Order, Limit, Offset and After of q
// do not matter.
//
// Errors: *annal.InvalidError for fields that cannot be counted and histograms
// of more than annal.MaxBuckets intervals, annal.ErrTooCostly, ctx's.
func (s *Store) Summarize(ctx context.Context, q annal.Query, agg annal.Aggregation) (annal.Summary, error) {
	q.Limit, q.Offset, q.After = 0, 0, nil
	if err := errOr(checkQuery(&q), checkAggregation(&agg)); err != nil {
		return annal.Summary{}, err
	}
	var out annal.Summary
	err := s.counted(ctx, &q, &agg, func(c *counting) (err error) {
		out, err = c.summary()
		return err
	})
	return out, err
}

// counted counts what q selects and calls answer with the counts. If there may be
// many, it waits for desks.
func (s *Store) counted(ctx context.Context, q *annal.Query, agg *annal.Aggregation, answer func(*counting) error) error {
	desks, err := s.countedAt(ctx, q, agg, 0, answer)
	if !errors.Is(err, errNoDesk) {
		return err
	}
	if err := s.desks.take(ctx, desks); err != nil {
		return err
	}
	defer s.desks.leave(desks)
	if s.Pressed() {
		return annal.ErrBusy
	}
	_, err = s.countedAt(ctx, q, agg, desks, answer)
	return err
}

// countedAt is counted for who has so many desks. With none it may return errNoDesk
// and how many are needed.
func (s *Store) countedAt(ctx context.Context, q *annal.Query, agg *annal.Aggregation, desks int, answer func(*counting) error) (need int, err error) {
	err = s.again(ctx, q, func(v *view, p *plan) error {
		if need = s.desksFor(v, agg); need > 0 && desks == 0 {
			return errNoDesk
		}
		err := newCounting(s, p.watch(ctx), p, agg).run(v, answer)
		for range len(s.spaces) {
			if !errors.Is(err, errSpaceFull) { // else begin again: that field is merged now
				break
			}
			err = newCounting(s, p.watch(ctx), p, agg).run(v, answer)
		}
		return err
	})
	return need, err
}

func errOr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkAggregation(a *annal.Aggregation) error {
	for _, fs := range [][]annal.Field{a.Breakdown, a.Top, a.Distinct} {
		for _, f := range fs {
			if f >= annal.NumFields || f < annal.NumTexts && !annal.Fields[f].Shared || f == annal.Duration {
				return annal.Invalid(f.String(), "cannot be counted by value")
			}
		}
	}
	if a.Interval < 0 || a.Interval > 0 && a.Interval < time.Second {
		return annal.Invalid("interval", "at least 1s is allowed")
	}
	if a.TopN < 0 || a.TopN > annal.MaxGroups {
		return annal.Invalid("top", "0 to %d are allowed", annal.MaxGroups)
	}
	return nil
}

// A counting adds up one aggregation over the parts of the log.
type counting struct {
	s        *Store
	w        *watch
	plan     *plan
	agg      *annal.Aggregation
	tallies  []*tally                        // of text fields
	numbers  map[annal.Field]map[int64]*cell // of the others
	outcomes [annal.NumOutcomes]uint64
	min, max int64     // time keys
	first    time.Time // of what has the times from min to max
	last     time.Time
	buckets  map[int64]*annal.Bucket // by interval since 1970
	near     *annal.Bucket           // one of them, for keys from nearMin to nearMax
	nearMin  int64
	nearMax  int64
	codes    []uint32 // scratch
	marks    []uint8
	times    []int64
}

func newCounting(s *Store, w *watch, p *plan, agg *annal.Aggregation) *counting {
	c := &counting{s: s, w: w, plan: p, agg: agg, min: math.MaxInt64, max: math.MinInt64,
		numbers: map[annal.Field]map[int64]*cell{}, buckets: map[int64]*annal.Bucket{}}
	for _, fs := range [][]annal.Field{agg.Breakdown, agg.Top, agg.Distinct} {
		for _, f := range fs {
			if f >= annal.NumTexts {
				c.numbers[f] = map[int64]*cell{}
			} else if c.tally(f) == nil {
				t := &tally{field: f, merging: s.spaces[f].full.Load()}
				t.borrow(s)
				c.tallies = append(c.tallies, t)
			}
		}
	}
	return c
}

func (c *counting) tally(f annal.Field) *tally {
	for _, t := range c.tallies {
		if t.field == f {
			return t
		}
	}
	return nil
}

// run counts v and calls answer.
func (c *counting) run(v *view, answer func(*counting) error) error {
	defer func() {
		for _, t := range c.tallies {
			t.giveBack(c.s)
		}
	}()
	if err := errOr(c.view(v), c.findEnds(v)); err != nil {
		return err
	}
	return answer(c)
}

// view counts every part of v.
func (c *counting) view(v *view) error {
	if c.plan.empty() {
		return nil
	}
	if err := c.segments(v.segs); err != nil {
		return err
	}
	for _, m := range v.mems {
		if err := c.memtable(m); err != nil {
			return err
		}
	}
	return nil
}

// findEnds finds the times of the first and the last event. Where keys end, they
// stand for many times, and the rows there are looked at.
func (c *counting) findEnds(v *view) error {
	c.first, c.last = timeOfKey(c.min), timeOfKey(c.max)
	if c.min > c.max {
		return nil
	}
	if isFar(c.min) {
		if err := c.eachTime(v, c.min, func(t time.Time, n int) {
			if n == 0 || t.Before(c.first) {
				c.first = t
			}
		}); err != nil {
			return err
		}
	}
	if !isFar(c.max) {
		return nil
	}
	return c.eachTime(v, c.max, func(t time.Time, n int) {
		if n == 0 || t.After(c.last) {
			c.last = t
		}
	})
}

// eachTime calls fn with the exact time of every event with a key, and how many
// there were before.
func (c *counting) eachTime(v *view, key int64, fn func(t time.Time, n int)) error {
	p, n := *c.plan, 0
	p.minKey, p.maxKey = key, key
	return each(c.w, v.runs(&p), func(r *run, rows []uint32) error {
		for _, row := range rows {
			fn(r.part.time(row), n)
			n++
		}
		return nil
	})
}

// event counts outcome and time of one event.
func (c *counting) event(key int64, outcome uint8) {
	c.outcomes[outcome]++
	c.min, c.max = min(c.min, key), max(c.max, key)
	if c.agg.Interval > 0 {
		c.bucket(key, outcome)
	}
}

func (c *counting) number(f annal.Field, n int64, failed bool, key int64) {
	x := c.numbers[f][n]
	if x == nil {
		x = &cell{}
		c.numbers[f][n] = x
	}
	x.add(failed, key)
}

// summary makes the answer of what was counted.
func (c *counting) summary() (annal.Summary, error) {
	out := annal.Summary{Outcomes: c.outcomes, Breakdown: map[annal.Field][]annal.Count{},
		Top: map[annal.Field][]annal.Count{}, Distinct: map[annal.Field]uint64{}}
	for _, n := range c.outcomes {
		out.Total += n
	}
	if out.Total > 0 {
		out.First, out.Last = c.first, c.last
	}
	topN := cmp.Or(c.agg.TopN, defaultTop)
	for _, f := range c.fields() {
		broken, top, distinct := ranking{n: annal.MaxGroups}, ranking{n: topN}, uint64(0)
		done, err := c.topOf(f, &top)
		if !done && err == nil {
			all := slices.Contains(c.agg.Breakdown, f)
			err = c.eachValue(f, func(value string, x cell) {
				if all {
					broken.add(value, x)
				}
				if value != "" {
					distinct++
					top.add(value, x)
				}
			})
		}
		if err != nil {
			return out, err
		}
		if t := c.tally(f); t != nil && t.merging {
			ownValues(broken.list)
			ownValues(top.list)
		}
		c.answer(&out, f, &broken, &top, distinct)
	}
	var err error
	out.Histogram, err = c.histogram()
	return out, err
}

func (c *counting) answer(out *annal.Summary, f annal.Field, broken, top *ranking, distinct uint64) {
	if slices.Contains(c.agg.Breakdown, f) {
		list := broken.sorted()
		if r := broken.rest; r.n > 0 {
			list = append(list, annal.Count{Value: annal.OtherValues, N: r.n, Failed: r.failed, Last: timeOfKey(r.last)})
		}
		if !c.agg.Last {
			for i := range list {
				list[i].Last = time.Time{}
			}
		}
		out.Breakdown[f] = list
	}
	if slices.Contains(c.agg.Top, f) {
		out.Top[f] = top.sorted()
		for i := range out.Top[f] {
			out.Top[f][i].Last = time.Time{}
		}
	}
	if slices.Contains(c.agg.Distinct, f) {
		out.Distinct[f] = distinct
	}
}

// fields lists what the aggregation counts, each once.
func (c *counting) fields() (out []annal.Field) {
	for _, t := range c.tallies {
		out = append(out, t.field)
	}
	for f := range c.numbers {
		out = append(out, f)
	}
	return out
}

func (c *counting) eachValue(f annal.Field, fn func(string, cell)) error {
	if f >= annal.NumTexts {
		for n, x := range c.numbers[f] {
			fn(numberText(f, n), *x)
		}
		return nil
	}
	t := c.tally(f)
	values, ok := c.s.spaces[f].values()
	if !ok && !t.merging {
		return errSpaceFull
	}
	return t.each(c.w, values, fn)
}

// memtable counts m. A plain question reads the columns; any other walks the
// rows that match.
func (c *counting) memtable(m *memtable) error {
	if done, err := c.memWhole(m); done || err != nil {
		return err
	}
	list := m.runs(c.plan)
	if len(list) == 0 {
		return nil
	}
	v := list[0].part.(*memPart).memView
	local := c.localTallies()
	for i, t := range c.tallies {
		if !t.merging {
			if _, ok := c.s.translateMem(v, t.field); !ok {
				return errSpaceFull
			}
		} else {
			local[i] = make([]cell, len(v.cols.Text[t.field].Values))
		}
	}
	to := make([]translation, len(c.tallies))
	for i, t := range c.tallies {
		if !t.merging {
			to[i], _ = c.s.translateMem(v, t.field)
		}
	}
	count := func(rows []uint32) { c.memRows(v, rows, to, local) }
	if err := c.eachRow(v, list, count); err != nil {
		return err
	}
	for i, t := range c.tallies {
		if !t.merging {
			continue
		}
		if err := t.hold(&source{field: t.field, mem: v}, local[i]); err != nil {
			return err
		}
	}
	return nil
}

// eachRow calls fn with the rows of a memtable that are asked for.
func (c *counting) eachRow(v *memView, list []*run, fn func(rows []uint32)) error {
	if c.plan.plain() {
		return v.eachPlain(c.w, c.plan, fn)
	}
	return each(c.w, list, func(_ *run, rows []uint32) error {
		fn(rows)
		return nil
	})
}

// localTallies has room for a slice of counts by part codes for each tally.
func (c *counting) localTallies() [][]cell { return make([][]cell, len(c.tallies)) }

func (c *counting) memRows(v *memView, rows []uint32, to []translation, local [][]cell) {
	cols := &v.cols
	for _, row := range rows {
		c.event(cols.Time[row], cols.Outcome[row])
	}
	for i, t := range c.tallies {
		codes := cols.Text[t.field].Codes
		for _, row := range rows {
			x := &cell{}
			if t.merging {
				x = &local[i][codeIn(codes, row)]
			} else {
				x = t.at(to[i][codeIn(codes, row)])
			}
			x.add(cols.Outcome[row] != uint8(annal.Success), cols.Time[row])
		}
	}
	for f := range c.numbers {
		for _, row := range rows {
			c.number(f, (&memPart{memView: v}).number(f, row), cols.Outcome[row] != uint8(annal.Success), cols.Time[row])
		}
	}
}
