package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"annal"
	"annal/client"
)

// TestMain holds that clients leave no goroutine behind once their servers end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns a client of a server that answers with handler, and the waits
// that the client made (none of which takes time).
func serve(t *testing.T, handler http.HandlerFunc) (*client.Client, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	waits := &[]time.Duration{}
	c, err := client.New(client.Config{
		Server: server.URL, Token: "annal_test", Retries: 4,
		Sleep: func(ctx context.Context, d time.Duration) error {
			*waits = append(*waits, d)
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, waits
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

const stored = `{"accepted":1,"duplicates":0,"events":[{"id":"log_0190163d8694739aab7d23467b4c2f00","seq":3,"position":7}]}`

// However a server refuses for a while, an append is repeated with the same key
// and the same body until it is answered.
func TestAppendIsRepeatedWithTheSameKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refuse func(w http.ResponseWriter)
	}{
		{"dropped connection", hangUp},
		{"503", func(w http.ResponseWriter) { refuse(w, 503, `{}`) }},
		{"429", func(w http.ResponseWriter) { refuse(w, 429, `{}`) }},
		{"500", func(w http.ResponseWriter) { refuse(w, 500, `no JSON`) }},
		{"answer breaks off", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"accepted":1`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []string
			c, waits := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen = append(seen, r.Header.Get("Idempotency-Key")+" "+string(body))
				if len(seen) < 3 {
					tt.refuse(w)
					return
				}
				_, _ = io.WriteString(w, stored)
			})
			got, err := c.Append(t.Context(), []annal.Event{{Actor: annal.Actor{ID: "user:a"}, Action: "read"}})
			if err != nil || got.Accepted != 1 || got.Events[0].Position != 7 {
				t.Fatalf("got %+v, %v", got, err)
			}
			if len(seen) != 3 || seen[0] != seen[1] || seen[1] != seen[2] || strings.HasPrefix(seen[0], " ") {
				t.Errorf("the server saw %q, want one request three times with a key", seen)
			}
			if len(*waits) != 2 {
				t.Errorf("waited %v, want twice", *waits)
			}
		})
	}
}

func TestRetryAfterIsRespected(t *testing.T) {
	tries := 0
	c, waits := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			w.Header().Set("Retry-After", "7")
			refuse(w, 429, `{}`)
			return
		}
		_, _ = io.WriteString(w, stored)
	})
	if _, err := c.AppendNDJSON(t.Context(), []byte("{}\n"), "k"); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{7 * time.Second}; !slices.Equal(*waits, want) {
		t.Errorf("waited %v, want %v", *waits, want)
	}
}

func TestRefusalsAreTypedAndFinal(t *testing.T) {
	tries := 0
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.Header().Set("X-Request-ID", "req_1")
		refuse(w, 422, `{"title":"Invalid","detail":"one event is invalid","problems":[{"index":3,"field":"action","problem":"is required"}],"more":2}`)
	})
	_, err := c.AppendNDJSON(t.Context(), []byte("{}\n"), "k")
	var got *client.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want a *client.Error", err)
	}
	want := &client.Error{
		Status: 422, Detail: "one event is invalid", RequestID: "req_1", More: 2,
		Problems: []annal.Problem{{Index: 3, Field: "action", Problem: "is required"}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
	if tries != 1 {
		t.Errorf("tried %d times, want once", tries)
	}
}

func TestUnreachableServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := client.New(client.Config{Server: server.URL, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Summary(t.Context(), time.Time{}, time.Time{})
	var got *client.UnreachableError
	if !errors.As(err, &got) || got.Server != server.URL {
		t.Errorf("got %v, want a *client.UnreachableError of %s", err, server.URL)
	}
}

func TestTokensAreMadeOnce(t *testing.T) {
	tries := 0
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		refuse(w, 503, `{}`)
	})
	if _, err := c.CreateToken(t.Context(), client.Token{Subject: "s"}); err == nil || tries != 1 {
		t.Errorf("got %v after %d tries, want an error after one", err, tries)
	}
}

func TestQueryWalksPages(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = io.WriteString(w, `{"events":[{"n":0},{"n":1}],"cursor":"next","has_more":true}`)
		case "next":
			_, _ = io.WriteString(w, `{"events":[{"n":2}],"cursor":null,"has_more":false}`)
		}
	})
	var got []string
	for e, err := range c.Query(t.Context(), client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e))
	}
	if want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A tail that is cut off after every event still shows each event once, from
// where it is to begin.
func TestTailResumes(t *testing.T) {
	const events = 6
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		next := 0
		if last := r.Header.Get("Last-Event-ID"); last != "" {
			_, _ = fmt.Sscan(last, &next)
			next++
		}
		if next >= events {
			<-r.Context().Done()
			return
		}
		fmt.Fprintf(w, ": hello\n\nid: %d\nevent: event\ndata: {\"position\":%d}\n\nid: %d\ndata: {\"cut", next, next, next+1)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	after := uint64(0)
	err := c.Tail(ctx, client.Tail{After: &after}, func(e json.RawMessage) error {
		if got = append(got, string(e)); len(got) == events-1 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	want := []string{`{"position":1}`, `{"position":2}`, `{"position":3}`, `{"position":4}`, `{"position":5}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTailEndsWithItsFunction(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: {}\n\n") })
	enough := errors.New("enough")
	if err := c.Tail(t.Context(), client.Tail{}, func(json.RawMessage) error { return enough }); err != enough {
		t.Errorf("got %v, want %v", err, enough)
	}
}

// An event that is sent and shown again is the same event.
func TestParseEventReadsWhatTheServerShows(t *testing.T) {
	want := annal.Event{
		ID: annal.ID{1, 2, 3}, Position: 9, Seq: 4, Received: time.Unix(1_700_000_000, 123_000).UTC(),
		EventID: "e", Time: time.Unix(1_700_000_000, 123_456_789).UTC(), Tenant: "acme",
		Actor: annal.Actor{Type: "user", ID: "user:a", Name: "A", Email: "a@b"}, Behalf: annal.Actor{ID: "user:b"},
		Session: "s", Action: "read", Resource: annal.Resource{Type: "secret", ID: "i", Path: "a/b", Name: "n"},
		Outcome: annal.Denied, ErrorCode: "x", Severity: annal.Severe, Message: "m\"\n",
		Source: annal.Source{IP: "::1", UserAgent: "u"}, Extra: `{"a":[1,"é"]}`, Flags: `["clock_skew"]`,
		Request: annal.Request{ID: "r", Method: "GET", Status: 403, Duration: 12345678 * time.Nanosecond},
	}
	got, err := client.ParseEvent(want.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

func TestAppendInputLeavesTheTimeToTheServer(t *testing.T) {
	e := annal.Event{Actor: annal.Actor{ID: "a"}, Action: "read"}
	if got := string(client.AppendInput(nil, &e)); strings.Contains(got, "time") || !json.Valid([]byte(got)) {
		t.Errorf("got %s, want JSON without time", got)
	}
	e.Time = time.Unix(1, 2).UTC()
	if got := string(client.AppendInput(nil, &e)); !strings.HasSuffix(got, `,"time":"1970-01-01T00:00:01.000000002Z"}`) || !json.Valid([]byte(got)) {
		t.Errorf("got %s, want JSON that ends in the time", got)
	}
}

// Many may share a client: each gets the answer to its own request.
func TestClientIsSafeForConcurrentUse(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"accepted":%s,"duplicates":0,"events":[]}`, strings.TrimSpace(string(body)))
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := i * 100; n < (i+1)*100; n++ {
				if got, err := c.AppendNDJSON(t.Context(), fmt.Append(nil, n), client.NewKey()); err != nil || got.Accepted != n {
					t.Errorf("request %d got the answer %d, %v", n, got.Accepted, err)
				}
			}
		})
	}
	wg.Wait()
}

// However often a patient client tries, it waits longer and longer up to a limit.
func TestWaitsGrowToALimit(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, 503, `{}`) }))
	defer server.Close()
	var waits []time.Duration
	c, err := client.New(client.Config{Server: server.URL, Retries: 80, Sleep: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Summary(t.Context(), time.Time{}, time.Time{}); err == nil {
		t.Fatal("got no error from a server that always refuses")
	}
	for i, d := range waits {
		if d <= 0 || d > 10*time.Second || i > 10 && d < 5*time.Second {
			t.Errorf("wait %d is %v", i, d)
		}
	}
	if len(waits) != 80 {
		t.Errorf("waited %d times, want 80", len(waits))
	}
}

// What a server says is missing from an answer reaches the caller: once for all
// pages of a query, with each summary, and at each connection of a tail that says
// something new.
func TestCallersLearnWhatIsMissing(t *testing.T) {
	connections := 0
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Annal-Incomplete", "positions 4-7, 9 are missing")
		switch {
		case r.URL.Path == "/v1/audit/summary":
			_, _ = io.WriteString(w, `{"total_events":3}`)
		case r.URL.Path == "/v1/events/tail":
			if connections++; connections == 3 {
				w.Header().Set("Annal-Incomplete", "positions 20 are missing")
			}
			fmt.Fprintf(w, "id: %d\ndata: {}\n\n", 20+connections)
		case r.URL.Query().Get("cursor") == "":
			_, _ = io.WriteString(w, `{"events":[{}],"cursor":"next","has_more":true}`)
		default:
			_, _ = io.WriteString(w, `{"events":[{}],"cursor":null,"has_more":false}`)
		}
	})
	var said []string
	q := client.Query{Incomplete: func(missing annal.Gaps) { said = append(said, missing.String()) }}
	expect := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(said, want) {
			t.Errorf("%s: the caller was told %q, want %q", what, said, want)
		}
		said = nil
	}
	const both = "positions 4-7, 9 are missing"
	for _, err := range c.Query(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("query", both)
	if err := c.Stream(t.Context(), q, client.CSV, io.Discard); err != nil {
		t.Fatal(err)
	}
	expect("stream", both)
	enough := errors.New("enough")
	if err := c.Tail(t.Context(), client.Tail{Query: q}, func(json.RawMessage) error {
		if connections == 4 {
			return enough
		}
		return nil
	}); err != enough {
		t.Errorf("got %v, want %v", err, enough)
	}
	expect("tail", both, "positions 20 are missing", both)
	s, err := c.Summary(t.Context(), time.Time{}, time.Time{})
	if err != nil || s.Incomplete.String() != both {
		t.Errorf("the summary lacks %q, %v", s.Incomplete, err)
	}
}
