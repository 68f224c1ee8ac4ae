package bench

import (
	"encoding/json"
	"fmt"
	"math"

	"annal"
)

// whileGrowing returns the same ask for a log to which l is being added. When it
// was answered is not known, so the answer must lie between two: it may lack
// nothing that was there before l, and have nothing that is not there after it.
func (a ask) whileGrowing(p *picker, l load) ask {
	if len(a.probes) == 0 {
		return a // about an event, which does not change
	}
	low := a.probes[0].fork()
	high := low.fork()
	low.below, high.below = l.first, l.end
	a.probes, a.later = []*probe{low, high}, nil
	a.check = func(ans *answer) error {
		if low.keep > 0 {
			return ans.checkGrowingPage(p, low, high)
		}
		return ans.checkGrowingSummary(low, high)
	}
	return a
}

// checkGrowingPage checks that the events are some of those after, in order,
// each once, and that no older ones have pushed out one from before.
func (a *answer) checkGrowingPage(p *picker, low, high *probe) error {
	events, same := a.doc.Events, nativeEvent
	if len(a.doc.Logs) > 0 {
		events, same = a.doc.Logs, scaiEvent
	}
	limit := uint64(low.keep)
	n := uint64(len(events))
	if err := within("events of the page", n, min(low.total, limit), min(high.total, limit)); err != nil {
		return err
	}
	seen, oldest, err := p.gen.checkMatches(high, events, same)
	if err != nil {
		return err
	}
	for _, h := range low.newest {
		if !seen[h.index] && (n < limit || h.key > oldest) {
			return fmt.Errorf("the page lacks generated event %d, which was there", h.index)
		}
	}
	return nil
}

// checkMatches checks that events match what high asks, newest first, none
// twice. It returns which they are, and the time of the last.
func (g *Generator) checkMatches(high *probe, events []json.RawMessage, same comparer) (map[uint64]bool, int64, error) {
	seen, last := map[uint64]bool{}, int64(math.MaxInt64)
	var e annal.Event
	for at, raw := range events {
		i, err := identify(g, raw)
		if err != nil {
			return nil, 0, fmt.Errorf("event %d of the page: %w", at, err)
		}
		g.Event(i, &e)
		key := annal.TimeKey(e.Time)
		if i >= high.below || seen[i] || key > last || !high.query.Matches(&e) {
			return nil, 0, fmt.Errorf("event %d of the page is generated event %d, which does not belong there", at, i)
		}
		seen[i], last = true, key
		if err := same(g, i, raw); err != nil {
			return nil, 0, fmt.Errorf("event %d of the page: %w", at, err)
		}
	}
	return seen, last, nil
}

// checkGrowingSummary checks that all counts of actions lie between, and add up
// to the total.
func (a *answer) checkGrowingSummary(low, high *probe) error {
	total, actions := a.doc.TotalEvents, a.doc.Actions
	if actions == nil {
		total, actions = a.doc.Total, map[string]uint64{}
		for _, c := range a.doc.Breakdown[annal.Action.String()] {
			actions[c.Value] = c.Count
		}
	}
	before, after := low.of(annal.Action), high.of(annal.Action)
	var sum uint64
	for v, n := range actions {
		if err := within("the count of "+v, n, count(before[v]), count(after[v])); err != nil {
			return err
		}
		sum += n
	}
	return firstError(
		within("the total", total, low.total, high.total),
		same("the sum over all actions", sum, total))
}

func within(name string, got, low, high uint64) error {
	if got < low || got > high {
		return fmt.Errorf("%s: %d, want %d to %d", name, got, low, high)
	}
	return nil
}
