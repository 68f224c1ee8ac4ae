package store

import (
	"slices"
	"sync"

	"annal"
	"annal/internal/segment"
)

// totals are the counts of all segments of a log that holds one tenant, so that
// a question about a long time takes away what it leaves out instead of adding
// up everything. They are in memory only, made when first asked for and extended
// by each segment that comes.
type totals struct {
	mu       sync.Mutex
	segs     []*sealed // whose counts these are
	outcomes [annal.NumOutcomes]uint64
	fields   [len(countedFields)][]cell // by the space's codes
}

// oneTenant returns the tenant that a segment's rows all belong to, if p asks for
// it.
func (x *sealed) oneTenant(p *plan) (segment.TenantRange, bool) {
	if x.NumTenants() != 1 {
		return segment.TenantRange{}, false
	}
	t := x.TenantAt(0)
	return t, p.tenants == nil || slices.Contains(p.tenants, t.Tenant)
}

// segments counts segments, from their totals if that is less work.
func (c *counting) segments(segs []*sealed) error {
	whole, other := c.split(segs)
	if len(whole) > len(other) && len(whole) > 2 {
		if done, err := c.fromTotals(segs, other); done || err != nil {
			return err
		}
	}
	for _, x := range segs {
		if err := c.segment(x); err != nil {
			return err
		}
	}
	return nil
}

// split sorts out the segments of which the plan wants every row.
func (c *counting) split(segs []*sealed) (whole, other []*sealed) {
	p := c.plan
	for _, x := range segs {
		_, mine := x.oneTenant(p)
		if mine && p.plain() && x.MinTime() >= p.minKey && x.MaxTime() <= p.maxKey && x.Last() < p.below {
			whole = append(whole, x)
		} else {
			other = append(other, x)
		}
	}
	return whole, other
}

// fromTotals adds the counts of all segments, takes those of other away, and
// counts other as they need to be. It reports false when there are no totals for
// the question.
func (c *counting) fromTotals(segs, other []*sealed) (bool, error) {
	for _, x := range segs {
		st := segTally{counting: c, seg: x}
		if _, mine := x.oneTenant(c.plan); !mine || !st.counted() || st.anyMerging() || slices.ContainsFunc(c.tallies, uncounted) {
			return false, nil
		}
	}
	if err := c.s.totals.add(c, segs); err != nil {
		return false, err
	}
	for _, x := range other {
		st, err := c.newSegTally(x)
		if err != nil {
			return false, err
		}
		st.sign = -1
		tenant, _ := x.oneTenant(c.plan)
		st.covered(tenant)
	}
	for _, x := range segs {
		if !slices.Contains(other, x) {
			c.min, c.max = min(c.min, x.MinTime()), max(c.max, x.MaxTime())
		}
	}
	for _, x := range other {
		if err := c.segment(x); err != nil {
			return false, err
		}
	}
	return true, nil
}

func uncounted(t *tally) bool { return !slices.Contains(countedFields[:], t.field) }

// add adds the totals of segs to c, which counts nothing yet.
func (t *totals) add(c *counting, segs []*sealed) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.extend(c, segs); err != nil {
		return err
	}
	for o, n := range t.outcomes {
		c.outcomes[o] += n
	}
	for _, y := range c.tallies {
		for code, x := range t.fields[slices.Index(countedFields[:], y.field)] {
			if x.n > 0 {
				to := y.at(uint32(code))
				to.n += x.n
				to.failed += x.failed
			}
		}
	}
	return nil
}

// extend makes t the totals of segs.
func (t *totals) extend(c *counting, segs []*sealed) error {
	known := t.segs
	if len(known) > len(segs) || !slices.Equal(known, segs[:len(known)]) {
		known = nil
	}
	if len(known) == len(segs) {
		return nil
	}
	if len(known) == 0 {
		t.outcomes, t.fields = [annal.NumOutcomes]uint64{}, [len(countedFields)][]cell{}
	}
	t.segs = nil // should damage end this, what was added so far is of no use
	sum := &counting{s: c.s, w: c.w, plan: c.plan, agg: &annal.Aggregation{}}
	for i, f := range countedFields {
		if !c.s.spaces[f].full.Load() {
			sum.tallies = append(sum.tallies, &tally{field: f, cells: t.fields[i]})
		}
	}
	for _, x := range segs[len(known):] {
		st, err := sum.newSegTally(x)
		if err != nil {
			return err
		}
		tenant, _ := x.oneTenant(c.plan)
		st.covered(tenant)
	}
	for o, n := range sum.outcomes {
		t.outcomes[o] += n
	}
	for _, y := range sum.tallies {
		t.fields[slices.Index(countedFields[:], y.field)] = y.cells
	}
	t.segs = slices.Clone(segs)
	return nil
}
