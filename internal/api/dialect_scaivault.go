package api

import (
	"net/http"
	"strconv"
	"time"

	"annal"
)

// scaiDigits is the precision of ScaiVault's times: always microseconds.
const scaiDigits = 6

// scaiVault speaks ScaiVault's /v1/audit: flat entries, opaque cursors.
func scaiVault() Dialect {
	p := scaiParams()
	bounds := Params{Names: map[string]Param{"from": p.Names["from"], "to": p.Names["to"]}}
	return Dialect{
		Name: "scaivault", Bases: []string{"/v1/audit/"},
		BadParam: http.StatusUnprocessableEntity, ErrorType: "application/json", Fail: scaiFail,
		Audits: map[string]string{"POST /v1/audit/logs": itself},
		Routes: []Route{
			{"GET /v1/audit/logs", "audit:read", 200, list(p, showScaiPage)},
			{"POST /v1/audit/logs", "audit:write", 200, receive(FormatScaiVault)},
			{"GET /v1/audit/secrets/{path...}", "audit:read", 200, trail(p, "path", annal.ResourcePath, scaiSecretCounts(), showScaiSecret)},
			{"GET /v1/audit/identities/{identity_id...}", "audit:read", 200, trail(p, "identity_id", annal.ActorID, scaiIdentityCounts(), showScaiIdentity)},
			{"GET /v1/audit/summary", "audit:read", 200, summarize(bounds, scaiSummaryCounts(), showScaiSummary)},
			{"GET /v1/health", "", 200, health},
			{"GET /v1/health/ready", "", 200, ready},
		},
	}
}

func scaiParams() Params {
	return Params{Limit: 100, Names: map[string]Param{
		"from":          filled(single(since)),
		"to":            filled(single(until)),
		"action":        filled(listed(is(annal.Action))),
		"identity_id":   filled(oneValue(is(annal.ActorID))),
		"identity_type": filled(oneValue(only(is(annal.ActorType), "user", "service_account", "group"))),
		"path_prefix":   filled(oneValue(under(annal.ResourcePath))),
		"success":       filled(single(succeeded)),
		"source_ip":     filled(oneValue(is(annal.SourceIP))),
		"request_id":    filled(oneValue(is(annal.RequestID))),
		"limit":         filled(limitTo(annal.MaxPage)),
		"cursor":        filled(single(cursor)),
	}}
}

// Counts that the answers need. One more than the ten that are shown, for the
// absent value is not shown.

func scaiSummaryCounts() annal.Aggregation {
	return annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Top: []annal.Field{annal.ActorID, annal.ResourcePath}, TopN: scaiTop + 1}
}

func scaiSecretCounts() annal.Aggregation {
	return annal.Aggregation{Breakdown: []annal.Field{annal.Action}, Distinct: []annal.Field{annal.ActorID}, Last: true}
}

func scaiIdentityCounts() annal.Aggregation {
	return annal.Aggregation{Distinct: []annal.Field{annal.ResourcePath}}
}

const scaiTop = 10

// appendScaiEntry writes one entry.
func appendScaiEntry(w *writer, e *annal.Event) {
	w.open('{')
	w.name("id")
	w.b = append(e.ID.AppendTo(append(w.b, '"')), '"')
	w.timeMember("timestamp", e.Time, scaiDigits)
	w.textMember("action", e.Action)
	w.textMember("secret_path", e.Resource.Path)
	w.textMember("identity_type", e.Actor.Type)
	w.textMember("identity_id", e.Actor.ID)
	w.textMember("source_ip", e.Source.IP)
	w.textMember("user_agent", e.Source.UserAgent)
	w.boolMember("success", e.Outcome == annal.Success)
	w.intMember("duration_ms", e.Request.Duration.Milliseconds())
	w.textMember("request_id", e.Request.ID)
	w.textMember("tenant_id", e.Tenant)
	w.given("session_id", e.Session)
	w.given("method", e.Request.Method)
	if e.Request.Status != 0 {
		w.intMember("status", int64(e.Request.Status))
	}
	w.given("error_code", e.ErrorCode)
	w.name("extra_data")
	if e.Extra == "" {
		w.raw("{}")
	} else {
		w.raw(e.Extra)
	}
	w.close('}')
}

// appendScaiPage writes the members that every page has.
func (c *Call) appendScaiPage(q *annal.Query, page *annal.Page) {
	w := &c.out
	w.name("logs")
	w.open('[')
	for i := range page.Events {
		appendScaiEntry(w, &page.Events[i])
	}
	w.close(']')
	c.appendNext(q, page)
}

