package bench

import (
	"time"

	"annal"
)

// A Case is one of the questions, free of any API, so that other stores can be
// asked it too.
type Case struct {
	Key    string // as in a report
	Repeat int
	Make   func() Inquiry // with other values each time
}

// An Inquiry is a page to fetch, counts to make, or both.
type Inquiry struct {
	Page *annal.Query
	Sum  *annal.Query
	By   []annal.Field // count the values of each
}

// Cases returns the questions over events 0 ≤ i < stored. Two lists made of the
// same mix ask for the same values in the same order.
func (g *Generator) Cases(stored uint64) []Case {
	p := newPicker(g, stored)
	page := func(sel selector) func() Inquiry {
		return func() Inquiry {
			q := p.query(sel)
			return Inquiry{Page: &q}
		}
	}
	sum := func(sel selector) func() Inquiry {
		return func() Inquiry {
			q := p.query(sel)
			return Inquiry{Sum: &q, By: counted()}
		}
	}
	return []Case{
		{"newest_100", 100, page(func(*picker, *annal.Query) {})},
		{"action_day", 100, page(actionDay)},
		{"rare_identity", 100, page(rareIdentity)},
		{"request_id", 100, page(requestID)},
		{"prefix_failed_30d", 50, page(prefixFailed)},
		{"path_trail_30d", 50, func() Inquiry {
			e := p.sample()
			return p.trail(where(annal.ResourcePath, e.Resource.Path), e.Tenant, annal.Action, annal.ActorID)
		}},
		{"identity_trail_30d", 50, func() Inquiry {
			e := p.sample()
			return p.trail(where(annal.ActorID, e.Actor.ID), e.Tenant, annal.ResourcePath)
		}},
		{"summary_30d", 10, sum(oddMonth)},
		{"summary_90d", 5, sum(wholeSpan)},
		{"rare_text", 10, page(rareText)},
	}
}

// trail asks for the newest events that f selects, and for counts over the last
// 30 days of the log.
func (p *picker) trail(f annal.Filter, tenant string, by ...annal.Field) Inquiry {
	all := annal.Query{Tenants: []string{tenant}, Where: []annal.Filter{f}, Limit: pageLimit}
	recent := all
	recent.Since, recent.Until = p.gen.mix.End.Add(-month), p.gen.mix.End.Add(time.Second)
	return Inquiry{Page: &all, Sum: &recent, By: by}
}
