package api

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"annal"
)

// DefaultTenant gets the events that name no tenant from callers bound to none.
const DefaultTenant = "default"

// receive lets the events of a body in.
func receive(format string) Verb {
	return func(c *Call) error {
		key, err := c.idempotencyKey()
		if err != nil {
			return err
		}
		body, err := c.readBody()
		if err != nil {
			return err
		}
		if c.out.b == nil {
			c.out.b = c.s.buffer()
		}
		gate := gate{c: c}
		result, err := c.s.Ingest.Receive(c.ctx, IngestRequest{
			Body: body, Format: format, Tenant: c.ownTenant(), Allow: gate.allow, Key: key,
		})
		if err != nil {
			return asIngestError(err, body)
		}
		c.letGo()
		gate.register()
		c.showReceipts(&result)
		return nil
	}
}

// ownTenant returns whose the events are that name no tenant.
func (c *Call) ownTenant() string {
	switch {
	case c.tenant != "":
		return c.tenant
	case c.Caller.Tenant != "":
		return c.Caller.Tenant
	}
	return DefaultTenant
}

// A gate admits tenants and notes the new ones.
type gate struct {
	c     *Call
	last  string // admitted before; bodies tend to name one tenant
	fresh []string
}

func (g *gate) allow(tenant string) error {
	if tenant == g.last && tenant != "" {
		return nil
	}
	if tenant == OwnTenant {
		return &annal.ForbiddenError{Index: -1, Reason: "the tenant " + OwnTenant + " is for annal's own events"}
	}
	fresh, err := g.c.s.Auth.Admit(&g.c.Caller, tenant)
	if err != nil {
		return err
	}
	if fresh {
		g.fresh = append(g.fresh, tenant)
	}
	g.last = tenant
	return nil
}

// register makes the new tenants known, now that their events are kept. Should
// that go wrong, their next events do it.
func (g *gate) register() {
	if len(g.fresh) == 0 {
		return
	}
	slices.Sort(g.fresh)
	if err := g.c.s.Auth.Register(slices.Compact(g.fresh)); err != nil {
		g.c.s.Logger.LogAttrs(g.c.ctx, slog.LevelError, "tenants not registered", slog.String("request_id", g.c.id), slog.Any("error", err))
	}
}

// asBodyError marks what is wrong with the body as such.
func asBodyError(err error) error {
	var invalid *annal.InvalidError
	if errors.As(err, &invalid) {
		return bodyError{invalid}
	}
	return err
}

// asIngestError marks what is wrong with the body, and whether it is JSON at all.
func asIngestError(err error, body []byte) error {
	var invalid *annal.InvalidError
	if errors.As(err, &invalid) && !wellFormed(body) {
		return malformedError{invalid}
	}
	return asBodyError(err)
}

// wellFormed reports whether body is a sequence of JSON values with unique names
// in valid UTF-8.
func wellFormed(body []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		if err := d.SkipValue(); err != nil {
			return err == io.EOF
		}
	}
}

// idempotencyKey returns the request's key with its owner, or "".
func (c *Call) idempotencyKey() (string, error) {
	given := c.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	key := given[0]
	bad := func(r rune) bool { return r < ' ' || r > '~' }
	if len(given) > 1 || key == "" || len(key) > MaxIdempotencyKey || strings.ContainsFunc(key, bad) {
		return "", annal.Invalid("Idempotency-Key", "must be one value of 1 to %d printable ASCII characters", MaxIdempotencyKey)
	}
	owner := []string{c.Caller.Tenant, c.Caller.Partner, c.Caller.Subject, key}
	return strings.Join(owner, "\x00"), nil // subjects are unique only within what they are bound to
}

// showReceipts says where the events are kept.
func (c *Call) showReceipts(r *IngestResult) {
	w := &c.out
	w.open('{')
	w.intMember("accepted", int64(r.Accepted))
	w.intMember("duplicates", int64(r.Duplicates))
	w.name("events")
	w.open('[')
	for i := range r.Receipts {
		receipt := &r.Receipts[i]
		w.open('{')
		w.name("id")
		w.b = append(receipt.ID.AppendTo(append(w.b, '"')), '"')
		w.uintMember("seq", receipt.Seq)
		w.uintMember("position", receipt.Position)
		if receipt.Duplicate {
			w.boolMember("duplicate", true)
		}
		w.close('}')
	}
	w.close(']')
	w.close('}')
}