// appendNext writes where the next page begins: "cursor" and "has_more".
func (c *Call) appendNext(q *annal.Query, page *annal.Page) {
	w := &c.out
	w.name("cursor")
	if page.Next == nil {
		w.raw("null")
	} else {
		w.b = append(c.s.appendCursor(append(w.b, '"'), q, page), '"')
	}
	w.boolMember("has_more", page.Next != nil)
}

func showScaiPage(c *Call, q *annal.Query, page *annal.Page) {
	c.out.open('{')
	c.appendScaiPage(q, page)
	c.out.close('}')
}

// showScaiSecret counts every read and write, also those that were refused: a
// guess, for the original does not say.
func showScaiSecret(c *Call, q *annal.Query, page *annal.Page, s *annal.Summary) {
	var reads, writes annal.Count
	for _, n := range s.Breakdown[annal.Action] {
		switch n.Value {
		case "read":
			reads = n
		case "write":
			writes = n
		}
	}
	w := &c.out
	w.open('{')
	w.textMember("secret_path", c.PathValue("path"))
	c.appendScaiPage(q, page)
	w.name("summary")
	w.open('{')
	w.uintMember("total_reads_30d", reads.N)
	w.uintMember("total_writes_30d", writes.N)
	w.uintMember("unique_accessors_30d", s.Distinct[annal.ActorID])
	w.timeMember("last_read", reads.Last, scaiDigits)
	w.timeMember("last_write", writes.Last, scaiDigits)
	w.close('}')
	w.close('}')
}

func showScaiIdentity(c *Call, q *annal.Query, page *annal.Page, s *annal.Summary) {
	last := s.Last
	if s.Total == 0 {
		last = time.Time{}
	}
	w := &c.out
	w.open('{')
	w.textMember("identity_id", c.PathValue("identity_id"))
	c.appendScaiPage(q, page)
	w.name("summary")
	w.open('{')
	w.uintMember("total_actions_30d", s.Total)
	w.uintMember("secrets_accessed_30d", s.Distinct[annal.ResourcePath])
	w.timeMember("last_activity", last, scaiDigits)
	w.close('}')
	w.close('}')
}

func showScaiSummary(c *Call, _ *annal.Aggregation, s *annal.Summary) {
	w := &c.out
	w.open('{')
	w.uintMember("total_events", s.Total)
	w.uintMember("successful_events", s.Total-s.Failed())
	w.uintMember("failed_events", s.Failed())
	w.name("actions_breakdown")
	w.open('{')
	for _, n := range s.Breakdown[annal.Action] {
		w.key(n.Value)
		w.uint(n.N)
	}
	w.close('}')
	appendScaiTop(w, "top_identities", "identity_id", s.Top[annal.ActorID])
	appendScaiTop(w, "top_resources", "path", s.Top[annal.ResourcePath])
	w.close('}')
}

func appendScaiTop(w *writer, name, member string, counts []annal.Count) {
	w.name(name)
	w.open('[')
	shown := 0
	for _, n := range counts {
		if n.Value == "" || shown == scaiTop {
			continue
		}
		shown++
		w.open('{')
		w.textMember(member, n.Value)
		w.uintMember("count", n.N)
		w.close('}')
	}
	w.close(']')
}

// scaiFail writes ScaiVault's error envelope. That details.fields maps each
// field to what is wrong with it, the events of a batch as events[3].action, is
// a guess.
func scaiFail(b []byte, f *Failure) []byte {
	w := &writer{b}
	w.open('{')
	w.name("error")
	w.open('{')
	w.textMember("code", f.Code)
	w.textMember("message", f.Message)
	w.name("details")
	w.open('{')
	if len(f.Problems) > 0 {
		w.name("fields")
		w.open('{')
		written := map[string]bool{}
		for _, p := range f.Problems {
			if at := scaiField(&p); !written[at] {
				written[at] = true
				w.key(at)
				w.text(p.Problem)
			}
		}
		w.close('}')
	}
	if f.More > 0 {
		w.intMember("more", int64(f.More))
	}
	w.close('}')
	w.textMember("request_id", f.RequestID)
	w.close('}')
	w.close('}')
	return w.b
}

// scaiField names what a problem is about.
func scaiField(p *annal.Problem) string {
	switch {
	case p.Index < 0 && p.Field == "":
		return "request"
	case p.Index < 0:
		return p.Field
	case p.Field == "":
		return "events[" + strconv.Itoa(p.Index) + "]"
	}
	return "events[" + strconv.Itoa(p.Index) + "]." + p.Field
}
