package store

import (
	"errors"
	"slices"

	"annal"
	"annal/internal/segment"
)

// errSpaceFull says that a field's space filled up while a summary was using it.
var errSpaceFull = errors.New("the field has too many values for its table")

// segment counts one segment. What the question covers whole is read from the
// segment's own counts, plain ranges of rows in bulk, anything else row by row.
func (c *counting) segment(x *sealed) error {
	list := x.runs(c.plan)
	if len(list) == 0 {
		return nil
	}
	st, err := c.newSegTally(x)
	if err == nil {
		err = st.count(list)
	}
	if err != nil {
		return err
	}
	return errOr(st.flush(), c.w.add(rowsPerLook))
}

func (c *counting) newSegTally(x *sealed) (*segTally, error) {
	c.s.touch(x)
	st := &segTally{counting: c, seg: x, to: make([]translation, len(c.tallies)), local: c.localTallies()}
	for i, t := range c.tallies {
		if t.merging {
			continue
		}
		to, ok := c.s.translate(x, t.field)
		if !ok {
			return nil, errSpaceFull
		}
		st.to[i] = to
	}
	return st, nil
}

// A segTally counts one segment.
type segTally struct {
	*counting
	seg   *sealed
	to    []translation
	local [][]cell // by the segment's codes, of tallies that merge
}

func (t *segTally) count(list []*run) error {
	if !t.plan.plain() || t.seg.Last() >= t.plan.below {
		part := &segPart{seg: t.seg}
		return each(t.w, list, func(_ *run, rows []uint32) error {
			t.rows(part, rows)
			return nil
		})
	}
	return t.plain(false)
}

// plain counts what a plain question asks of rows that are all within its
// snapshot. Counted says that all rows of its tenants have been counted.
func (t *segTally) plain(counted bool) error {
	all := t.seg.asked(t.plan)
	if t.plan.tenants == nil && t.plan.whole(t.seg, t.seg.MinTime(), t.seg.MaxTime()) && t.countedBy(t.seg) {
		t.min, t.max = min(t.min, t.seg.MinTime()), max(t.max, t.seg.MaxTime())
		if !counted {
			t.covered(all, 1)
		}
		return nil
	}
	ranges, inside, rows := t.seg.ranges(t.plan), 0, 0
	for _, g := range ranges {
		inside += g.hi - g.lo
		t.min, t.max = min(t.min, t.timeAt(g.lo, g.tenant)), max(t.max, t.timeAt(g.hi-1, g.tenant))
	}
	for _, g := range all {
		rows += g.Hi - g.Lo
	}
	if 2*inside > rows && t.countedBy(t.seg) && (inside == rows || !t.anyMerging()) {
		if !counted {
			t.covered(all, 1)
		}
		return t.takeAway(all, ranges)
	}
	if counted {
		t.covered(all, -1)
	}
	return t.add(ranges)
}

// timeAt returns the time of a row, from what is known of its tenant if it is the
// first or the last there.
func (t *segTally) timeAt(row int, tenant segment.TenantRange) int64 {
	switch row {
	case tenant.Lo:
		return tenant.MinTime
	case tenant.Hi - 1:
		return tenant.MaxTime
	}
	return t.seg.TimeAt(row)
}

// takeAway takes rows away that are in all but in none of the ranges.
func (t *segTally) takeAway(all []segment.TenantRange, ranges []rowRange) error {
	for _, g := range all {
		from := g.Lo
		for ; len(ranges) > 0 && ranges[0].hi <= g.Hi; ranges = ranges[1:] {
			if err := t.bulk(from, ranges[0].lo, -1); err != nil {
				return err
			}
			from = ranges[0].hi
		}
		if err := t.bulk(from, g.Hi, -1); err != nil {
			return err
		}
	}
	return nil
}

// add adds the rows of the ranges, from the counts of their tenants where they
// are all that these have.
func (t *segTally) add(ranges []rowRange) error {
	var whole []segment.TenantRange
	counted := t.countedBy(t.seg)
	for _, g := range ranges {
		if g.whole() && counted {
			whole = append(whole, g.tenant)
		} else if err := t.bulk(g.lo, g.hi, 1); err != nil {
			return err
		}
	}
	t.covered(whole, 1)
	return nil
}

func (c *counting) anyMerging() bool {
	return slices.ContainsFunc(c.tallies, func(y *tally) bool { return y.merging })
}

// countedBy says that a segment's own counts answer the aggregation.
func (c *counting) countedBy(x *sealed) bool {
	if c.agg.Interval > 0 || c.agg.Last || len(c.numbers) > 0 {
		return false
	}
	for _, y := range c.tallies {
		if !x.HasCounts(y.field) {
			return false
		}
	}
	return true
}

