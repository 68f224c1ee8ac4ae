package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"annal"
)

// annal audits itself: whatever a route changes becomes an event of the log. The
// dialect's table names the event ([Dialect.Audits]), the verb tells what
// changed ([Call.note]), and [server.audited] writes it, so that a verb that
// says nothing is recorded all the same.

// OwnTenant gets the events of annal itself that concern no tenant. Nobody else
// writes to it.
const OwnTenant = "annal"

// itself stands in [Dialect.Audits] for routes whose input is events: what they
// take in is its own record.
const itself = "-"

// NoStatus in a [Change] leaves the event without a status.
const NoStatus = -1

// A Change is what one of annal's own events says beyond who made the request
// and from where.
type Change struct {
	Action    string         // "": as the dialect's table says
	Tenant    string         // whom it concerns; "": the caller's, or none
	Actor     annal.Actor    // who, where the request has no caller yet, as at a login
	Resource  annal.Resource // Path "": the request's, as in "config:siem:main"
	Outcome   annal.Outcome  // Success: as the verb ended
	Status    int            // 0: the answer's; or NoStatus
	ErrorCode string         // "": the answer's
	Message   string
	Old, New  any // what was and what is, as JSON; never with secrets
}

// note says what the verb has changed, or tried to. The event is written when
// the verb has ended, before its answer is sent.
func (c *Call) note(ch Change) { c.changes = append(c.changes, ch) }

// remoteIP is the address that the request came from.
func (c *Call) remoteIP() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// audited runs do and records what it changed. While an earlier change waits to
// be recorded, no further one is made. A change that cannot be recorded is
// answered with 503 whatever became of it, is written to the server's own log in
// full, and is the first thing that the log gets when it works again.
func (s *server) audited(c *Call, do func() error) error {
	action := c.dialect.Audits[c.route.Pattern]
	if action == "" || action == itself {
		return do()
	}
	if err := s.own.catchUp(c.ctx, s); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			_ = c.recordChanges(action, errors.New("panic")) // how far it came is unknown
			panic(p)
		}
	}()
	err := do()
	if failed := c.recordChanges(action, err); failed != nil {
		return failed
	}
	return err
}

// recordChanges writes what the verb noted, or at least that there was a
// request; err is how the verb ended.
func (c *Call) recordChanges(action string, err error) error {
	if len(c.changes) == 0 {
		if err != nil && c.Caller.Subject == "" {
			return nil // nobody has done nothing
		}
		c.note(Change{})
	}
	events := make([]annal.Event, len(c.changes))
	for i := range events {
		events[i] = c.ownEvent(action, &c.changes[i], err)
	}
	return c.s.own.record(c.ctx, c.s, events)
}

// ownEvent spells a change as an event; err is how the verb ended.
func (c *Call) ownEvent(action string, ch *Change, err error) annal.Event {
	e := annal.Event{
		Time: c.s.Now().UTC(), Tenant: c.concerned(ch), Actor: ch.Actor, Action: ch.Action, Resource: ch.Resource,
		Outcome: ch.Outcome, ErrorCode: ch.ErrorCode, Message: ch.Message,
		Source:  annal.Source{IP: c.remoteIP(), UserAgent: c.UserAgent()},
		Request: annal.Request{ID: c.id, Method: c.Method, Status: int32(c.route.Status)},
	}
	if err != nil {
		f := statusOf(err, c.dialect)
		e.Request.Status = int32(f.Status)
		if e.Outcome == annal.Success {
			e.Outcome = outcomeOf(f.Status)
		}
		if e.ErrorCode == "" {
			e.ErrorCode = f.Code
		}
	}
	switch ch.Status {
	case 0:
	case NoStatus:
		e.Request.Status = 0
	default:
		e.Request.Status = int32(ch.Status)
	}
	if e.Action == "" {
		e.Action = action
	}
	if e.Actor.ID == "" {
		e.Actor.ID = c.Caller.Subject
	}
	if e.Actor.ID == "" {
		e.Actor.ID = "anonymous"
	}
	if e.Resource.Path == "" {
		e.Resource.Path = c.ownPath()
	}
	if e.Message == "" {
		e.Message = ownMessage(&e)
	}
	e.Severity = annal.Info
	if e.Outcome != annal.Success {
		e.Severity = annal.Warning
	}
	for f := range annal.NumTexts {
		*e.Text(f) = fit(f, *e.Text(f))
	}
	e.Extra = c.ownExtra(ch)
	return e
}

// ownMessage puts a change into words: "token created: ada".
func ownMessage(e *annal.Event) string {
	text := strings.NewReplacer(".", " ", "_", " ").Replace(e.Action)
	if e.Outcome != annal.Success {
		text += " (" + e.Outcome.String() + ")"
	}
	return text + ": " + cmp.Or(e.Resource.Name, e.Resource.Path)
}

