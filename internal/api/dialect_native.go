package api

import (
	"net/http"

	"annal"
)

// Native times: what emitters give is shown in full, what the log assigns in µs.
const nativeDigits = 9

// valuesLimit is how many distinct values are listed when no number is given.
const valuesLimit = 100

// native is annal's own spelling, which the command line and the UI use.
func native() Dialect {
	page := nativeParams(nativeFilters(), map[string]Param{
		"order": single(order), "limit": limitTo(annal.MaxPage), "cursor": single(cursor), "count": single(count),
	})
	page.Limit = 100
	endless := nativeParams(nativeFilters(), map[string]Param{
		"order": single(order), "limit": limitTo(1 << 62), "cursor": single(cursor),
	})
	distinct := nativeParams(nativeFilters(), map[string]Param{"limit": limitTo(annal.MaxGroups)})
	distinct.Limit = valuesLimit
	counted := nativeParams(nativeFilters(), map[string]Param{
		"breakdown": fieldsInto(func(a *annal.Aggregation) *[]annal.Field { return &a.Breakdown }),
		"top":       fieldsInto(func(a *annal.Aggregation) *[]annal.Field { return &a.Top }),
		"distinct":  fieldsInto(func(a *annal.Aggregation) *[]annal.Field { return &a.Distinct }),
		"interval":  single(interval),
	})
	followed := nativeParams(nativeFilters(), map[string]Param{"position": single(position)})
	audits := tenantAudits()
	audits["POST /v1/events"], audits["POST /v1/tokens"], audits["DELETE /v1/tokens/{id}"] = itself, "token.created", "token.revoked"
	return Dialect{
		Name: "native", BadParam: http.StatusBadRequest, ErrorType: "application/problem+json", Fail: nativeFail,
		Audits: audits,
		Routes: append(tenantRoutes(), []Route{
			{"GET /v1/events", "audit:read", 200, byAccept(
				offer{[]string{"application/json"}, list(page, showNativePage)},
				offer{[]string{"application/x-ndjson", "application/ndjson", "application/jsonl"}, stream(endless, ndjson())},
				offer{[]string{"text/csv"}, stream(endless, table())},
			)},
			{"POST /v1/events", "audit:write", 200, receive(FormatNative)},
			{"GET /v1/events/{id}", "audit:read", 200, get(showNativeEvent)},
			{"GET /v1/events/summary", "audit:read", 200, summarize(counted, nativeCounts(), showNativeSummary)},
			{"GET /v1/events/values/{field}", "audit:read", 200, values(distinct, showNativeValues)},
			{"GET /v1/events/tail", "audit:read", 200, tail(followed)},
			{"GET /v1/openapi.yaml", "", 200, showDocument},
			{"GET /v1/docs", "", 200, showReference},
			{accessRoute, "audit:admin", 200, onAccess(list(page, showNativePage))},
			{"GET /v1/tokens", "audit:admin", 200, listTokens},
			{"POST /v1/tokens", "audit:admin", 201, createToken},
			{"DELETE /v1/tokens/{id}", "audit:admin", 200, revokeToken},
		}...),
	}
}

// nativeFilters has every field by its name, and by its name with "!" for
// everything else. Values may be separated by commas where the field's own
// values hold none.
func nativeFilters() map[string]Param {
	names := map[string]Param{
		"from": single(since), "to": single(until), "text": single(words), "path_prefix": under(annal.ResourcePath),
	}
	for f := range annal.NumFields {
		for suffix, param := range map[string]Param{"": is(f), "!": isNot(f)} {
			if isSet(f) {
				param = listed(param)
			}
			names[f.String()+suffix] = param
		}
	}
	return names
}

// isSet reports whether values of f hold no commas.
func isSet(f annal.Field) bool {
	switch f {
	case annal.Tenant, annal.Action, annal.ActorType, annal.ResourceType, annal.SourceIP, annal.Method,
		annal.ResultOutcome, annal.SeverityLevel, annal.Status:
		return true
	}
	return false
}

