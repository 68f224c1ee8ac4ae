package store

import (
	"slices"

	"annal"
)

// countedFields are those whose values a memtable counts as they come, as a
// segment's index does.
var countedFields = [...]annal.Field{annal.Action, annal.ActorID, annal.ResourcePath}

// memCounts counts a memtable's rows. How often a value occurs its interner
// knows.
type memCounts struct {
	outcomes [annal.NumOutcomes]uint64
	failed   [len(countedFields)][]uint32 // by code
}

// add counts a row, whose codes m has.
func (c *memCounts) add(m *memtable, o annal.Outcome, row uint32) {
	c.outcomes[o]++
	if o == annal.Success {
		return
	}
	for i, f := range countedFields {
		code := codeIn(m.cols.Text[f].Codes, row)
		if n := len(c.failed[i]); int(code) >= n {
			c.failed[i] = append(c.failed[i], make([]uint32, max(int(code)+1-n, n))...)
		}
		c.failed[i][code]++
	}
}

// A countedView is a view with the counts of all its rows.
type countedView struct {
	*memView
	outcomes [annal.NumOutcomes]uint64
	counts   [len(countedFields)][]uint32
	failed   [len(countedFields)][]uint32
}

func (m *memtable) countedView() *countedView {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v := &countedView{memView: m.viewLocked(), outcomes: m.counts.outcomes}
	for i, f := range countedFields {
		v.counts[i] = slices.Clone(m.inter[f].counts)
		v.failed[i] = slices.Clone(m.counts.failed[i])
	}
	return v
}

// memWhole counts a memtable by taking what lies outside the question away from
// the counts of all rows, when little does. It reports false when the question
// is not of that kind.
func (c *counting) memWhole(m *memtable) (bool, error) {
	p := c.plan
	if !p.plain() || c.agg.Interval > 0 || c.agg.Last || len(c.numbers) > 0 {
		return false, nil
	}
	for _, t := range c.tallies {
		if t.merging || !slices.Contains(countedFields[:], t.field) {
			return false, nil
		}
	}
	if p.tenants != nil && !m.view().onlyTenant(p.tenants) {
		return false, nil // before all counts are copied
	}
	v := m.countedView()
	if v.cols.N == 0 || p.tenants != nil && !v.onlyTenant(p.tenants) {
		return false, nil
	}
	outside, ok := c.outside(v.memView)
	if !ok {
		return false, nil
	}
	for i, n := range v.outcomes {
		c.outcomes[i] += n
	}
	for _, row := range outside {
		c.outcomes[v.cols.Outcome[row]]--
	}
	for _, t := range c.tallies {
		to, ok := c.s.translateMem(v.memView, t.field)
		if !ok {
			return false, errSpaceFull
		}
		v.addTo(t, to, outside)
	}
	return true, nil
}

// onlyTenant reports whether every row is of one tenant, which is among tenants.
func (v *memView) onlyTenant(tenants []string) bool {
	values := v.cols.Text[annal.Tenant].Values // the first is the empty one
	return len(values) == 2 && slices.Contains(tenants, values[1])
}

// eachPlain calls fn with the rows that a plain question asks for, some at a time:
// it looks at the columns themselves, of which it needs only the tenants and the
// times.
func (v *memView) eachPlain(w *watch, p *plan, fn func(rows []uint32)) error {
	in := &memPart{memView: v}
	if p.tenants != nil {
		in.tenants, _ = in.resolve(annal.Tenant, &annal.Filter{Values: p.tenants})
	}
	end := v.cols.N
	if p.below < v.cols.Base+uint64(end) {
		end = int(max(p.below, v.cols.Base) - v.cols.Base)
	}
	keys, everyTime := v.cols.Time, v.minKey >= p.minKey && v.maxKey <= p.maxKey
	rows := make([]uint32, 0, lastUnit)
	for lo := 0; lo < end; lo += lastUnit {
		hi := min(lo+lastUnit, end)
		rows = in.ofTenants(p, lo, hi, rows[:0])
		if !everyTime {
			rows = slices.DeleteFunc(rows, func(row uint32) bool { return keys[row] < p.minKey || keys[row] > p.maxKey })
		}
		fn(rows)
		if err := w.add(hi - lo); err != nil {
			return err
		}
	}
	return nil
}

// ofTenants appends those of rows lo to hi that are of p's tenants.
func (m *memPart) ofTenants(p *plan, lo, hi int, rows []uint32) []uint32 {
	codes, set := m.cols.Text[annal.Tenant].Codes, &m.tenants
	switch {
	case p.tenants == nil || codes == nil && set.has(0):
		for row := lo; row < hi; row++ {
			rows = append(rows, uint32(row))
		}
	case codes == nil:
	case set.n == 1:
		for i, c := range codes[lo:hi] {
			if c == set.lo {
				rows = append(rows, uint32(lo+i))
			}
		}
	default:
		for i, c := range codes[lo:hi] {
			if set.has(c) {
				rows = append(rows, uint32(lo+i))
			}
		}
	}
	return rows
}

// outside lists the rows that the plan's times and snapshot leave out, unless
// they are more than half, and notes the first and last time of the others.
func (c *counting) outside(v *memView) (rows []uint32, ok bool) {
	keys := v.cols.Time[:v.cols.N]
	inside := len(keys)
	if end := c.plan.below; end < v.cols.Base+uint64(inside) {
		inside = int(max(end, v.cols.Base) - v.cols.Base)
	}
	lo, hi := c.plan.minKey, c.plan.maxKey
	least, most := c.min, c.max
	for row, key := range keys[:inside] {
		if key < lo || key > hi {
			rows = append(rows, uint32(row))
			continue
		}
		least, most = min(least, key), max(most, key)
	}
	for row := inside; row < len(keys); row++ {
		rows = append(rows, uint32(row))
	}
	if len(rows) > len(keys)/2 {
		return nil, false
	}
	c.min, c.max = least, most
	return rows, true
}

// addTo adds the counts of all rows but those outside.
func (v *countedView) addTo(t *tally, to translation, outside []uint32) {
	i := slices.Index(countedFields[:], t.field)
	for code, n := range v.counts[i] {
		if n > 0 && code < len(to) {
			t.at(to[code]).n += uint64(n)
		}
	}
	for code, n := range v.failed[i] {
		if n > 0 {
			t.at(to[code]).failed += uint64(n)
		}
	}
	codes := v.cols.Text[t.field].Codes
	for _, row := range outside {
		x := t.at(to[codeIn(codes, row)])
		x.n--
		if v.cols.Outcome[row] != uint8(annal.Success) {
			x.failed--
		}
	}
}