// outcomeOf tells how a request ended by the status of its answer.
func outcomeOf(status int) annal.Outcome {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return annal.Denied
	case status >= http.StatusInternalServerError:
		return annal.Error
	case status >= http.StatusBadRequest:
		return annal.Failure
	}
	return annal.Success
}

// concerned says whose log the event of a change belongs to.
func (c *Call) concerned(ch *Change) string {
	switch {
	case ch.Tenant != "":
		return ch.Tenant
	case c.Caller.Tenant != "":
		return c.Caller.Tenant
	case c.tenant != "" && c.Caller.Subject != "":
		if t, err := c.s.Auth.SeeTenant(&c.Caller, c.tenant); err == nil {
			return t.ID
		}
	}
	return OwnTenant
}

// ownPath is the request's path as DSV's catalogue of events spells it:
// /v1/config/siem/main is config:siem:main.
func (c *Call) ownPath() string {
	path, _ := tenantPrefix(c.URL.EscapedPath())
	path = strings.Trim(strings.TrimPrefix(path, "/v1/"), "/")
	return strings.ReplaceAll(path, "/", ":")
}

// ownExtra holds what changed and with what credential.
func (c *Call) ownExtra(ch *Change) string {
	extra := map[string]any{}
	if ch.Old != nil {
		extra["old"] = ch.Old
	}
	if ch.New != nil {
		extra["new"] = ch.New
	}
	if c.Caller.TokenID != "" {
		extra["caller_id"] = c.Caller.TokenID
	}
	if len(extra) == 0 {
		return ""
	}
	b, err := json.Marshal(extra, json.Deterministic(true))
	if err != nil {
		panic("api: a change that is no JSON: " + err.Error())
	}
	return string(b)
}

// fit cuts a text to what its field holds.
func fit(f annal.Field, text string) string {
	text = strings.ToValidUTF8(text, "?")
	if most := annal.Fields[f].Max; len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// recorder writes annal's own events and keeps those that the log did not take.
type recorder struct {
	mu      sync.Mutex
	pending []annal.Event
}

// errUnrecorded answers changes whose event the log did not take.
var errUnrecorded = &fault{
	status: http.StatusServiceUnavailable, code: "not_recorded", retry: retryUnavailable,
	message: "the change may have been made, but could not be recorded yet; look before you repeat it",
}

// catchUp writes what is pending, or says that nothing may be changed yet.
func (r *recorder) catchUp(ctx context.Context, s *server) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return nil
	}
	if err := s.writeOwn(ctx, r.pending); err != nil {
		return annal.ErrUnavailable
	}
	r.pending = nil
	return nil
}

// record writes events, which all belong to one request. It does not give up
// because the client did: what was changed stays changed.
func (r *recorder) record(ctx context.Context, s *server, events []annal.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.QueryTimeout)
	defer cancel()
	err := s.writeOwn(ctx, events)
	if err == nil {
		return nil
	}
	r.mu.Lock()
	r.pending = append(r.pending, events...)
	r.mu.Unlock()
	for i := range events {
		s.Logger.LogAttrs(ctx, slog.LevelError, "a change was not recorded yet",
			slog.String("event", string(events[i].AppendCanonical(nil))), slog.Any("error", err))
	}
	return errUnrecorded
}

// writeOwn brings events into the log by the way that all events take: limits
// and the removal of secrets hold for them too. Should they be refused, they are
// written without what they say of the change.
func (s *server) writeOwn(ctx context.Context, events []annal.Event) error {
	err := s.receiveOwn(ctx, events)
	var invalid *annal.InvalidError
	if errors.As(err, &invalid) {
		s.Logger.LogAttrs(ctx, slog.LevelError, "an event of annal's own is not valid", slog.Any("error", err))
		bare := slices.Clone(events)
		for i := range bare {
			bare[i].Tenant, bare[i].Extra = OwnTenant, `{"unrecorded":"what changed did not fit"}`
		}
		err = s.receiveOwn(ctx, bare)
	}
	return err
}

func (s *server) receiveOwn(ctx context.Context, events []annal.Event) error {
	var body []byte
	for i := range events {
		body = append(events[i].AppendCanonical(body), '\n')
	}
	_, err := s.Ingest.Receive(ctx, IngestRequest{Body: body, Format: FormatNative, Tenant: OwnTenant})
	if err != nil {
		return fmt.Errorf("record a change: %w", err)
	}
	// Every other tenant of such events is known, or was deleted a moment ago.
	if slices.ContainsFunc(events, func(e annal.Event) bool { return e.Tenant == OwnTenant }) {
		if err := s.Auth.Register([]string{OwnTenant}); err != nil {
			s.Logger.LogAttrs(ctx, slog.LevelError, "tenants not registered", slog.Any("error", err))
		}
	}
	return nil
}
