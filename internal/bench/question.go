package bench

import (
	"strings"
	"time"

	"annal"
)

// A question is one kind of request that is timed, with other values each time.
type question struct {
	key    string // its figures begin so
	repeat int
	make   func(*picker) ask
}

// An ask is one request and what its answer must be.
type ask struct {
	path   string // with parameters
	tenant string
	check  func(*answer) error // says what is wrong with the answer
	probes []*probe            // what check needs from the reference

	// later is the same as the last of probes as of the moment of the answer,
	// for questions about the last 30 days of the server's clock; else nil.
	later *probe
}

// Limits that the questions use.
const (
	pageLimit  = 100
	topEntries = 10
	month      = 30 * 24 * time.Hour
	day        = 24 * time.Hour
)

// A picker chooses the values that questions are asked with: those of random
// events of the log, so that frequent values are asked for more often.
type picker struct {
	gen    *Generator
	events uint64 // that are in the log
	dice   dice
	ids    []knownID
	rare   map[string]bool // the less active half of the identities
}

func newPicker(g *Generator, events uint64) *picker {
	p := &picker{gen: g, events: events, dice: dice(g.mix.Seed), rare: map[string]bool{}}
	for _, id := range g.identities[len(g.identities)/2:] {
		p.rare[id.actor.ID] = true
	}
	return p
}

// A knownID is the id that the log gave to an event.
type knownID struct {
	id     string
	tenant string
	index  uint64
}

func (p *picker) sample() *annal.Event {
	var e annal.Event
	p.gen.Event(p.dice.next()%p.events, &e)
	return &e
}

// rareActor returns an event of an identity that seldom acts.
func (p *picker) rareActor() *annal.Event {
	const tries = 1000
	for range tries {
		if e := p.sample(); p.rare[e.Actor.ID] {
			return e
		}
	}
	return p.sample()
}

// questions are Q1 to Q10 of the storage design, in annal's own spelling and,
// where that has one, in ScaiVault's.
func questions() []question {
	return []question{
		{"newest_100", 300, nativePage(func(p *picker, q *annal.Query) {})},
		{"action_day", 300, nativePage(actionDay)},
		{"rare_identity", 300, nativePage(rareIdentity)},
		{"request_id", 300, nativePage(requestID)},
		{"prefix_failed_30d", 200, nativePage(prefixFailed)},
		{"rare_text", 100, nativePage(rareText)},
		{"by_id", 300, byID},
		{"summary_30d", 50, nativeSummary(oddMonth)},
		{"summary_90d", 50, nativeSummary(wholeSpan)},
		{"path_trail_30d", 200, pathTrail},
		{"identity_trail_30d", 200, identityTrail},
		{"scaivault_newest_100", 300, scaiPage(func(p *picker, q *annal.Query) {})},
		{"scaivault_action_day", 300, scaiPage(actionDay)},
		{"scaivault_rare_identity", 300, scaiPage(rareIdentity)},
		{"scaivault_request_id", 300, scaiPage(requestID)},
		{"scaivault_prefix_failed_30d", 200, scaiPage(prefixFailed)},
		{"scaivault_summary_30d", 50, scaiSummary(oddMonth)},
		{"scaivault_summary_90d", 50, scaiSummary(wholeSpan)},
	}
}

// A selector narrows a query as one question does.
type selector func(p *picker, q *annal.Query)

func where(f annal.Field, values ...string) annal.Filter {
	return annal.Filter{Fields: []annal.Field{f}, Values: values}
}

func actionDay(p *picker, q *annal.Query) {
	e := p.sample()
	days := max(int(p.gen.mix.Span/day)-1, 1)
	q.Until = p.gen.mix.End.Add(-time.Duration(p.dice.below(days)) * day)
	q.Since = q.Until.Add(-day)
	q.Where = []annal.Filter{where(annal.Action, e.Action)}
}

func rareIdentity(p *picker, q *annal.Query) {
	e := p.rareActor()
	q.Tenants = []string{e.Tenant}
	q.Where = []annal.Filter{where(annal.ActorID, e.Actor.ID)}
}

func requestID(p *picker, q *annal.Query) {
	e := p.sample()
	q.Tenants = []string{e.Tenant}
	q.Where = []annal.Filter{where(annal.RequestID, e.Request.ID)}
}

func prefixFailed(p *picker, q *annal.Query) {
	e := p.sample()
	folder := e.Resource.Path[:strings.LastIndexByte(e.Resource.Path, '/')]
	q.Tenants = []string{e.Tenant}
	q.Since, q.Until = p.gen.mix.End.Add(-month), p.gen.mix.End
	q.Where = []annal.Filter{
		{Fields: []annal.Field{annal.ResourcePath}, Values: []string{folder}, Prefix: true},
		where(annal.ResultOutcome, annal.Failure.String(), annal.Denied.String(), annal.Error.String()),
	}
}

