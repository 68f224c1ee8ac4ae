package store

import (
	"math"
	"slices"

	"annal"
)

// A gap is positions below the log's end that no part of it holds. Its events had
// times from least to most, as time keys, as far as that is known: those of a
// segment that was set aside are in the manifest.
type gap struct {
	annal.Gap
	least, most int64
}

// findGaps lists the positions that no part of the log holds, in order. It is
// for a log that is being opened: what is lost later is only known to be so at
// the next start.
func (s *Store) findGaps() (out []gap) {
	next := uint64(0)
	part := func(from, to uint64) {
		if from > next {
			out = s.appendGaps(out, next, from)
		}
		next = max(next, to)
	}
	for _, x := range s.cur.segs {
		part(x.First(), x.Last()+1)
	}
	for _, m := range s.cur.mems {
		part(m.cols.Base, m.cols.Base+uint64(m.cols.N))
	}
	return out
}

// appendGaps appends the gap from ≤ position < to, in pieces where the times are
// known of some.
func (s *Store) appendGaps(out []gap, from, to uint64) []gap {
	for from < to {
		piece := gap{annal.Gap{From: from, To: to}, math.MinInt64, math.MaxInt64}
		for _, l := range s.manifest.Lost {
			switch {
			case l.First <= from && from <= l.Last:
				piece.To = min(piece.To, l.Last+1)
				if l.Times != nil {
					piece.least, piece.most = l.Times.First, l.Times.Last
				}
			case l.First > from:
				piece.To = min(piece.To, l.First)
			}
		}
		out, from = append(out, piece), piece.To
	}
	return out
}

// Missing says which positions q could have selected events of that are lost. Of
// whole segments the times are known; other losses may have had any. Whose events
// they were is not known: each tenant may miss some. Order, Limit, Offset and
// After of q do not matter: every page of an answer says the same.
func (s *Store) Missing(q annal.Query) (out annal.Gaps) {
	if len(s.gaps) == 0 {
		return nil
	}
	q.After = nil
	p := s.plan(&q, s.applied.Load())
	if p.empty() {
		return nil
	}
	for _, g := range s.gaps {
		if g.From < p.below && g.least <= p.maxKey && p.minKey <= g.most {
			out = append(out, annal.Gap{From: g.From, To: min(g.To, p.below)})
		}
	}
	return out.With(nil)
}

// gapAt returns the gap that holds a position.
func (s *Store) gapAt(position uint64) (annal.Gap, bool) {
	i := slices.IndexFunc(s.gaps, func(g gap) bool { return g.From <= position && position < g.To })
	if i < 0 {
		return annal.Gap{}, false
	}
	return s.gaps[i].Gap, true
}

// gapBetween reports whether one of the positions first to last is lost.
func (s *Store) gapBetween(first, last uint64) bool {
	return slices.ContainsFunc(s.gaps, func(g gap) bool { return g.From <= last && first < g.To })
}