// covered adds the counts of all rows of tenants, each as one: 1, or -1 to take
// them away.
func (t *segTally) covered(tenants []segment.TenantRange, one int) {
	for _, g := range tenants {
		for o, n := range g.Outcomes {
			t.outcomes[o] += uint64(one) * n
		}
	}
	for i, y := range t.tallies {
		if y.merging && len(tenants) == 1 {
			y.sources = append(y.sources, &source{field: y.field, dict: t.seg.Dict(y.field), more: t.seg.Counts(y.field, tenants[0])})
			continue
		}
		for _, g := range tenants {
			t.seg.AddCounts(y.field, g, func(codes, n, failed []uint32) {
				t.addCounts(i, y, codes, n, failed, uint64(one))
			})
		}
	}
}

// addCounts counts codes that n rows have, of which failed did not succeed.
func (t *segTally) addCounts(i int, y *tally, codes, n, failed []uint32, one uint64) {
	if y.merging {
		for k, code := range codes {
			t.cell(i, y, code).addRows(uint64(n[k])*one, uint64(failed[k])*one)
		}
		return
	}
	to := t.to[i]
	for k, code := range codes {
		y.at(to[code]).addRows(uint64(n[k])*one, uint64(failed[k])*one)
	}
}

// bulk counts rows lo to hi, all of which match, each as one: 1, or -1 to take
// it away.
func (t *segTally) bulk(lo, hi, one int) error {
	for ; lo < hi; lo += lastUnit {
		end := min(lo+lastUnit, hi)
		t.marks = t.seg.Outcomes(lo, end, t.marks[:0])
		if t.agg.Interval > 0 || t.agg.Last {
			t.times = t.seg.Times(lo, end, t.times[:0])
			for i, o := range t.marks {
				t.event(t.times[i], o)
			}
		} else {
			for _, o := range t.marks {
				t.outcomes[o] += uint64(one)
			}
		}
		for i, y := range t.tallies {
			if t.seg.Dict(y.field) == nil {
				continue
			}
			t.codes = t.seg.Codes(y.field, lo, end, t.codes[:0])
			t.addCodes(i, y, uint64(one))
		}
		if len(t.numbers) > 0 {
			part := &segPart{seg: t.seg}
			for row := lo; row < end; row++ {
				t.addNumbers(part, uint32(row))
			}
		}
		if err := t.w.add(end - lo); err != nil {
			return err
		}
	}
	return nil
}

// addCodes counts t.codes, whose outcomes are t.marks.
func (t *segTally) addCodes(i int, y *tally, one uint64) {
	for j, code := range t.codes {
		x := t.cell(i, y, code)
		x.n += one
		if t.marks[j] != uint8(annal.Success) {
			x.failed += one
		}
		if t.agg.Last {
			if x.n == 1 || t.times[j] > x.last {
				x.last = t.times[j]
			}
		}
	}
}

// cell is where a code of the segment is counted.
func (t *segTally) cell(i int, y *tally, code uint32) *cell {
	if !y.merging {
		return y.at(t.to[i][code])
	}
	if t.local[i] == nil {
		t.local[i] = make([]cell, t.seg.Dict(y.field).Len())
	}
	return &t.local[i][code]
}

// rows counts rows that match, which are in the order of time or its reverse.
func (t *segTally) rows(part *segPart, rows []uint32) {
	if len(rows) == 0 {
		return
	}
	everyTime := t.agg.Interval > 0 || t.agg.Last
	t.marks, t.times = t.marks[:0], t.times[:0]
	for _, row := range rows {
		t.marks = append(t.marks, uint8(part.code(annal.ResultOutcome, row)))
	}
	if everyTime {
		for i, row := range rows {
			t.times = append(t.times, part.key(row))
			t.event(t.times[i], t.marks[i])
		}
	} else {
		for _, o := range t.marks {
			t.outcomes[o]++
		}
		for _, row := range [2]uint32{rows[0], rows[len(rows)-1]} {
			key := part.key(row)
			t.min, t.max = min(t.min, key), max(t.max, key)
		}
	}
	for i, y := range t.tallies {
		t.codes = t.codes[:0]
		for _, row := range rows {
			t.codes = append(t.codes, part.code(y.field, row))
		}
		t.addCodes(i, y, 1)
	}
	if len(t.numbers) > 0 {
		for _, row := range rows {
			t.addNumbers(part, row)
		}
	}
}

func (t *segTally) addNumbers(part *segPart, row uint32) {
	for f := range t.numbers {
		t.number(f, part.number(f, row), part.code(annal.ResultOutcome, row) != uint32(annal.Success), part.key(row))
	}
}

// flush hands the counts by the segment's codes to the tallies that merge.
func (t *segTally) flush() error {
	for i, y := range t.tallies {
		if t.local[i] == nil {
			continue
		}
		if err := y.hold(&source{field: y.field, dict: t.seg.Dict(y.field)}, t.local[i]); err != nil {
			return err
		}
	}
	return nil
}
