package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"annal"
)

// An answer is what the server said to an ask.
type answer struct {
	body []byte
	doc  document
}

// A document is the union of the answers' shapes.
type document struct {
	Events []json.RawMessage `json:"events"` // native page
	Logs   []json.RawMessage `json:"logs"`   // ScaiVault page or trail

	Summary trailSummary `json:"summary"`

	TotalEvents      uint64            `json:"total_events"`
	SuccessfulEvents uint64            `json:"successful_events"`
	FailedEvents     uint64            `json:"failed_events"`
	Actions          map[string]uint64 `json:"actions_breakdown"`
	TopIdentities    []topEntry        `json:"top_identities"`
	TopResources     []topEntry        `json:"top_resources"`
}

type topEntry struct {
	Identity string `json:"identity_id"`
	Path     string `json:"path"`
	Count    uint64 `json:"count"`
}

type trailSummary struct {
	Reads        uint64 `json:"total_reads_30d"`
	Writes       uint64 `json:"total_writes_30d"`
	Accessors    uint64 `json:"unique_accessors_30d"`
	LastRead     string `json:"last_read"`
	LastWrite    string `json:"last_write"`
	Actions      uint64 `json:"total_actions_30d"`
	Secrets      uint64 `json:"secrets_accessed_30d"`
	LastActivity string `json:"last_activity"`
}

// verify returns what is wrong with an answer; the probes must be answered.
func (a *ask) verify(body []byte) error {
	ans := &answer{body: body}
	if err := json.Unmarshal(body, &ans.doc); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	return a.check(ans)
}

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
	extra := map[string]any{}
	if e.Extra != "" {
		if err := json.Unmarshal([]byte(e.Extra), &extra); err != nil {
			return err
		}
	}
	for name, want := range map[string]any{
		"timestamp": annal.FormatTime(e.Time, 6), "action": e.Action, "secret_path": e.Resource.Path,
		"identity_type": e.Actor.Type, "identity_id": e.Actor.ID, "source_ip": e.Source.IP,
		"user_agent": e.Source.UserAgent, "success": e.Outcome == annal.Success, "request_id": e.Request.ID,
		"extra_data": extra,
	} {
		if !reflect.DeepEqual(got[name], want) {
			return fmt.Errorf("event %d: %s is %v, want %v", i, name, got[name], want)
		}
	}
	ms, ok := got["duration_ms"].(float64)
	if !ok || ms != math.Trunc(ms) || math.Abs(ms-annal.Milliseconds(e.Request.Duration)) >= 1 {
		return fmt.Errorf("event %d: duration_ms is %v, want %v to the millisecond", i, got["duration_ms"], e.Request.Duration)
	}
	return nil
}

func (a *answer) checkPathSummary(recent *probe) error {
	s, by := a.doc.Summary, recent.of(annal.Action)
	return firstError(
		same("total_reads_30d", s.Reads, count(by["read"])),
		same("total_writes_30d", s.Writes, count(by["write"])),
		same("unique_accessors_30d", s.Accessors, uint64(len(recent.of(annal.ActorID)))),
		sameTime("last_read", s.LastRead, lastOf(by["read"])),
		sameTime("last_write", s.LastWrite, lastOf(by["write"])),
	)
}

func (a *answer) checkIdentitySummary(recent *probe) error {
	s := a.doc.Summary
	return firstError(
		same("total_actions_30d", s.Actions, recent.total),
		same("secrets_accessed_30d", s.Secrets, uint64(len(recent.of(annal.ResourcePath)))),
		sameTime("last_activity", s.LastActivity, recent.last),
	)
}

func (a *answer) checkScaiSummary(want *probe) error {
	d := &a.doc
	actions := map[string]uint64{}
	for v, c := range want.of(annal.Action) {
		actions[v] = c.N
	}
	if len(actions) > 0 && !reflect.DeepEqual(d.Actions, actions) {
		return fmt.Errorf("actions_breakdown is %v, want %v", d.Actions, actions)
	}
	succeeded := want.outcomes[annal.Success]
	return firstError(
		same("total_events", d.TotalEvents, want.total),
		same("successful_events", d.SuccessfulEvents, succeeded),
		same("failed_events", d.FailedEvents, want.total-succeeded),
		sameTop("top_identities", d.TopIdentities, want.ranked(annal.ActorID), topEntry.identity),
		sameTop("top_resources", d.TopResources, want.ranked(annal.ResourcePath), topEntry.path),
	)
}

func (t topEntry) identity() string { return t.Identity }
func (t topEntry) path() string     { return t.Path }

func sameTop(name string, got []topEntry, want []annal.Count, value func(topEntry) string) error {
	want = want[:min(len(want), topEntries)]
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d entries, want %d", name, len(got), len(want))
	}
	for i, t := range got {
		if value(t) != want[i].Value || t.Count != want[i].N {
			return fmt.Errorf("%s[%d] is %s: %d, want %s: %d", name, i, value(t), t.Count, want[i].Value, want[i].N)
		}
	}
	return nil
}

func same(name string, got, want uint64) error {
	if got != want {
		return fmt.Errorf("%s is %d, want %d", name, got, want)
	}
	return nil
}

// sameTime compares a time as shown, "" or null when there is none.
func sameTime(name, got string, want time.Time) error {
	if want.IsZero() && got == "" || !want.IsZero() && got == annal.FormatTime(want, 6) {
		return nil
	}
	return fmt.Errorf("%s is %q, want %v", name, got, want)
}

func count(c *annal.Count) uint64 {
	if c == nil {
		return 0
	}
	return c.N
}

func lastOf(c *annal.Count) time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.Last
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
