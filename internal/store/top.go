package store

import (
	"cmp"
	"slices"

	"annal"
)

// Limits of the search for the most frequent values in many counts.
const (
	topShare   = 16       // of each source, so many times as many counts are looked at as values are asked for
	maxLookups = 64 << 10 // counts looked up by value, beyond which merging is cheaper
)

// topOf finds the most frequent values of a field that is merged, if nothing else
// is asked of it, without merging. It reports false when it cannot.
func (c *counting) topOf(f annal.Field, top *ranking) (bool, error) {
	if f >= annal.NumTexts || !c.tally(f).merging || slices.Contains(c.agg.Breakdown, f) || slices.Contains(c.agg.Distinct, f) {
		return false, nil
	}
	return topValues(c.w, c.tally(f).sources, top, topShare*top.n)
}

// topValues adds the most frequent values of the sources to top, which is empty.
// It looks at so many of the most frequent of each source: what is not among them
// cannot be frequent in all. It reports false when that rules out too little.
func topValues(w *watch, sources []*source, top *ranking, many int) (bool, error) {
	seen, rest, err := frequent(w, sources, many)
	if err != nil {
		return false, err
	}
	least := leastOf(seen, top.n) // the last of the top has at least so many
	if rest >= least && rest > 0 {
		return false, nil
	}
	var likely []string
	for value, n := range seen {
		if n+rest >= least {
			likely = append(likely, value)
		}
	}
	if len(likely)*len(sources) > maxLookups {
		return false, nil
	}
	for _, value := range likely {
		var sum cell
		for _, s := range sources {
			sum.merge(s.find(value))
		}
		top.add(value, sum)
	}
	return true, w.add(len(likely) * len(sources))
}

// frequent adds up the most frequent values of each source, at least so many; a
// value that it does not name occurs at most rest times in all of them, and one
// that it does at most rest times more often than it says.
func frequent(w *watch, sources []*source, many int) (seen map[string]uint64, rest uint64, err error) {
	seen = map[string]uint64{}
	for _, s := range sources {
		list, most := s.frequent(many)
		for _, x := range list {
			if value := s.text(x.code); value != "" {
				seen[value] += uint64(x.n)
			}
		}
		rest += uint64(most)
		if err := w.add(rowsPerLook); err != nil {
			return nil, 0, err
		}
	}
	return seen, rest, nil
}

// A frequency is how often a value occurs, by its code.
type frequency struct{ code, n uint32 }

// frequent lists the most frequent codes of a source, at least so many if there
// are; others occur at most rest times each.
func (s *source) frequent(many int) (list []frequency, rest uint32) {
	s.each(func(codes, n []uint32) {
		for i, x := range n {
			if x <= rest {
				continue
			}
			if list = append(list, frequency{codes[i], x}); len(list) == 2*many {
				slices.SortFunc(list, func(a, b frequency) int { return cmp.Compare(b.n, a.n) })
				list, rest = list[:many], list[many].n
			}
		}
	})
	return list, rest
}

// leastOf returns the nth greatest of the numbers, or 0 when there are fewer.
func leastOf(seen map[string]uint64, n int) uint64 {
	if len(seen) < n {
		return 0
	}
	all := make([]uint64, 0, len(seen))
	for _, x := range seen {
		all = append(all, x)
	}
	slices.Sort(all)
	return all[max(len(all)-n, 0)]
}
