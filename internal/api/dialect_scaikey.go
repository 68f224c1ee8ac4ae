package api

import (
	"math/big"
	"net/http"
	"strconv"
	"time"

	"annal"
)

// ScaiKey shows times in microseconds.
const scaikeyDigits = 6

// Pages of ScaiKey: how many entries one has when no number is given, and at
// most. Guesses: the original says that there are pages, not how long.
const (
	scaikeyPage    = 50
	scaikeyMaxPage = 200
)

const scaikeyBase = "/api/v1/admin/audit/"

// scaiKey speaks ScaiKey's admin audit API, which FastAPI serves: numbered
// pages, statistics, and Pydantic's words for what is wrong.
func scaiKey() Dialect {
	none := Params{}
	return Dialect{
		Name: "scaikey", Bases: []string{scaikeyBase, "/api/v1/admin/audit"},
		BadParam: http.StatusUnprocessableEntity, ErrorType: "application/json", Fail: scaikeyFail,
		Audits: map[string]string{"POST " + scaikeyBase: itself},
		Routes: []Route{
			{"GET " + scaikeyBase, "audit:read", 200, forAuditors(pages(scaikeyPages(), scaikeyShape()))},
			{"POST " + scaikeyBase, "audit:write", 200, receive(FormatScaiKey)},
			{"GET " + scaikeyBase + "actions", "audit:read", 200, forAuditors(distinct(none, annal.Action, "actions"))},
			{"GET " + scaikeyBase + "resource-types", "audit:read", 200, forAuditors(distinct(none, annal.ResourceType, "resource_types"))},
			{"GET " + scaikeyBase + "stats", "audit:read", 200, forAuditors(scaikeyStats(scaikeyBounds()))},
			{"GET " + scaikeyBase + "{log_id}", "audit:read", 200, forAuditors(lookUp("audit_log", "log_id", showScaikeyEntry))},
		},
	}
}

// scaikeyOrder is the order in which the original declares its parameters.
func scaikeyOrder() []string {
	return []string{
		"page", "per_page", "tenant_id", "partner_id", "actor_id", "actor_email", "action", "resource_type",
		"resource_id", "result", "start_time", "end_time", "ip_address",
	}
}

// scaikeyBounds are the parameters of the statistics.
func scaikeyBounds() Params {
	return Params{Begin: "start_time", End: "end_time", Names: map[string]Param{
		"tenant_id":  lastOf("tenant_id", textOf(annal.Tenant, ofTenant)),
		"start_time": lastOf("start_time", pydanticBound(func(a *Ask, t time.Time) { a.Since = t })),
		"end_time":   lastOf("end_time", pydanticBound(setUntil)),
	}}
}

func scaikeyPages() Params {
	p := scaikeyBounds()
	p.Limit = scaikeyPage
	one := big.NewInt(1)
	p.Names["page"] = lastOf("page", wholeBetween(one, nil, func(a *Ask, n *big.Int) { a.page = n }))
	p.Names["per_page"] = lastOf("per_page", wholeBetween(one, big.NewInt(scaikeyMaxPage), func(a *Ask, n *big.Int) { a.Limit = int(n.Int64()) }))
	p.Names["partner_id"] = lastOf("partner_id", textOf(annal.Tenant, ofPartner))
	p.Names["result"] = lastOf("result", textOf(annal.Action, scaikeyResult))
	for name, fields := range map[string][]annal.Field{
		"actor_id": {annal.ActorID}, "actor_email": {annal.ActorEmail}, "action": {annal.Action}, "resource_type": {annal.ResourceType},
		"resource_id": {annal.ResourcePath, annal.ResourceID}, "ip_address": {annal.SourceIP}, // see scaikeyResource
	} {
		p.Names[name] = lastOf(name, textOf(fields[0], func(a *Ask, v string) {
			a.Where = append(a.Where, annal.Filter{Fields: fields, Values: []string{v}})
		}))
	}
	return p
}

// pydanticBound reads a date-time.
func pydanticBound(set func(a *Ask, t time.Time)) func(a *Ask, name, v string) {
	return func(a *Ask, name, v string) {
		t, problem := pydanticTime(v)
		if problem != nil {
			problem.name, problem.input = name, v
			a.refuse(*problem)
			return
		}
		set(a, t)
	}
}

// setUntil takes t as the last time, which is included.
func setUntil(a *Ask, t time.Time) { a.through(t) }

// scaikeyResult matches how an action ended: it succeeded or it did not.
// Nothing ends in any other way.
func scaikeyResult(a *Ask, v string) {
	ended := annal.Filter{Fields: []annal.Field{annal.ResultOutcome}}
	switch v {
	case "success":
		ended.Values = []string{annal.Success.String()}
	case "failure":
		ended.Values, ended.Not = []string{annal.Success.String()}, true
	}
	a.Where = append(a.Where, ended)
}

func scaikeyResultOf(o annal.Outcome) string {
	if o == annal.Success {
		return "success"
	}
	return "failure"
}

