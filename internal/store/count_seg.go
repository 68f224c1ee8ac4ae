package store

import (
	"errors"
	"iter"
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
	st := &segTally{counting: c, seg: x, to: make([]translation, len(c.tallies)), local: c.localTallies(), sign: 1}
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
	sign  int      // -1: covered takes away
}

func (t *segTally) count(list []*run) error {
	if !t.plan.plain() || t.seg.Last() >= t.plan.below {
		part := &segPart{seg: t.seg}
		return each(t.w, list, func(_ *run, rows []uint32) error {
			t.rows(part, rows)
			return nil
		})
	}
	for _, g := range t.seg.ranges(t.plan) {
		t.min, t.max = min(t.min, t.seg.TimeAt(g.lo)), max(t.max, t.seg.TimeAt(g.hi-1))
		var err error
		switch all := g.tenant; {
		case g.whole() && t.counted():
			t.covered(all)
		case 2*(g.hi-g.lo) > all.Hi-all.Lo && t.counted() && !t.anyMerging():
			t.covered(all) // and take away what lies outside
			err = errOr(t.bulk(all.Lo, g.lo, -1), t.bulk(g.hi, all.Hi, -1))
		default:
			err = t.bulk(g.lo, g.hi, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *segTally) anyMerging() bool {
	return slices.ContainsFunc(t.tallies, func(y *tally) bool { return y.merging })
}

// counted says that the segment's own counts answer the aggregation.
func (t *segTally) counted() bool {
	if t.agg.Interval > 0 || t.agg.Last || len(t.numbers) > 0 {
		return false
	}
	for _, y := range t.tallies {
		if !t.seg.HasCounts(y.field) {
			return false
		}
	}
	return true
}

// covered adds the counts of all of one tenant's rows.
func (t *segTally) covered(tenant segment.TenantRange) {
	sign := uint64(t.sign)
	for o, n := range tenant.Outcomes {
		t.outcomes[o] += sign * n
	}
	for i, y := range t.tallies {
		if y.merging {
			y.pull(t.seg.Dict(y.field), t.seg.Counts(y.field, tenant))
			continue
		}
		to := t.to[i]
		t.seg.AddCounts(y.field, tenant, func(codes, n, failed []uint32) {
			for k, code := range codes {
				x := y.at(to[code])
				x.n += sign * uint64(n[k])
				x.failed += sign * uint64(failed[k])
			}
		})
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
		dict := t.seg.Dict(y.field)
		if err := y.hold(t.local[i], func(code int) string { return dict.At(uint32(code)) }, nil); err != nil {
			return err
		}
	}
	return nil
}

// pull adds the counts of a tenant's rows, which come by ascending value.
func (t *tally) pull(dict *segment.Dict, counts iter.Seq[segment.CodeCount]) {
	next, stop := iter.Pull(counts)
	t.stops = append(t.stops, stop)
	t.sources = append(t.sources, func() (string, cell, bool) {
		k, ok := next()
		if !ok {
			return "", cell{}, false
		}
		return dict.At(k.Code), cell{n: k.N, failed: k.Failed}, true
	})
}