func rareText(p *picker, q *annal.Query) {
	q.Text = strings.ToLower(RareWord(p.dice.below(rareTickets)))
}

// oddMonth selects 30 days that begin and end within hours, so that sums kept
// by hour or day do not suffice.
func oddMonth(p *picker, q *annal.Query) {
	odd := time.Duration(1 + p.dice.below(int(3*time.Hour)))
	q.Until = p.gen.mix.End.Add(-odd)
	q.Since = q.Until.Add(-month + odd/2)
}

func wholeSpan(p *picker, q *annal.Query) {
	odd := time.Duration(1 + p.dice.below(int(day)))
	q.Since, q.Until = p.gen.mix.End.Add(-p.gen.mix.Span-day-odd), p.gen.mix.End.Add(time.Second)
}

// query builds what sel selects, within the tenant of a random event unless
// sel chooses another.
func (p *picker) query(sel selector) annal.Query {
	q := annal.Query{Limit: pageLimit, Tenants: []string{p.sample().Tenant}}
	sel(p, &q)
	return q
}

func nativePage(sel selector) func(*picker) ask {
	return func(p *picker) ask {
		q := p.query(sel)
		want := &probe{query: q, keep: q.Limit}
		return ask{
			path: "/v1/events?" + parameters(&q, nativeNames), tenant: q.Tenants[0], probes: []*probe{want},
			check: func(a *answer) error {
				return firstError(a.checkMore(want), a.checkPage(p, want, a.doc.Events, nativeEvent))
			},
		}
	}
}

func scaiPage(sel selector) func(*picker) ask {
	return func(p *picker) ask {
		q := p.query(sel)
		want := &probe{query: q, keep: q.Limit}
		return ask{
			path: "/v1/audit/logs?" + parameters(&q, scaiNames), tenant: q.Tenants[0], probes: []*probe{want},
			check: func(a *answer) error {
				return firstError(a.checkMore(want), a.checkPage(p, want, a.doc.Logs, scaiEvent))
			},
		}
	}
}

// counted are the fields whose values a summary counts.
func counted() []annal.Field {
	return []annal.Field{annal.Action, annal.ActorID, annal.ResourcePath}
}

func nativeSummary(sel selector) func(*picker) ask {
	return func(p *picker) ask {
		q := p.query(sel)
		want := &probe{query: q, fields: counted()}
		return ask{
			path: "/v1/events/summary?" + bounds(&q), tenant: q.Tenants[0], probes: []*probe{want},
			check: func(a *answer) error { return a.checkNativeSummary(want) },
		}
	}
}

func scaiSummary(sel selector) func(*picker) ask {
	return func(p *picker) ask {
		q := p.query(sel)
		want := &probe{query: q, fields: counted()}
		return ask{
			path: "/v1/audit/summary?" + bounds(&q), tenant: q.Tenants[0], probes: []*probe{want},
			check: func(a *answer) error { return a.checkScaiSummary(want) },
		}
	}
}

func byID(p *picker) ask {
	k := p.ids[p.dice.below(len(p.ids))]
	return ask{
		path: "/v1/events/" + k.id, tenant: k.tenant,
		check: func(a *answer) error { return nativeEvent(p.gen, k.index, a.body) },
	}
}

func pathTrail(p *picker) ask {
	e := p.sample()
	all, recent, later := trailProbes(e.Tenant, where(annal.ResourcePath, e.Resource.Path), annal.Action, annal.ActorID)
	return ask{
		path: "/v1/audit/secrets/" + e.Resource.Path, tenant: e.Tenant, probes: []*probe{all, recent}, later: later,
		check: func(a *answer) error {
			return firstError(a.checkTrail(p, all),
				either(a.checkPathSummary(recent), a.checkPathSummary(later)))
		},
	}
}

func identityTrail(p *picker) ask {
	e := p.sample()
	all, recent, later := trailProbes(e.Tenant, where(annal.ActorID, e.Actor.ID), annal.ResourcePath)
	return ask{
		path: "/v1/audit/identities/" + e.Actor.ID, tenant: e.Tenant, probes: []*probe{all, recent}, later: later,
		check: func(a *answer) error {
			return firstError(a.checkTrail(p, all),
				either(a.checkIdentitySummary(recent), a.checkIdentitySummary(later)))
		},
	}
}

// trailProbes ask for a trail, and for what its summary counts of the last 30
// days. The server's clock says when those began: between now and the answer.
func trailProbes(tenant string, f annal.Filter, fields ...annal.Field) (all, recent, later *probe) {
	q := annal.Query{Tenants: []string{tenant}, Where: []annal.Filter{f}}
	all = &probe{query: q, keep: pageLimit}
	q.Since = time.Now().Add(-month)
	return all, &probe{query: q, fields: fields}, &probe{query: q, fields: fields}
}

// either returns nil when one of two is.
func either(a, b error) error {
	if b == nil {
		return nil
	}
	return a
}
