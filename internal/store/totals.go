package store

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"annal"
)

// Limits of the totals that are kept, however many tenants are asked about.
const (
	maxTotals     = 512      // sets of tenants
	maxTotalBytes = 32 << 20 // of all that are kept, unless one has more
)

// A total is the counts of all segments together, of one set of tenants, so that
// a question about a long time takes away what it leaves out instead of adding
// up everything. It is in memory only, made when first asked for and extended
// by the segments that have come when it is asked for again.
type total struct {
	tenants []string     // nil: all
	size    atomic.Int64 // bytes, about

	mu       sync.Mutex
	summands []summand // whose counts these are
	outcomes [annal.NumOutcomes]uint64
	fields   [len(countedFields)][]codeCount
}

// A summand is what a total has of one segment.
type summand struct {
	seg      *sealed
	min, max int64 // time keys of the tenants' rows; min > max when there are none
}

// A codeCount counts the events with one value by the code of its space.
type codeCount struct {
	n, failed uint64
	code      uint32
}

// totals are those that were asked for last.
type totals struct {
	mu       sync.Mutex
	list     []*total // the one that was asked for last is last
	max      int      // totals kept
	maxBytes int64    // of all that are kept, unless one has more
}

// of returns the total of some tenants, which may be empty yet.
func (t *totals) of(tenants []string) *total {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.list, func(x *total) bool {
		return (x.tenants == nil) == (tenants == nil) && slices.Equal(x.tenants, tenants)
	})
	if i < 0 {
		x := &total{}
		for _, name := range tenants { // they may lie in a request
			x.tenants = append(x.tenants, strings.Clone(name))
		}
		t.list = append(t.list, x)
		return x
	}
	x := t.list[i]
	t.list = append(slices.Delete(t.list, i, i+1), x)
	return x
}

// bound lets go of the totals that were asked for longest ago, if they are too
// many or too large.
func (t *totals) bound() {
	t.mu.Lock()
	defer t.mu.Unlock()
	size, from := int64(0), len(t.list)
	for from > 0 && len(t.list)-from < t.max {
		if size += t.list[from-1].size.Load(); size > t.maxBytes && from < len(t.list) {
			break
		}
		from--
	}
	t.list = slices.Delete(t.list, 0, from)
}

// segments counts segments, from their total if that is less work.
func (c *counting) segments(segs []*sealed) error {
	if c.totalled(segs) {
		if done, err := c.fromTotal(segs); done || err != nil {
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

// totalled says that the question can be answered from a total, and that it wants
// most segments whole.
func (c *counting) totalled(segs []*sealed) bool {
	if !c.plan.plain() || c.anyMerging() {
		return false
	}
	whole := 0
	for _, x := range segs {
		if !c.countedBy(x) {
			return false
		}
		if c.plan.whole(x, x.MinTime(), x.MaxTime()) {
			whole++
		}
	}
	return whole > 2 && whole > len(segs)-whole
}

// whole says that p's times and snapshot leave out nothing of rows of x with time
// keys from first to last.
func (p *plan) whole(x *sealed, first, last int64) bool {
	return first >= p.minKey && last <= p.maxKey && x.Last() < p.below
}

// fromTotal adds the total of segs, and corrects it where segments are not asked
// for whole. It reports false when there is no total of just these.
func (c *counting) fromTotal(segs []*sealed) (bool, error) {
	t := c.s.totals.of(c.plan.tenants)
	summands, err := t.add(c, segs)
	c.s.totals.bound()
	if summands == nil || err != nil {
		return false, err
	}
	for _, x := range summands {
		switch {
		case x.min > x.max:
		case c.plan.whole(x.seg, x.min, x.max):
			c.min, c.max = min(c.min, x.min), max(c.max, x.max)
		default:
			if err := c.correct(x.seg); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// correct makes what the question asks of x of all that the total had of it.
func (c *counting) correct(x *sealed) error {
	st, err := c.newSegTally(x)
	if err != nil {
		return err
	}
	if x.Last() < c.plan.below {
		return errOr(st.plain(true), c.w.add(rowsPerLook))
	}
	st.covered(x.asked(c.plan), -1)
	return c.segment(x)
}

// add adds t as the total of segs to c, and returns what it was made of; nil when
// c's view is older than t.
func (t *total) add(c *counting, segs []*sealed) ([]summand, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.w.turn.keep(true)
	defer c.w.turn.keep(false)
	if ok, err := t.extend(c, segs); !ok || err != nil {
		return nil, err
	}
	t.addTo(c)
	return t.summands, nil
}

func (t *total) addTo(c *counting) {
	for o, n := range t.outcomes {
		c.outcomes[o] += n
	}
	for _, y := range c.tallies {
		for _, x := range t.fields[slices.Index(countedFields[:], y.field)] {
			to := y.at(x.code)
			to.n += x.n
			to.failed += x.failed
		}
	}
}

// extend makes t the total of segs. It changes nothing when it fails or when
// damage ends it.
func (t *total) extend(c *counting, segs []*sealed) (ok bool, err error) {
	known := t.summands
	for i, x := range known {
		if i == len(segs) {
			return false, nil
		}
		if x.seg != segs[i] {
			known = nil // it was opened anew
			break
		}
	}
	if len(known) == len(segs) {
		return true, nil
	}
	sum := &counting{s: c.s, w: c.w, plan: c.plan, agg: &annal.Aggregation{}}
	for _, f := range countedFields {
		if !c.s.spaces[f].full.Load() {
			y := &tally{field: f}
			y.borrow(c.s)
			defer y.giveBack(c.s)
			sum.tallies = append(sum.tallies, y)
		}
	}
	if len(known) > 0 {
		t.addTo(sum)
	}
	for _, x := range segs[len(known):] {
		next, err := sum.summand(x)
		if err != nil {
			return false, err
		}
		known = append(known, next)
	}
	t.keep(sum, known)
	return true, nil
}

// summand adds all of x.
func (c *counting) summand(x *sealed) (summand, error) {
	out := summand{seg: x, min: math.MaxInt64, max: math.MinInt64}
	st, err := c.newSegTally(x)
	if err != nil {
		return out, err
	}
	all := x.asked(c.plan)
	st.covered(all, 1)
	for _, t := range all {
		out.min, out.max = min(out.min, t.MinTime), max(out.max, t.MaxTime)
	}
	return out, c.w.add(rowsPerLook)
}

// keep makes t what was summed up. A field without a tally has no room for its
// values any more: nobody asks for its total.
func (t *total) keep(sum *counting, summands []summand) {
	t.summands, t.outcomes, t.fields = summands, sum.outcomes, [len(countedFields)][]codeCount{}
	size := unsafe.Sizeof(total{}) + uintptr(len(summands))*unsafe.Sizeof(summand{})
	for _, y := range sum.tallies {
		list := make([]codeCount, len(y.codes))
		for i, code := range y.codes {
			x := &y.cells[code]
			list[i] = codeCount{x.n, x.failed, code}
		}
		t.fields[slices.Index(countedFields[:], y.field)] = list
		size += uintptr(len(list)) * unsafe.Sizeof(codeCount{})
	}
	for _, name := range t.tenants {
		size += unsafe.Sizeof(name) + uintptr(len(name))
	}
	t.size.Store(int64(size))
}
