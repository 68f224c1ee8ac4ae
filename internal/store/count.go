package store

import (
	"context"

	"annal"
)

// count counts what p selects, without order. Rows that nothing but time and
// tenant select are counted by their number, and those of a filter on one field
// by the segment's own counts, where these answer for all rows of a tenant.
func (v *view) count(ctx context.Context, p *plan) (uint64, error) {
	if p.empty() {
		return 0, nil
	}
	w := p.watch(ctx)
	total := uint64(0)
	for _, seg := range v.segs {
		n, err := seg.count(w, p)
		if err != nil {
			return 0, err
		}
		total += n
	}
	for _, m := range v.mems {
		n, err := countRuns(w, m.runs(p))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, ctx.Err()
}

func (x *sealed) count(w *watch, p *plan) (uint64, error) {
	if len(p.where) != 1 || len(p.words) > 0 || p.after != nil || p.far || x.Last() >= p.below {
		return countRuns(w, x.runs(p))
	}
	if len(x.runs(p)) == 0 {
		return 0, nil
	}
	total := uint64(0)
	var rest []rowRange
	counts := x.counts(&p.where[0])
	for _, g := range x.ranges(p) {
		if counts == nil || !g.whole() {
			rest = append(rest, g)
			continue
		}
		total += counts(&g)
	}
	n, err := countRuns(w, x.openRanges(p, rest))
	return total + n, err
}

// counts returns how to count the rows of a whole tenant that fulfil f, without
// looking at them; nil when the segment cannot say.
func (x *sealed) counts(f *annal.Filter) func(g *rowRange) uint64 {
	if len(f.Fields) != 1 {
		return nil
	}
	var is func(*rowRange) uint64
	switch field := f.Fields[0]; {
	case field == annal.ResultOutcome && !f.Prefix:
		var asked [annal.NumOutcomes]bool
		for _, v := range f.Values {
			if o, ok := annal.ParseOutcome(v); ok {
				asked[o] = true
			}
		}
		is = func(g *rowRange) (n uint64) {
			for o, rows := range g.tenant.Outcomes {
				if asked[o] {
					n += rows
				}
			}
			return n
		}
	case field < annal.NumTexts && x.HasCounts(field):
		set, coded := (&segPart{seg: x}).resolve(field, f)
		if !coded {
			return nil
		}
		is = func(g *rowRange) (n uint64) {
			counts := x.Counts(field, g.tenant)
			for codes, rows, _ := counts.Next(); len(codes) > 0; codes, rows, _ = counts.Next() {
				for i, c := range codes {
					if set.has(c) {
						n += uint64(rows[i])
					}
				}
			}
			return n
		}
	default:
		return nil
	}
	if f.Not {
		return func(g *rowRange) uint64 { return uint64(g.hi-g.lo) - is(g) }
	}
	return is
}

// countRuns counts the rows of runs that match.
func countRuns(w *watch, list []*run) (uint64, error) {
	total := uint64(0)
	for len(list) > 0 {
		r := list[len(list)-1]
		list = list[:len(list)-1]
		switch {
		case r.open != nil:
			inner, err := r.open()
			if err != nil {
				return 0, err
			}
			list = append(list, inner...)
		case r.all():
			total += uint64(r.hi - r.lo)
		default:
			err := each(w, []*run{r}, func(_ *run, rows []uint32) error {
				total += uint64(len(rows))
				return nil
			})
			if err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}

// all reports whether every row of r matches.
func (r *run) all() bool {
	if len(r.tests) > 0 || r.plan.after != nil {
		return false
	}
	switch in := r.part.(type) {
	case *segPart:
		return in.seg.Last() < r.plan.below
	case *memPart:
		return in.cols.Base+uint64(in.cols.N) <= r.plan.below
	}
	return false
}
