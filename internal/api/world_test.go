package api

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"annal"
	"annal/internal/annaltest"
	"annal/internal/auth"
	"annal/internal/forward"
	"annal/internal/identity"
	"annal/internal/ingest"
)

// noon is when the clocks of tests begin.
var noon = time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)

// A world is a whole server but for the disk: real ingest and auth over the
// model log.
type world struct {
	t     testing.TB
	clock atomic.Int64 // Unix nanoseconds
	log   *annaltest.Model
	reads *annaltest.Model // the access stream
	auth  *auth.Store
	cfg   Config
	h     *server
	check *checker
	siems *forward.Store

	tokens map[string]token // made before
}

// A token is what a caller of a test holds.
type token struct{ secret string }

func newWorld(t testing.TB) *world {
	w := &world{t: t, check: newChecker(t), tokens: map[string]token{}}
	w.clock.Store(noon.UnixNano())
	store, err := auth.Open(auth.Config{Dir: t.TempDir(), Now: w.now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	w.auth = store
	if w.siems, err = forward.Open(forward.Config{Dir: t.TempDir(), Now: w.now, Rand: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.siems.Close(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.cfg = Config{
		Auth: authority{store, auth.Chain{store, store.Signed()}}, CursorKey: []byte("the key of the test's cursors 32"), Now: w.now,
		Directory: store, Destinations: destinations{w.siems},
	}
	w.empty()
	return w
}

// empty gives the world new logs, with nothing in them.
func (w *world) empty() {
	w.log, w.reads = annaltest.New(w.now), annaltest.New(w.now)
	w.cfg.Reader, w.cfg.Access = w.log, reads{w.reads}
	w.cfg.Ingest = ingester{ingest.New(ingest.Config{Log: w.log, Now: w.now})}
	w.restart()
}

// restart serves anew, say after cfg was changed.
func (w *world) restart() { w.h = Handler(w.cfg).(*server) }

func (w *world) now() time.Time           { return time.Unix(0, w.clock.Load()).UTC() }
func (w *world) advance(by time.Duration) { w.clock.Add(int64(by)) }
func (w *world) super(s ...string) token  { return w.token(auth.TokenSpec{Subject: "root", Scopes: s}) }
func (w *world) of(tenant string) token {
	return w.token(auth.TokenSpec{Subject: "user-of-" + tenant, Tenant: tenant})
}
func (w *world) partner(name string) token {
	return w.token(auth.TokenSpec{Subject: "partner", Partner: name})
}

// token makes a token; without scopes it gets all of them.
func (w *world) token(spec auth.TokenSpec) token {
	w.t.Helper()
	if len(spec.Scopes) == 0 {
		spec.Scopes = auth.AllScopes()
	}
	key := fmt.Sprint(spec)
	if made, ok := w.tokens[key]; ok {
		return made
	}
	_, secret, err := w.auth.Create(&auth.Caller{}, spec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.tokens[key] = token{secret}
	return token{secret}
}

// An answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// ask sends a request and checks the answer against the OpenAPI document.
func (w *world) ask(by token, method, target, body string, header ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if by.secret != "" {
		r.Header.Set("Authorization", "Bearer "+by.secret)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return w.send(r)
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	w.check.answer(w.t, w.h, r, rec)
	return answer{rec, w.t}
}

func (w *world) get(by token, target string, header ...string) answer {
	w.t.Helper()
	return w.ask(by, "GET", target, "", header...)
}

// ok demands the status 200 or 201.
func (a answer) ok() answer {
	a.t.Helper()
	if a.Code != 200 && a.Code != 201 {
		a.t.Fatalf("answer is %d %s", a.Code, a.Body)
	}
	return a
}

// refused demands a status and a code in either dialect's shape.
func (a answer) refused(status int, code string) answer {
	a.t.Helper()
	var body struct {
		Code  any // a text, or the status, where the dialect has no codes
		Error any
	}
	if err := json.Unmarshal(a.Body.Bytes(), &body); err != nil {
		a.t.Fatalf("error body %q: %v", a.Body, err)
	}
	named, ok := body.Code.(string)
	if nested, is := body.Error.(map[string]any); is {
		named, ok = fmt.Sprint(nested["code"]), true
	}
	if n, is := body.Code.(float64); is && int(n) != status {
		a.t.Errorf("answer says %v, want %d: %s", n, status, a.Body)
	}
	if a.Code != status || ok && named != code {
		a.t.Errorf("answer is %d %s, want %d %s", a.Code, a.Body, status, code)
	}
	return a
}

// unzip puts the one file of a zip in the place of the zip, if that is what the
// body is.
func (a answer) unzip() answer {
	a.t.Helper()
	if a.Header().Get("Content-Type") != "application/zip" || a.Code != 200 {
		return a
	}
	z, err := zip.NewReader(bytes.NewReader(a.Body.Bytes()), int64(a.Body.Len()))
	if err != nil || len(z.File) != 1 {
		a.t.Fatalf("%d files in the zip: %v", len(z.File), err)
	}
	file, err := z.File[0].Open()
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		a.t.Fatal(err)
	}
	a.Body.Reset()
	a.Body.Write(text)
	return a
}

// at returns the JSON value at a path such as "summary.last_read" or "logs.0".
func (a answer) at(path string) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
		a.t.Fatalf("%v: %s", err, a.Body)
	}
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				a.t.Fatalf("no %s in %s", path, a.Body)
			}
			v = x[i]
		default:
			a.t.Fatalf("no %s in %s", path, a.Body)
		}
	}
	return v
}

// text is at, as fmt prints it.
func (a answer) text(path string) string {
	a.t.Helper()
	return fmt.Sprint(a.at(path))
}

// column returns one member of each object in a list.
func (a answer) column(list, member string) []string {
	a.t.Helper()
	items, ok := a.at(list).([]any)
	if !ok {
		a.t.Fatalf("%s is no list: %s", list, a.Body)
	}
	out := []string{}
	for _, it := range items {
		out = append(out, fmt.Sprint(it.(map[string]any)[member]))
	}
	return out
}

// put stores events directly.
func (w *world) put(events ...annal.Event) []annal.Receipt {
	w.t.Helper()
	rs, err := w.log.Append(context.Background(), &annal.Batch{Events: events})
	if err != nil {
		w.t.Fatal(err)
	}
	return rs
}

// event returns an event of acme's, at seconds after noon.
func event(action, actor, path string, seconds int) annal.Event {
	return annal.Event{
		Time: noon.Add(time.Duration(seconds) * time.Second), Tenant: "acme", Action: action,
		Actor: annal.Actor{Type: "user", ID: actor}, Resource: annal.Resource{Type: "secret", Path: path},
	}
}

// The joints that the server has between the siblings.

type ingester struct{ *ingest.Ingest }

func (in ingester) Receive(ctx context.Context, r IngestRequest) (IngestResult, error) {
	res, err := in.Ingest.Receive(ctx, ingest.Request{Body: r.Body, Format: ingest.FormatNamed(r.Format), Tenant: r.Tenant, Allow: r.Allow, Key: r.Key})
	return IngestResult(res), err
}

type destinations struct{ *forward.Store }

func (d destinations) Create(tenant string, v Destination) (Destination, error) {
	made, err := d.Store.Create(tenant, forward.Destination(v))
	return Destination(made), err
}

func (d destinations) Destination(tenant, name string) (Destination, error) {
	v, err := d.Store.Destination(tenant, name)
	return Destination(v), err
}

func (d destinations) Update(tenant string, v Destination) (before, after Destination, err error) {
	old, is, err := d.Store.Update(tenant, forward.Destination(v))
	return Destination(old), Destination(is), err
}

func (d destinations) Delete(tenant, name string) (Destination, error) {
	v, err := d.Store.Delete(tenant, name)
	return Destination(v), err
}

func (d destinations) Search(tenant string, q identity.Search) (identity.Found[Destination], error) {
	found, err := d.Store.Search(tenant, q)
	shown := identity.Found[Destination]{Total: found.Total, Next: found.Next, Limit: found.Limit}
	for _, v := range found.Items {
		shown.Items = append(shown.Items, Destination(v))
	}
	return shown, err
}

type authority struct {
	*auth.Store
	chain auth.Chain
}

func (a authority) Authenticate(ctx context.Context, header string) (Caller, error) {
	c, err := a.chain.Authenticate(ctx, header)
	return Caller(c), err
}

func (a authority) Admit(c *Caller, tenant string) (bool, error) {
	return a.Store.Admit((*auth.Caller)(c), tenant)
}

func (a authority) CreateToken(by *Caller, spec TokenSpec) (Token, string, error) {
	t, secret, err := a.Create((*auth.Caller)(by), auth.TokenSpec(spec))
	return Token(t), secret, err
}

func (a authority) Tokens(by *Caller) ([]Token, error) {
	list, err := a.List((*auth.Caller)(by))
	tokens := make([]Token, len(list))
	for i := range list {
		tokens[i] = Token(list[i])
	}
	return tokens, err
}

func (a authority) RevokeToken(by *Caller, id string) (Token, error) {
	t, err := a.Revoke((*auth.Caller)(by), id)
	return Token(t), err
}

// reads is an access stream without a queue.
type reads struct{ *annaltest.Model }

func (r reads) Note(e annal.Event) {
	in := ingest.New(ingest.Config{Log: r.Model})
	if _, err := in.Receive(context.Background(), ingest.Request{Body: e.AppendCanonical(nil)}); err != nil {
		panic(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// partnerOf gives tenants to a partner.
func partnerOf(w *world, partner string, tenants ...string) {
	w.t.Helper()
	for _, id := range tenants {
		if err := w.auth.SaveTenant(auth.Tenant{ID: id, Partner: partner}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func specExpiring(at time.Time) auth.TokenSpec { return auth.TokenSpec{Subject: "brief", Expires: at} }

// revokeRoot revokes every token of a subject "root".
func revokeRoot(w *world) {
	w.t.Helper()
	list, err := w.auth.List(&auth.Caller{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, tok := range list {
		if tok.Subject != "root" {
			continue
		}
		if _, err := w.auth.Revoke(&auth.Caller{}, tok.ID); err != nil {
			w.t.Fatal(err)
		}
	}
}

// request builds a GET that url.Parse's checks do not stand in the way of.
func request(by token, u *url.URL, query string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, query
	r.Header.Set("Authorization", "Bearer "+by.secret)
	return r
}
