package annal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Gap is a range of positions whose events are lost to damage, as far as there
// were any: From ≤ position < To. Where nobody knows how many were lost, the gap
// is as long as it may be.
type Gap struct{ From, To uint64 }

// Gaps are ranges in ascending order that do not touch. An answer from which
// events may be missing says which: what lies in its gaps is not in it, nor in
// its counts.
type Gaps []Gap

// MaxGapsShown bounds the ranges that [Gaps.String] names one by one.
const MaxGapsShown = 16

// With returns the positions of g and of others.
func (g Gaps) With(others Gaps) Gaps {
	all := slices.Concat(g, others)
	slices.SortFunc(all, func(a, b Gap) int { return cmp.Compare(a.From, b.From) })
	out := all[:0]
	for _, x := range all {
		if n := len(out); n > 0 && x.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
		} else if x.From < x.To {
			out = append(out, x)
		}
	}
	return out
}

// Behind returns the positions of g from position on.
func (g Gaps) Behind(position uint64) Gaps {
	var out Gaps
	for _, x := range g {
		if x.From = max(x.From, position); x.From < x.To {
			out = append(out, x)
		}
	}
	return out
}

// Holds reports whether a position is one of g's.
func (g Gaps) Holds(position uint64) bool {
	return slices.ContainsFunc(g, func(x Gap) bool { return x.From <= position && position < x.To })
}

// Len is how many positions g has.
func (g Gaps) Len() (n uint64) {
	for _, x := range g {
		n += x.To - x.From
	}
	return n
}

// String is a sentence about g, such as "positions 1000-1999, 7 are missing";
// "" when g is empty.
func (g Gaps) String() string {
	if len(g) == 0 {
		return ""
	}
	b := []byte("positions ")
	for i, x := range g[:min(len(g), MaxGapsShown)] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendUint(b, x.From, 10)
		if last := x.To - 1; last > x.From {
			b = strconv.AppendUint(append(b, '-'), last, 10)
		}
	}
	if more := len(g) - MaxGapsShown; more > 0 {
		b = fmt.Appendf(b, " and %d further ranges", more)
	}
	return string(append(b, " are missing"...))
}

// ParseGaps reads the ranges that a sentence of [Gaps.String] names. One that it
// does not understand may mean anything: it reads as a gap of all positions.
func ParseGaps(s string) Gaps {
	if s == "" {
		return nil
	}
	all := Gaps{{0, ^uint64(0)}}
	list, ok := strings.CutPrefix(s, "positions ")
	list, is := strings.CutSuffix(list, " are missing")
	if !ok || !is {
		return all
	}
	list, _, _ = strings.Cut(list, " and ")
	var g Gaps
	for _, part := range strings.Split(list, ", ") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 64)
		to, err2 := strconv.ParseUint(last, 10, 64)
		if err1 != nil || err2 != nil || to < from || to == ^uint64(0) {
			return all
		}
		g = append(g, Gap{from, to + 1})
	}
	return g.With(nil)
}
