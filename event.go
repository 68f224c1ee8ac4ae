package annal

import (
	"strings"
	"time"
)

// An Event is one audited action: who did what to which object, when, from
// where, how it arrived and how it ended.
//
// Strings are kept verbatim; the empty string means absent. A source fills in
// everything but the first block, which the log assigns.
type Event struct {
	ID       ID        // UUIDv7; a function of Received and Position
	Position uint64    // place in the whole log, dense from 0 but for what is lost, see [Gaps]
	Seq      uint64    // place in the tenant's log, dense from 0 but for the same
	Received time.Time // server time, µs, UTC; never decreases
	Salt     [16]byte  // random; blinds the commitments that proofs are made of

	EventID   string    // the emitter's own id; unique per tenant for 24 hours
	Time      time.Time // when the action happened: UTC, ns, years 1 to 9999
	Tenant    string    // whose log this is
	Actor     Actor     // who
	Behalf    Actor     // for whom the actor acted, if for somebody else
	Session   string    // the actor's session
	Action    string    // what was attempted, such as "read"
	Resource  Resource  // what it was done to
	Outcome   Outcome   // how it ended
	ErrorCode string    // why it did not succeed, as the system names it
	Severity  Severity  // how much it matters
	Message   string    // one sentence for people
	Source    Source    // where it came from
	Request   Request   // how it arrived
	Extra     string    // further members: a canonical JSON object (RFC 8785), or ""
	Flags     string    // what ingest noticed: a canonical JSON array of strings, or ""; see [Flag]

	// Untimed says that the emitter gave no time and ingest filled in its own.
	// It is not stored: it lets a retry of the event match what was kept.
	Untimed bool
}

// An Actor is the identity that acted.
type Actor struct{ Type, ID, Name, Email string }

// A Resource is the object acted upon.
type Resource struct{ Type, ID, Path, Name string }

// A Source is the network origin of an action.
type Source struct{ IP, UserAgent string }

// A Request describes the call that carried an action.
type Request struct {
	ID       string
	Method   string
	Status   int32         // as the protocol has it, such as an HTTP status; 0 is also "none"
	Duration time.Duration // 0 ≤ Duration ≤ MaxDuration; 0 is also "not measured"
}

// An Outcome says how an action ended.
type Outcome uint8

// The outcomes. Denied is a refusal by access control, Failure any other
// unsuccessful end, Error an action whose end is unknown, such as a request
// that was never answered.
const (
	Success Outcome = iota
	Failure
	Denied
	Error
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"success", "failure", "denied", "error"}

// String returns the outcome's name, as in JSON.
func (o Outcome) String() string { return enumName(outcomeNames[:], int(o)) }

// ParseOutcome reads an outcome's name.
func ParseOutcome(s string) (Outcome, bool) {
	i, ok := enumOf(outcomeNames[:], s)
	return Outcome(i), ok
}

// A Severity ranks events for people and SIEMs.
type Severity uint8

// The severities, mildest first.
const (
	Info Severity = iota
	Warning
	Severe
	NumSeverities
)

var severityNames = [NumSeverities]string{"info", "warning", "error"}

// String returns the severity's name, as in JSON; [Severe] is "error".
func (s Severity) String() string { return enumName(severityNames[:], int(s)) }

// ParseSeverity reads a severity's name.
func ParseSeverity(s string) (Severity, bool) {
	i, ok := enumOf(severityNames[:], s)
	return Severity(i), ok
}

func enumName(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "invalid"
}

func enumOf(names []string, s string) (int, bool) {
	for i, n := range names {
		if n == s {
			return i, true
		}
	}
	return 0, false
}

// Flags that ingest sets; [FlagRedacted] is followed by the member's path.
const (
	FlagClockSkew = "clock_skew" // Time is implausibly far from Received
	FlagTruncated = "truncated"  // a part of the original was too large to keep
	FlagRedacted  = "redacted:"  // a secret value was removed from this member
)

// A Batch is what one Append stores: all of its events or none.
type Batch struct {
	Events []Event
	Key    string   // idempotency key of the whole batch with its owner, or ""
	Digest [32]byte // of what the key stands for; the same key with another digest is a conflict
}

// A Receipt says where one event of a batch is kept.
type Receipt struct {
	ID        ID
	Seq       uint64
	Position  uint64
	Duplicate bool // the event was there before; the receipt is the first one's
}

// Clone returns e with strings of its own, for keeping an event beyond the call
// it was lent for.
func (e *Event) Clone() Event {
	c := *e
	for f := range NumTexts {
		*c.Text(f) = strings.Clone(*e.Text(f))
	}
	return c
}
