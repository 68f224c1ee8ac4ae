package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"annal"
)

// Reads of the log are not events of it. They go to a stream of their own, one
// event for each request of a known caller that only reads, whatever became of
// it. The stream does not note that it is read itself.

// An AccessLog keeps who has read what.
type AccessLog interface {
	// Note keeps e soon. It never blocks and never fails.
	Note(e annal.Event)
	Reader
}

// Actions in the access stream.
const (
	actionReadLog      = "audit.read"
	actionReadSettings = "config.read"
)

// Limits of what the access stream keeps of a request.
const (
	maxNotedQuery   = 8 << 10 // bytes of filters
	maxNotedTenants = 32      // tenants that are named; beyond, they are counted
)

// accessRoute is where the stream is read.
const accessRoute = "GET /v1/access"

// onAccess runs do over the access stream in place of the log, with the same
// tenants. What is older than the stream's retention is not shown.
func onAccess(do Verb) Verb {
	return func(c *Call) error {
		if c.s.Access == nil {
			return notFound("access_stream")
		}
		c.Reader = watched{narrowTo(recent{c.s.Access, c.s.accessStart}, c.visible), c}
		return do(c)
	}
}

// accessStart is the time before which notes have expired; zero: they do not.
func (s *server) accessStart() time.Time {
	if s.AccessRetention == 0 {
		return time.Time{}
	}
	return s.Now().Add(-s.AccessRetention)
}

// recent is a Reader of what has not expired, as far as lists show it.
type recent struct {
	Reader
	start func() time.Time
}

func (r recent) Search(ctx context.Context, q annal.Query) (annal.Page, error) {
	if start := r.start(); q.Since.Before(start) {
		q.Since = start
	}
	return r.Reader.Search(ctx, q)
}

// Missing knows nothing of what has expired.
func (r recent) Missing(q annal.Query) annal.Gaps {
	if start := r.start(); q.Since.Before(start) {
		q.Since = start
	}
	return r.Reader.Missing(q)
}

// noteAccess notes a call that was answered, if it is one that reads.
func (s *server) noteAccess(c *Call, d time.Duration) {
	reads := c.Method == http.MethodGet || c.Method == http.MethodHead
	if s.Access == nil || c.route == nil || c.Caller.Subject == "" || !reads || c.route.Pattern == accessRoute || c.dialect.Audits[c.route.Pattern] != "" {
		return
	}
	e := annal.Event{
		Time: s.Now().UTC(), Tenant: c.readTenant(), Actor: annal.Actor{ID: c.Caller.Subject}, Action: actionReadSettings,
		Resource: annal.Resource{Type: "route", ID: c.route.Pattern, Path: c.URL.EscapedPath()},
		Source:   annal.Source{IP: c.remoteIP(), UserAgent: c.UserAgent()},
		Request:  annal.Request{ID: c.id, Method: c.Method, Status: int32(c.status), Duration: min(max(d, 0), annal.MaxDuration)},
		Outcome:  outcomeOf(c.status),
	}
	if c.route.Scope == "audit:read" || c.route.Scope == "audit:export" {
		e.Action = actionReadLog
	}
	if e.Outcome != annal.Success {
		e.Severity = annal.Warning
	}
	for f := range annal.NumTexts {
		*e.Text(f) = strings.Clone(fit(f, *e.Text(f))) // notes wait in a queue, without the headers that they are of
	}
	e.Extra = c.readExtra()
	s.Access.Note(e)
}

// readTenant says whose access stream a read belongs to: the only tenant that it
// could see, else the caller's, else annal's.
func (c *Call) readTenant() string {
	switch {
	case len(c.visible) == 1:
		return c.visible[0]
	case c.Caller.Tenant != "":
		return c.Caller.Tenant
	}
	return OwnTenant
}

// readExtra says what was asked, over which tenants, and how many events were
// answered.
func (c *Call) readExtra() string {
	extra := map[string]any{"rows": c.rows.Load(), "query": c.notedQuery()}
	switch {
	case c.visible == nil:
		extra["tenants"] = "all"
	case len(c.visible) > maxNotedTenants:
		extra["tenants"] = len(c.visible)
	default:
		extra["tenants"] = c.visible
	}
	if c.Caller.TokenID != "" {
		extra["caller_id"] = c.Caller.TokenID
	}
	b, err := json.Marshal(extra, json.Deterministic(true))
	if err != nil {
		panic("api: an access note that is no JSON: " + err.Error())
	}
	return string(b)
}

// notedQuery is the filters as given. Cursors say nothing to a reader, and what
// cannot be read is only measured.
func (c *Call) notedQuery() map[string]any {
	raw := c.URL.RawQuery
	given, err := parseQuery(raw)
	if err != nil || len(raw) > maxNotedQuery {
		return map[string]any{"unread_bytes": len(raw)}
	}
	query := map[string]any{}
	for name, values := range given {
		switch {
		case name == "cursor":
			query["continued"] = true
		case len(values) == 1:
			query[name] = values[0]
		default:
			query[name] = strings.Join(values, " & ")
		}
	}
	return query
}
