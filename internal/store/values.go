package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"annal"
)

// Values lists up to limit distinct values of f among what q selects, the first
// by value, and whether there are more. The absent one is left out.
func (s *Store) Values(ctx context.Context, q annal.Query, f annal.Field, limit int) ([]annal.Count, bool, error) {
	q.Limit, q.Offset, q.After = 0, 0, nil
	agg := annal.Aggregation{Breakdown: []annal.Field{f}}
	if err := errOr(checkQuery(&q), checkAggregation(&agg)); err != nil {
		return nil, false, err
	}
	var out firsts
	err := s.counted(ctx, &q, &agg, func(c *counting) error {
		out = firsts{n: limit}
		err := c.eachValue(f, out.add)
		out.cut()
		ownValues(out.list)
		return err
	})
	return out.list, out.more, err
}

// firsts keeps the first n counts by value.
type firsts struct {
	n    int
	list []annal.Count
	more bool // there were others
}

func (l *firsts) add(value string, c cell) {
	if value == "" {
		return
	}
	if l.list = append(l.list, annal.Count{Value: value, N: c.n, Failed: c.failed}); len(l.list) > 2*l.n {
		l.cut()
	}
}

func (l *firsts) cut() {
	slices.SortFunc(l.list, func(a, b annal.Count) int { return cmp.Compare(a.Value, b.Value) })
	if len(l.list) > l.n {
		l.list, l.more = l.list[:l.n], true
	}
}

// ownValues replaces values by copies: those that were merged lie in the files of
// segments, which an answer outlives.
func ownValues(list []annal.Count) {
	for i := range list {
		list[i].Value = strings.Clone(list[i].Value)
	}
}