func nativeParams(filters, others map[string]Param) Params {
	for name, param := range others {
		filters[name] = param
	}
	return Params{Strict: true, Names: filters}
}

// nativeCounts is what a summary counts when it is not told.
func nativeCounts() annal.Aggregation {
	return annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}}
}

func showNativePage(c *Call, q *annal.Query, page *annal.Page) {
	w := &c.out
	w.open('{')
	w.name("events")
	w.open('[')
	for i := range page.Events {
		w.separate()
		w.b = page.Events[i].AppendJSON(w.b)
	}
	w.close(']')
	c.appendNext(q, page)
	if q.Count {
		w.uintMember("total", page.Total)
	}
	c.appendMissing()
	w.close('}')
}

func showNativeEvent(c *Call, e *annal.Event) { c.out.b = e.AppendJSON(c.out.b) }

func showNativeSummary(c *Call, a *annal.Aggregation, s *annal.Summary) {
	w := &c.out
	w.open('{')
	w.uintMember("total", s.Total)
	w.name("outcomes")
	w.open('{')
	for o, n := range s.Outcomes {
		w.uintMember(annal.Outcome(o).String(), n)
	}
	w.close('}')
	w.timeMember("first", s.First, nativeDigits)
	w.timeMember("last", s.Last, nativeDigits)
	appendNativeGroups(w, "breakdown", a.Breakdown, s.Breakdown)
	appendNativeGroups(w, "top", a.Top, s.Top)
	w.name("distinct")
	w.open('{')
	for _, f := range a.Distinct {
		w.uintMember(f.String(), s.Distinct[f])
	}
	w.close('}')
	if a.Interval > 0 {
		w.name("histogram")
		w.open('[')
		for i := range s.Histogram {
			b := &s.Histogram[i]
			w.open('{')
			w.timeMember("start", b.Start, 0)
			w.uintMember("count", b.N)
			w.uintMember("failed", b.Failed)
			w.close('}')
		}
		w.close(']')
	}
	c.appendMissing()
	w.close('}')
}

func appendNativeGroups(w *writer, name string, fields []annal.Field, groups map[annal.Field][]annal.Count) {
	w.name(name)
	w.open('{')
	for _, f := range fields {
		w.name(f.String())
		appendNativeCounts(w, groups[f])
	}
	w.close('}')
}

func appendNativeCounts(w *writer, counts []annal.Count) {
	w.open('[')
	for i := range counts {
		w.open('{')
		w.textMember("value", counts[i].Value)
		w.uintMember("count", counts[i].N)
		w.uintMember("failed", counts[i].Failed)
		w.close('}')
	}
	w.close(']')
}

func showNativeValues(c *Call, f annal.Field, counts []annal.Count, more bool) {
	w := &c.out
	w.open('{')
	w.textMember("field", f.String())
	w.name("values")
	appendNativeCounts(w, counts)
	w.boolMember("more", more)
	c.appendMissing()
	w.close('}')
}

// nativeFail writes problem details (RFC 9457).
func nativeFail(b []byte, f *Failure) []byte {
	w := &writer{b}
	w.open('{')
	w.textMember("type", "urn:annal:problem:"+f.Code)
	w.textMember("title", http.StatusText(f.Status))
	w.intMember("status", int64(f.Status))
	w.textMember("code", f.Code)
	w.textMember("detail", f.Message)
	w.textMember("request_id", f.RequestID)
	if len(f.Problems) > 0 {
		w.name("problems")
		w.open('[')
		for _, p := range f.Problems {
			w.open('{')
			if p.Index >= 0 {
				w.intMember("index", int64(p.Index))
			}
			w.given("field", p.Field)
			w.textMember("problem", p.Problem)
			w.close('}')
		}
		w.close(']')
	}
	if f.More > 0 {
		w.intMember("more", int64(f.More))
	}
	w.close('}')
	return w.b
}
