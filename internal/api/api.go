// Package api serves the audit log over HTTP, in several dialects.
//
// The one idea: a dialect is a table. It says which route means which verb, what
// each parameter does to an [annal.Query], and how an event, a summary and an
// error are spelled. The verbs hold all behaviour and are shared, and they are
// given a Reader that is already narrowed to the caller's tenants, so that none
// of them can forget to ask. A new dialect is one file like dialect_native.go
// and one line in [dialects].
package api

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"annal"
	"annal/internal/identity"
)

// A Reader answers questions about the log.
type Reader interface {
	// Search returns the page that q asks for.
	Search(ctx context.Context, q annal.Query) (annal.Page, error)
	// Scan calls fn for every event that q selects, in q's order; Limit 0 is no
	// bound. The event is valid only during fn, which may have the scan wait: see
	// [annal.Pause].
	Scan(ctx context.Context, q annal.Query, fn func(*annal.Event) error) error
	// Event returns an event that belongs to one of tenants (nil: to anybody),
	// or [annal.ErrNotFound].
	Event(ctx context.Context, tenants []string, id annal.ID) (annal.Event, error)
	// Summarize counts what q selects.
	Summarize(ctx context.Context, q annal.Query, a annal.Aggregation) (annal.Summary, error)
	// Values returns the distinct values of f in order, and whether there are
	// more than limit.
	Values(ctx context.Context, q annal.Query, f annal.Field, limit int) (values []annal.Count, more bool, err error)
	// Tail waits until there is a position from, and then calls fn with events
	// from there on that q selects, in order of position, each with its native
	// JSON, until fn wants no more. It returns the position to go on from: what q
	// selects before it was shown. fn must not wait, and keeps neither.
	Tail(ctx context.Context, q annal.Query, from uint64, fn func(e *annal.Event, native []byte) (more bool)) (next uint64, err error)
	// End returns the position that the next event will get.
	End() uint64
	// Missing returns the positions that q could have selected events of, had
	// they not been lost; of whichever tenant they were. Of q, only tenants, times
	// and Below matter.
	Missing(q annal.Query) annal.Gaps
}

// An Ingester lets events in.
type Ingester interface {
	Receive(ctx context.Context, r IngestRequest) (IngestResult, error)
}

// An IngestRequest is a body of events and what may be done with it.
type IngestRequest struct {
	Body   []byte                    // unpacked; the receiver may keep it
	Format string                    // one of the formats below
	Tenant string                    // whose the events are that name no tenant
	Allow  func(tenant string) error // refuses tenants, and with them the whole body
	Key    string                    // idempotency key with its owner, or ""
}

// The formats of an IngestRequest.
const (
	FormatNative    = "native"
	FormatScaiVault = "scaivault"

	FormatDSV           = "dsv"
	FormatCertifyClouds = "certifyclouds"
	FormatScaiKey       = "scaikey"
)

// An IngestResult says where the events of a body are kept.
type IngestResult struct {
	Accepted   int
	Duplicates int
	Receipts   []annal.Receipt // one for each event, in order
}

// Auth knows callers, their tokens and their tenants.
type Auth interface {
	// Authenticate says who calls with the given Authorization header. Its
	// refusals have a method AuthCode() string.
	Authenticate(ctx context.Context, header string) (Caller, error)
	PasswordAuth
	TenantAuth
	// Allowed says what tenant's policies say to principals who want to do
	// action on resource from an address.
	Allowed(tenant string, principals []string, action, resource, remote string) identity.Verdict
	// Admit says whether c may write events of tenant, with an
	// [annal.ForbiddenError] if not, and whether the tenant is new.
	Admit(c *Caller, tenant string) (fresh bool, err error)
	// Register makes tenants of ids that are none yet.
	Register(ids []string) error
	// PartnerOf returns the partner who looks after tenant, or "".
	PartnerOf(tenant string) string
	// TenantsOf returns the tenants of a partner, in order; not to be written to.
	TenantsOf(partner string) []string
	// CreateToken makes a token on behalf of by and returns its secret.
	CreateToken(by *Caller, spec TokenSpec) (Token, string, error)
	// Tokens lists what by may manage.
	Tokens(by *Caller) ([]Token, error)
	// RevokeToken ends a token, or answers [annal.ErrNotFound].
	RevokeToken(by *Caller, id string) (Token, error)
}

// A Caller is who makes a request and what the request may touch.
type Caller struct {
	Subject string   // who, as the token says
	Tenant  string   // the only tenant; "" when bound to a partner or to nothing
	Partner string   // the partner whose tenants these are; "" otherwise
	Scopes  []string // what the caller may do
	TokenID string
	Tenants []string // those that the caller may see, in order: nil is all of them

	Standing   identity.Standing // auditor or admin, as far as the caller is bound
	Home       string            // the tenant whose policies judge the caller; "": none do
	Principals []string          // what policies call the caller: users:alice, groups:readers
	Client     string            // the id of the client that acts in a role
}

