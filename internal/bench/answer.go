package bench

import (
	"encoding/json"
	"fmt"
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

	HasMore bool   `json:"has_more"`
	Cursor  string `json:"cursor"` // "": null

	Secret   string `json:"secret_path"` // ScaiVault trail
	Identity string `json:"identity_id"`

	Summary trailSummary `json:"summary"`

	Total     uint64                   `json:"total"` // native summary
	Outcomes  map[string]uint64        `json:"outcomes"`
	First     string                   `json:"first"`
	Last      string                   `json:"last"`
	Breakdown map[string][]nativeCount `json:"breakdown"`
	Top       map[string][]nativeCount `json:"top"`

	TotalEvents      uint64            `json:"total_events"` // ScaiVault summary
	SuccessfulEvents uint64            `json:"successful_events"`
	FailedEvents     uint64            `json:"failed_events"`
	Actions          map[string]uint64 `json:"actions_breakdown"`
	TopIdentities    []topEntry        `json:"top_identities"`
	TopResources     []topEntry        `json:"top_resources"`
}

type nativeCount struct {
	Value  string `json:"value"`
	Count  uint64 `json:"count"`
	Failed uint64 `json:"failed"`
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

// checkMore checks that the page says whether there are further ones.
func (a *answer) checkMore(want *probe) error {
	if more := want.total > uint64(want.keep); a.doc.HasMore != more || (a.doc.Cursor != "") != more {
		return fmt.Errorf("has_more is %v with the cursor %q, want %v", a.doc.HasMore, a.doc.Cursor, more)
	}
	return nil
}

// checkTrail checks the part of a trail that is a page.
func (a *answer) checkTrail(p *picker, all *probe) error {
	if got, want := a.doc.Secret+a.doc.Identity, all.query.Where[0].Values[0]; got != want {
		return fmt.Errorf("the trail is of %q, want %q", got, want)
	}
	return firstError(a.checkMore(all), a.checkPage(p, all, a.doc.Logs, scaiEvent))
}

func (a *answer) checkPathSummary(recent *probe) error {
	s, by := a.doc.Summary, recent.of(annal.Action)
	return firstError(
		same("total_reads_30d", s.Reads, count(by["read"])),
		same("total_writes_30d", s.Writes, count(by["write"])),
		same("unique_accessors_30d", s.Accessors, uint64(len(recent.of(annal.ActorID)))),
		sameTime("last_read", s.LastRead, lastOf(by["read"]), 6),
		sameTime("last_write", s.LastWrite, lastOf(by["write"]), 6),
	)
}

func (a *answer) checkIdentitySummary(recent *probe) error {
	s := a.doc.Summary
	return firstError(
		same("total_actions_30d", s.Actions, recent.total),
		same("secrets_accessed_30d", s.Secrets, uint64(len(recent.of(annal.ResourcePath)))),
		sameTime("last_activity", s.LastActivity, recent.last, 6),
	)
}

func (a *answer) checkNativeSummary(want *probe) error {
	d := &a.doc
	for o, n := range want.outcomes {
		if err := same(annal.Outcome(o).String(), d.Outcomes[annal.Outcome(o).String()], n); err != nil {
			return err
		}
	}
	top := func(f annal.Field) []annal.Count {
		all := want.ranked(f)
		return all[:min(len(all), topEntries)]
	}
	return firstError(
		same("total", d.Total, want.total),
		sameTime("first", d.First, want.first, 9),
		sameTime("last", d.Last, want.last, 9),
		sameCounts("breakdown of actions", d.Breakdown[annal.Action.String()], want.ranked(annal.Action)),
		sameCounts("top identities", d.Top[annal.ActorID.String()], top(annal.ActorID)),
		sameCounts("top paths", d.Top[annal.ResourcePath.String()], top(annal.ResourcePath)),
	)
}

func sameCounts(name string, got []nativeCount, want []annal.Count) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d entries, want %d", name, len(got), len(want))
	}
	for i, c := range want {
		if (got[i] != nativeCount{c.Value, c.N, c.Failed}) {
			return fmt.Errorf("%s[%d] is %v, want %v", name, i, got[i], c)
		}
	}
	return nil
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
func sameTime(name, got string, want time.Time, digits int) error {
	if want.IsZero() && got == "" || !want.IsZero() && got == annal.FormatTime(want, digits) {
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
