package client

import (
	"encoding/json"
	"fmt"
	"time"

	"annal"
)

// wireEvent is an event as the native API shows it.
type wireEvent struct {
	ID       string `json:"id"`
	Seq      uint64 `json:"seq"`
	Position uint64 `json:"position"`
	Received string `json:"received"`

	EventID string `json:"event_id"`
	Time    string `json:"time"`
	Tenant  string `json:"tenant"`
	Actor   struct {
		wireActor
		Behalf wireActor `json:"on_behalf_of"`
	} `json:"actor"`
	Session  string `json:"session"`
	Action   string `json:"action"`
	Resource struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Path string `json:"path"`
		Name string `json:"name"`
	} `json:"resource"`
	Outcome   string `json:"outcome"`
	ErrorCode string `json:"error_code"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Source    struct {
		IP        string `json:"ip"`
		UserAgent string `json:"user_agent"`
	} `json:"source"`
	Request struct {
		ID       string  `json:"id"`
		Method   string  `json:"method"`
		Status   int32   `json:"status"`
		Duration float64 `json:"duration_ms"`
	} `json:"request"`
	Extra json.RawMessage `json:"extra"`
	Flags json.RawMessage `json:"flags"`
}

type wireActor struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// ParseEvent reads an event as the native API shows it, the answer of
// [Client.Query] and [Client.Tail].
func ParseEvent(b []byte) (annal.Event, error) {
	var w wireEvent
	if err := json.Unmarshal(b, &w); err != nil {
		return annal.Event{}, fmt.Errorf("read an event: %w", err)
	}
	id, okID := annal.ParseID(w.ID)
	at, _, okTime := annal.ParseTime(w.Time)
	received, _, okReceived := annal.ParseTime(w.Received)
	outcome, okOutcome := annal.ParseOutcome(w.Outcome)
	severity, okSeverity := annal.ParseSeverity(w.Severity)
	if !okID || !okTime || !okReceived || !okOutcome || !okSeverity {
		return annal.Event{}, fmt.Errorf("read event %q: its id, a time, outcome or severity is none", w.ID)
	}
	return annal.Event{
		ID: id, Position: w.Position, Seq: w.Seq, Received: received,
		EventID: w.EventID, Time: at, Tenant: w.Tenant,
		Actor: annal.Actor(w.Actor.wireActor), Behalf: annal.Actor(w.Actor.Behalf),
		Session: w.Session, Action: w.Action,
		Resource: annal.Resource(w.Resource),
		Outcome:  outcome, ErrorCode: w.ErrorCode, Severity: severity, Message: w.Message,
		Source: annal.Source(w.Source),
		Request: annal.Request{
			ID: w.Request.ID, Method: w.Request.Method, Status: w.Request.Status,
			Duration: time.Duration(w.Request.Duration*1e6 + 0.5),
		},
		Extra: string(w.Extra), Flags: string(w.Flags),
	}, nil
}
