package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"annal"
)

// maxWindow bounds the memory that unpacking zstd takes.
const maxWindow = 8 << 20

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
		gate := gate{c: c}
		result, err := c.s.Ingest.Receive(c.ctx, IngestRequest{
			Body: body, Format: format, Tenant: c.ownTenant(), Allow: gate.allow, Key: key,
		})
		if err != nil {
			return asIngestError(err, body)
		}
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

// readBody returns the body unpacked. The receiver keeps it, so it is not
// pooled.
func (c *Call) readBody() ([]byte, error) {
	if err := checkMediaType(c.Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	if c.ContentLength > MaxBody {
		return nil, errTooLarge
	}
	packed, err := readAll(c.Body, c.ContentLength)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(strings.TrimSpace(c.Header.Get("Content-Encoding"))) {
	case "", "identity":
		return packed, nil
	case "gzip", "x-gzip":
		return c.s.gunzip(packed)
	case "zstd":
		return c.s.unzstd(packed)
	}
	c.w.Header().Set("Accept-Encoding", "gzip, zstd")
	return nil, &fault{status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", message: "Content-Encoding must be gzip, zstd or identity"}
}

var errTooLarge = &fault{
	status: http.StatusRequestEntityTooLarge, code: "payload_too_large",
	message: fmt.Sprintf("a body may have %d bytes before and after unpacking; send several", MaxBody),
}

// checkMediaType takes JSON by any of its names. A body without a name is
// taken for JSON too.
func checkMediaType(header string) error {
	if header == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	if err == nil && (charset == "" || charset == "utf-8" || charset == "utf8") {
		switch mediaType {
		case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines":
			return nil
		}
	}
	return &fault{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		message: "Content-Type must be application/json or application/x-ndjson, in UTF-8",
	}
}

// readAll reads r, which may announce its size (-1: not), up to MaxBody.
func readAll(r io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		size = 64 << 10
	}
	b := make([]byte, 0, size+1)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > MaxBody:
			return nil, errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, bodyReadError(err)
		case len(b) == cap(b):
			b = slices.Grow(b, len(b))
		}
	}
}

func bodyReadError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return bodyError{annal.Invalid("", "the body could not be read to its end")}
}

func (s *server) gunzip(packed []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, badPacking("gzip")
	}
	return unpacked(zr, "gzip", len(packed))
}

func (s *server) unzstd(packed []byte) ([]byte, error) {
	zr, ok := s.zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		zr, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("make a zstd decoder: %w", err)
		}
	}
	defer func() {
		_ = zr.Reset(nil) // lets go of the body; cannot fail
		s.zstds.Put(zr)
	}()
	if err := zr.Reset(bytes.NewReader(packed)); err != nil {
		return nil, badPacking("zstd")
	}
	return unpacked(zr, "zstd", len(packed))
}

// unpacked reads all of r; packed is the size that it had.
func unpacked(r io.Reader, how string, packed int) ([]byte, error) {
	const usual = 8 // JSON shrinks to about an eighth
	b, err := readAll(r, int64(min(packed*usual, MaxBody)))
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, badPacking(how)
	}
	return b, err
}

func badPacking(how string) error {
	return bodyError{annal.Invalid("", "the body is not whole and valid %s", how)}
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
