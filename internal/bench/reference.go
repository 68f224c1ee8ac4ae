package bench

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"annal"
)

// A probe asks the slow reference one question: which events match, and what
// they count up to. [annal.Query.Matches] decides, over every event there is.
type probe struct {
	query  annal.Query
	below  uint64        // events 0 ≤ i < below are in question; 0: all
	keep   int           // the newest matches to keep
	fields []annal.Field // whose values to count

	total    uint64
	outcomes [annal.NumOutcomes]uint64
	first    time.Time
	last     time.Time
	newest   []hit // by age, then index; at least keep of them, when there are
	counts   []map[string]*annal.Count
}

// A hit is a match: event index, and when it happened.
type hit struct {
	key   int64
	index uint64
}

func newest(a, b hit) int {
	return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.index, b.index))
}

// fork returns an empty probe for the same question.
func (p *probe) fork() *probe {
	c := &probe{query: p.query, below: p.below, keep: p.keep, fields: p.fields, counts: make([]map[string]*annal.Count, len(p.fields))}
	for i := range c.counts {
		c.counts[i] = map[string]*annal.Count{}
	}
	return c
}

// see takes note of an event, if it matches.
func (p *probe) see(i uint64, e *annal.Event) {
	if p.below > 0 && i >= p.below || !p.query.Matches(e) {
		return
	}
	p.total++
	p.outcomes[e.Outcome]++
	p.span(e.Time, e.Time)
	if p.keep > 0 {
		p.newest = append(p.newest, hit{annal.TimeKey(e.Time), i})
		if len(p.newest) >= 4*p.keep+1024 {
			p.prune()
		}
	}
	for n, f := range p.fields {
		c := p.count(n, e.Value(f))
		c.N++
		if e.Outcome != annal.Success {
			c.Failed++
		}
		if e.Time.After(c.Last) {
			c.Last = e.Time
		}
	}
}

func (p *probe) count(n int, value string) *annal.Count {
	c := p.counts[n][value]
	if c == nil {
		c = &annal.Count{Value: value}
		p.counts[n][value] = c
	}
	return c
}

func (p *probe) span(first, last time.Time) {
	if p.first.IsZero() || first.Before(p.first) {
		p.first = first
	}
	if last.After(p.last) {
		p.last = last
	}
}

// prune forgets matches that are older than the newest keep. Those of the same
// time as the last one kept stay: which of them come first is the log's choice.
func (p *probe) prune() {
	slices.SortFunc(p.newest, newest)
	if len(p.newest) <= p.keep {
		return
	}
	end := p.keep
	for end < len(p.newest) && p.newest[end].key == p.newest[p.keep-1].key {
		end++
	}
	p.newest = p.newest[:end]
}

// join adds what another part of the log counted.
func (p *probe) join(o *probe) {
	p.total += o.total
	for i, n := range o.outcomes {
		p.outcomes[i] += n
	}
	if o.total > 0 {
		p.span(o.first, o.last)
	}
	p.newest = append(p.newest, o.newest...)
	for n, values := range o.counts {
		for v, c := range values {
			sum := p.count(n, v)
			sum.N += c.N
			sum.Failed += c.Failed
			if c.Last.After(sum.Last) {
				sum.Last = c.Last
			}
		}
	}
}

// of returns the counts of a field's values.
func (p *probe) of(f annal.Field) map[string]*annal.Count {
	return p.counts[slices.Index(p.fields, f)]
}

// ranked returns a field's values, most frequent first, ties by value.
func (p *probe) ranked(f annal.Field) []annal.Count {
	all := make([]annal.Count, 0, len(p.of(f)))
	for _, c := range p.of(f) {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b annal.Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Value, b.Value))
	})
	return all
}

const cancelEvery = 4096 // events between looks at the context

// consult answers probes over events 0 ≤ i < n. It makes every event again
// and keeps none, on all processors.
func (g *Generator) consult(ctx context.Context, n uint64, probes []*probe) error {
	parts := uint64(runtime.GOMAXPROCS(0))
	seen := make([][]*probe, parts)
	var wait sync.WaitGroup
	for part := range parts {
		mine := make([]*probe, len(probes))
		for i, p := range probes {
			mine[i] = p.fork()
		}
		seen[part] = mine
		wait.Go(func() {
			var e annal.Event
			for i := n * part / parts; i < n*(part+1)/parts; i++ {
				if i%cancelEvery == 0 && ctx.Err() != nil {
					return
				}
				g.Event(i, &e)
				for _, p := range mine {
					p.see(i, &e)
				}
			}
		})
	}
	wait.Wait()
	for i, p := range probes {
		*p = *p.fork()
		for _, mine := range seen {
			p.join(mine[i])
		}
		p.prune()
	}
	return ctx.Err()
}