// scaikeyShape is the page of the list. The envelope is a guess.
func scaikeyShape() pageShape {
	return pageShape{
		paging: []string{"page", "per_page"},
		offset: func(a *Ask) uint64 {
			if a.page == nil {
				return 0
			}
			before := new(big.Int).Sub(a.page, big.NewInt(1))
			if before.Mul(before, big.NewInt(int64(a.Limit))); !before.IsUint64() {
				return 1 << 63
			}
			return before.Uint64()
		},
		open: func(w *writer, _ *numbered) {
			w.open('{')
			w.name("items")
			w.open('[')
		},
		entry: func(c *Call, e *annal.Event) {
			c.out.open('{')
			c.appendScaikeyEntry(e)
			c.out.close('}')
		},
		close: func(w *writer, p *numbered) {
			w.close(']')
			w.uintMember("total", p.total)
			w.name("page")
			if p.page == nil {
				w.raw("1")
			} else {
				w.raw(p.page.String())
			}
			w.intMember("per_page", int64(p.Limit))
			w.uintMember("pages", (p.total+uint64(p.Limit)-1)/uint64(p.Limit))
			w.close('}')
		},
	}
}

// appendScaikeyEntry writes the members that every entry has.
func (c *Call) appendScaikeyEntry(e *annal.Event) {
	w := &c.out
	w.textMember("id", e.ID.UUID())
	w.timeMember("timestamp", e.Time, scaikeyDigits)
	w.textMember("tenant_id", e.Tenant)
	w.textOrNull("partner_id", c.s.Auth.PartnerOf(e.Tenant))
	w.textOrNull("actor_id", e.Actor.ID)
	w.textOrNull("actor_email", e.Actor.Email)
	w.textOrNull("actor_type", e.Actor.Type)
	w.textMember("action", e.Action)
	w.textOrNull("resource_type", e.Resource.Type)
	w.textOrNull("resource_id", scaikeyResource(e))
	w.textOrNull("resource_name", e.Resource.Name)
	w.textMember("result", scaikeyResultOf(e.Outcome))
	w.textOrNull("ip_address", e.Source.IP)
	w.textOrNull("user_agent", e.Source.UserAgent)
	w.name("details")
	if e.Extra == "" {
		w.raw("{}")
	} else {
		w.raw(e.Extra)
	}
}

// scaikeyResource is the id of what was acted upon; events of other dialects
// have a path instead.
func scaikeyResource(e *annal.Event) string {
	if e.Resource.ID != "" {
		return e.Resource.ID
	}
	return e.Resource.Path
}

// showScaikeyEntry shows one entry with all that is known of it.
func showScaikeyEntry(c *Call, e *annal.Event) {
	w := &c.out
	w.open('{')
	c.appendScaikeyEntry(e)
	w.textOrNull("request_id", e.Request.ID)
	w.textOrNull("session_id", e.Session)
	w.name("http")
	w.open('{')
	w.textOrNull("method", e.Request.Method)
	w.name("status")
	if e.Request.Status == 0 {
		w.raw("null")
	} else {
		w.int(int64(e.Request.Status))
	}
	w.name("duration_ms")
	if e.Request.Duration == 0 {
		w.raw("null")
	} else {
		w.separate()
		w.b = annal.AppendNumber(w.b, annal.Milliseconds(e.Request.Duration))
	}
	w.close('}')
	w.textOrNull("error_code", e.ErrorCode)
	w.uintMember("seq", e.Seq)
	w.close('}')
}

// scaikeyFail writes FastAPI's errors: a list of what is wrong with the input,
// else one sentence, in FastAPI's own words where it has some.
func scaikeyFail(b []byte, f *Failure) []byte {
	w := &writer{b}
	w.open('{')
	w.name("detail")
	switch {
	case len(f.details) > 0:
		w.open('[')
		appendDetails(w, f.details, scaikeyOrder())
		w.close(']')
	case len(f.Problems) > 0 && f.Status == http.StatusUnprocessableEntity:
		w.open('[')
		for i := range f.Problems {
			appendScaikeyProblem(w, &f.Problems[i])
		}
		w.close(']')
	default:
		w.text(scaikeyWords(f))
	}
	w.close('}')
	return w.b
}

// appendScaikeyProblem writes a problem that Pydantic has no words for: one
// that a validator of the server's own would find.
func appendScaikeyProblem(w *writer, p *annal.Problem) {
	w.open('{')
	w.textMember("type", "value_error")
	w.name("loc")
	w.open('[')
	if p.Index >= 0 {
		w.text("body")
		w.raw(strconv.Itoa(p.Index))
	} else {
		w.text("query")
	}
	if p.Field != "" {
		w.text(p.Field)
	}
	w.close(']')
	w.textMember("msg", "Value error, "+p.Problem)
	w.name("input")
	w.raw("null")
	w.name("ctx")
	w.raw(`{"error":{}}`)
	w.close('}')
}

func scaikeyWords(f *Failure) string {
	switch f.Code {
	case "not_found":
		return "Not Found"
	case "method_not_allowed":
		return "Method Not Allowed"
	case "authentication_required":
		return "Not authenticated"
	case "audit_log_not_found":
		return "Audit log not found"
	}
	return f.Message
}
