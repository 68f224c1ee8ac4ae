package client

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"annal"
)

// Defaults and limits of a LogHandler.
const (
	DefaultQueue = 4096 // records that wait to be sent
	logBatch     = 1000 // records that one request carries at most
)

// errHandlerClosed refuses records after Close.
var errHandlerClosed = errors.New("the log handler is closed")

// A LogConfig says how a LogHandler turns records into events.
type LogConfig struct {
	Actor  annal.Actor  // who acts unless a record says so itself
	Action string       // what is done unless a record says so itself; "": "log"
	Tenant string       // "": as the token has it
	Level  slog.Leveler // the least level that is sent; nil: Info
	Queue  int          // 0: DefaultQueue
	Failed func(error)  // is told of records that could not be sent; nil: nobody is
}

// A LogHandler is a slog.Handler that ships records as events. The attributes
// actor, action, resource, outcome, session and request_id fill the fields of
// these names; all others become members of extra, groups as objects.
//
// Records wait in a bounded queue. When it is full, Handle waits for room: an
// audit trail with holes is worse than a slow program. Close sends what waits.
type LogHandler struct {
	shared *logQueue
	scope  []scoped // attributes of With, and groups
}

// scoped is one call of WithAttrs (attrs) or WithGroup (group).
type scoped struct {
	group string
	attrs []slog.Attr
}

// logQueue is what a handler and those derived from it have in common.
type logQueue struct {
	client *Client
	cfg    LogConfig
	events chan annal.Event
	done   chan struct{}
	mu     sync.RWMutex // held for reading while something is put into events
	closed bool
}

// NewLogHandler returns a handler that sends with c until it is closed.
func NewLogHandler(c *Client, cfg LogConfig) *LogHandler {
	if cfg.Action == "" {
		cfg.Action = "log"
	}
	if cfg.Level == nil {
		cfg.Level = slog.LevelInfo
	}
	if cfg.Queue <= 0 {
		cfg.Queue = DefaultQueue
	}
	if cfg.Failed == nil {
		cfg.Failed = func(error) {}
	}
	q := &logQueue{client: c, cfg: cfg, events: make(chan annal.Event, cfg.Queue), done: make(chan struct{})}
	go q.ship()
	return &LogHandler{shared: q}
}

// Close sends what waits and ends the handler and all derived from it. It
// returns early when ctx ends; sending then goes on in the background.
func (h *LogHandler) Close(ctx context.Context) error {
	q := h.shared
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.events)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ship sends what waits, as much at a time as there is.
func (q *logQueue) ship() {
	defer close(q.done)
	for first := range q.events {
		batch := append(make([]annal.Event, 0, logBatch), first)
	fill:
		for len(batch) < logBatch {
			select {
			case e, ok := <-q.events:
				if !ok {
					break fill
				}
				batch = append(batch, e)
			default:
				break fill
			}
		}
		if _, err := q.client.Append(context.Background(), batch); err != nil {
			q.cfg.Failed(err)
		}
	}
}

// Enabled reports whether records of this level are sent.
func (h *LogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.shared.cfg.Level.Level()
}

// WithAttrs returns a handler that adds attrs to every record.
func (h *LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &LogHandler{h.shared, append(slices.Clip(h.scope), scoped{attrs: attrs})}
}

// WithGroup returns a handler that puts further attributes into an object.
func (h *LogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &LogHandler{h.shared, append(slices.Clip(h.scope), scoped{group: name})}
}

// Handle queues a record. It waits for room until ctx ends.
func (h *LogHandler) Handle(ctx context.Context, r slog.Record) error {
	e, err := h.event(r)
	if err != nil {
		return err
	}
	q := h.shared
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return errHandlerClosed
	}
	select {
	case q.events <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *LogHandler) event(r slog.Record) (annal.Event, error) {
	cfg := &h.shared.cfg
	e := annal.Event{
		Time: r.Time.Round(0).UTC(), Tenant: cfg.Tenant, Actor: cfg.Actor, Action: cfg.Action, Message: r.Message,
		Severity: severityOf(r.Level),
	}
	if r.Time.IsZero() {
		e.Time = time.Time{}
	}
	extra := map[string]any{}
	into, outermost := extra, true
	for _, s := range h.scope {
		if s.group != "" {
			inner := map[string]any{}
			into[s.group], into, outermost = inner, inner, false
		}
		for _, a := range s.attrs {
			set(&e, into, outermost, a)
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		set(&e, into, outermost, a)
		return true
	})
	if len(extra) == 0 {
		return e, nil
	}
	b, err := json.Marshal(extra)
	e.Extra = string(b)
	return e, err
}

func severityOf(l slog.Level) annal.Severity {
	switch {
	case l >= slog.LevelError:
		return annal.Severe
	case l >= slog.LevelWarn:
		return annal.Warning
	}
	return annal.Info
}

// set puts one attribute where it belongs.
func set(e *annal.Event, extra map[string]any, outermost bool, a slog.Attr) {
	v := a.Value.Resolve()
	if outermost && setField(e, a.Key, v.String()) {
		return
	}
	switch v.Kind() {
	case slog.KindGroup:
		inner := extra
		if a.Key != "" {
			inner = map[string]any{}
			extra[a.Key] = inner
		}
		for _, member := range v.Group() {
			set(e, inner, false, member)
		}
	case slog.KindDuration, slog.KindTime:
		extra[a.Key] = v.String()
	default:
		extra[a.Key] = plain(v.Any())
	}
}

// plain returns v as JSON can show it; errors show what they say.
func plain(v any) any {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	return v
}

// setField fills the field that an attribute of this name stands for.
func setField(e *annal.Event, name, value string) bool {
	switch name {
	case "actor":
		e.Actor = annal.Actor{ID: value}
	case "action":
		e.Action = value
	case "resource":
		e.Resource.Path = value
	case "session":
		e.Session = value
	case "request_id":
		e.Request.ID = value
	case "outcome":
		o, ok := annal.ParseOutcome(value)
		if ok {
			e.Outcome = o
		}
		return ok
	default:
		return false
	}
	return true
}
