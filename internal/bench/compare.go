package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	"annal"
)

// A comparer compares an event as the server shows it with event i; it also
// says which event the server's claims to be.
type comparer func(g *Generator, i uint64, raw []byte) error

// identify returns which event raw is, by its request id in either dialect.
func identify(g *Generator, raw []byte) (uint64, error) {
	var e struct {
		RequestID string `json:"request_id"`
		Request   struct {
			ID string `json:"id"`
		} `json:"request"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return 0, err
	}
	if e.RequestID == "" {
		e.RequestID = e.Request.ID
	}
	i, ok := g.Index(e.RequestID)
	if !ok {
		return 0, fmt.Errorf("no generated event has the request id %q", e.RequestID)
	}
	return i, nil
}

// checkPage checks that the events are those that the reference found, complete,
// in order and equal in every field.
func (a *answer) checkPage(p *picker, want *probe, events []json.RawMessage, same comparer) error {
	if n := min(want.total, uint64(want.keep)); uint64(len(events)) != n {
		return fmt.Errorf("%d events, want %d", len(events), n)
	}
	belongs := map[uint64]int64{}
	for _, h := range want.newest {
		belongs[h.index] = h.key
	}
	last := int64(math.MaxInt64)
	for at, raw := range events {
		i, err := identify(p.gen, raw)
		if err != nil {
			return fmt.Errorf("event %d of the page: %w", at, err)
		}
		key, ok := belongs[i]
		if !ok || key > last {
			return fmt.Errorf("event %d of the page is generated event %d, which does not belong there", at, i)
		}
		delete(belongs, i) // none may come twice
		last = key
		if err := same(p.gen, i, raw); err != nil {
			return fmt.Errorf("event %d of the page: %w", at, err)
		}
	}
	return nil
}

// nativeEvent compares all that the emitter said.
func nativeEvent(g *Generator, i uint64, raw []byte) error {
	var want annal.Event
	g.Event(i, &want)
	var got, expected map[string]any
	if err := errors.Join(json.Unmarshal(raw, &got), json.Unmarshal(want.AppendCanonical(nil), &expected)); err != nil {
		return err
	}
	for _, assigned := range []string{"id", "seq", "position", "received"} {
		if _, ok := got[assigned]; !ok {
			return fmt.Errorf("event %d has no %s", i, assigned)
		}
		delete(got, assigned)
	}
	if !reflect.DeepEqual(got, expected) {
		return fmt.Errorf("event %d is %v, want %v", i, got, expected)
	}
	return nil
}

// scaiEvent compares all that an entry of ScaiVault shows.
func scaiEvent(g *Generator, i uint64, raw []byte) error {
	var e annal.Event
	g.Event(i, &e)
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		return err
	}
	ms, ok := got["duration_ms"].(float64)
	if !ok || ms != math.Trunc(ms) || math.Abs(ms-annal.Milliseconds(e.Request.Duration)) >= 1 {
		return fmt.Errorf("event %d: duration_ms is %v, want %v to the millisecond", i, got["duration_ms"], e.Request.Duration)
	}
	if _, ok := got["id"]; !ok {
		return fmt.Errorf("event %d has no id", i)
	}
	delete(got, "duration_ms")
	delete(got, "id")
	expected, err := scaiEntry(&e)
	if err == nil && !reflect.DeepEqual(got, expected) {
		err = fmt.Errorf("event %d is %v, want %v", i, got, expected)
	}
	return err
}

// scaiEntry returns what ScaiVault shows of e, but for id and duration_ms.
func scaiEntry(e *annal.Event) (map[string]any, error) {
	extra := map[string]any{}
	if e.Extra != "" {
		if err := json.Unmarshal([]byte(e.Extra), &extra); err != nil {
			return nil, err
		}
	}
	entry := map[string]any{
		"timestamp": annal.FormatTime(e.Time, 6), "action": e.Action, "secret_path": e.Resource.Path,
		"identity_type": e.Actor.Type, "identity_id": e.Actor.ID, "source_ip": e.Source.IP,
		"user_agent": e.Source.UserAgent, "success": e.Outcome == annal.Success, "request_id": e.Request.ID,
		"tenant_id": e.Tenant, "session_id": e.Session, "method": e.Request.Method,
		"status": float64(e.Request.Status), "extra_data": extra,
	}
	if e.ErrorCode != "" {
		entry["error_code"] = e.ErrorCode
	}
	return entry, nil
}