// A Token is what is known of one token; its secret is not.
type Token struct {
	ID       string
	Subject  string
	Tenant   string // bound to this tenant,
	Partner  string // or to this partner's; at most one of the two
	Scopes   []string
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not
	LastUsed time.Time // zero: not yet
	Standing identity.Standing
}

// A TokenSpec says what a new token shall be.
type TokenSpec struct {
	Subject string
	Tenant  string
	Partner string
	Scopes  []string
	Expires time.Time // zero: never

	Standing identity.Standing // "": ordinary, or admin with the scope audit:admin
}

// Defaults and limits of a server; see [Config].
const (
	DefaultQueryTimeout  = 30 * time.Second
	DefaultStreamTimeout = time.Hour
	DefaultWriteStall    = 20 * time.Second
	DefaultHeartbeat     = 15 * time.Second
	DefaultMaxTails      = 256
	MaxBody              = 16 << 20 // bytes of a body of events, packed and unpacked
	MaxPageBytes         = 4 << 20  // of the texts on a page; a page that would have more is cut short
	MaxQueryBytes        = 64 << 10 // of the part of a URL behind '?'
	MaxIdempotencyKey    = 255      // bytes of an Idempotency-Key
	MaxRequestID         = 128      // bytes of an X-Request-ID
)

// Config is what a handler works with. Reader, Ingest, Auth, Directory,
// Destinations and CursorKey are required.
type Config struct {
	Reader    Reader
	Ingest    Ingester
	Auth      Auth
	Access    AccessLog // who reads what; nil: is not noted
	CursorKey []byte    // authenticates cursors; secret, 32 bytes or more, and the same after a restart

	Now     func() time.Time            // nil: time.Now
	Rand    io.Reader                   // for request ids; nil: crypto/rand.Reader
	Logger  *slog.Logger                // nil: none
	Version string                      // shown by /v1/health
	Ready   func(context.Context) error // says what keeps the server from serving; nil: nothing
	Closing <-chan struct{}             // closed to end tails before a shutdown; nil: never
	Pressed func() bool                 // reports whether memory is short; nil: never

	Directory    Directory    // who tenants know
	Destinations Destinations // the SIEMs of tenants

	// TenantName is how a tenant is called; nil: by its id.
	TenantName func(tenant string) string

	// Observe learns of every answer: the route's pattern (or OtherRoute), the
	// status (or ClientGone) and how long it took.
	Observe func(route string, status int, d time.Duration)

	Tails *Tails // learns how tails get on; nil: nobody does

	AccessRetention time.Duration // how long the access stream shows a read; 0: for ever

	QueryTimeout  time.Duration // longest that one request may work; 0: DefaultQueryTimeout
	StreamTimeout time.Duration // longest that one streamed list may take; 0: DefaultStreamTimeout
	WriteStall    time.Duration // longest that a stream waits for its reader; 0: DefaultWriteStall
	Heartbeat     time.Duration // between comments on an idle tail; 0: DefaultHeartbeat
	MaxTails      int           // tails at the same time, shared fairly among tenants; 0: DefaultMaxTails
}

// OtherRoute stands for requests that no route takes.
const OtherRoute = "other"

// ClientGone is the status of requests whose client did not wait for the answer.
const ClientGone = 499

// minCursorKey is how long a key must be so that nobody guesses it.
const minCursorKey = 32

// Handler serves every dialect. It panics when cfg.CursorKey is too short to
// keep cursors from being forged.
func Handler(cfg Config) http.Handler {
	if len(cfg.CursorKey) < minCursorKey {
		panic("api: Config.CursorKey has fewer than 32 bytes")
	}
	s := &server{Config: cfg, dialects: dialects(), snapshots: snapshots{walks: map[snapshotKey][]*snapshot{}}}
	if s.Now == nil {
		s.Now = time.Now
	}
	s.reference = sync.OnceValues(referenceHTML)
	if s.Rand == nil {
		s.Rand = rand.Reader
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Ready == nil {
		s.Ready = func(context.Context) error { return nil }
	}
	if s.TenantName == nil {
		s.TenantName = func(tenant string) string { return tenant }
	}
	if s.Observe == nil {
		s.Observe = func(string, int, time.Duration) {}
	}
	if s.Tails == nil {
		s.Tails = new(Tails)
	}
	s.QueryTimeout = orDefault(s.QueryTimeout, DefaultQueryTimeout)
	s.StreamTimeout = orDefault(s.StreamTimeout, DefaultStreamTimeout)
	s.WriteStall = orDefault(s.WriteStall, DefaultWriteStall)
	s.Heartbeat = orDefault(s.Heartbeat, DefaultHeartbeat)
	s.tails = newPlaces(orDefault(s.MaxTails, DefaultMaxTails))
	s.reports = make(chan struct{}, maxReports)
	s.bodies, s.works, s.answers = newRoom(bodyRoom), newRoom(workRoom), newRoom(answerRoom)
	if s.Pressed != nil {
		s.bodies.pressed, s.works.pressed, s.answers.pressed = s.Pressed, s.Pressed, s.Pressed
	}
	for i := range s.dialects {
		d := &s.dialects[i]
		for j := range d.Routes {
			s.router.add(d, &d.Routes[j])
		}
	}
	return s
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
