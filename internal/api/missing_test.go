package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// lossy has ten events of acme's and ten of another tenant's, one a second from
// noon on, of which those at positions 4 to 7 are lost: two of either.
func lossy(t *testing.T) *world {
	w := newWorld(t)
	for i := range 20 {
		e := event("read", "user:insider", "env/secret-path", i)
		if i%2 == 1 {
			e.Tenant = "other"
		}
		w.put(e)
	}
	w.log.Lose(4, 8)
	return w
}

const lossySaid = "positions 4-7 are missing"

// bounds names the parameters of each route for the first and the last time.
func bounds(from, to int) string {
	var b strings.Builder
	for _, names := range [][2]string{{"from", "to"}, {"startDate", "endDate"}, {"start_date", "end_date"}, {"start_time", "end_time"}} {
		for i, second := range []int{from, to} {
			fmt.Fprintf(&b, "&%s=%s", names[i], noon.Add(time.Duration(second)*time.Second).Format(time.RFC3339))
		}
	}
	return b.String()
}

// ownBounds leaves of a query the parameters that a route knows: annal's own
// refuses others.
func ownBounds(path, query string) string {
	if !strings.HasPrefix(path, "/v1/events") && !strings.HasPrefix(path, "/v1/audit/") {
		return query
	}
	var kept []string
	for _, part := range strings.Split(query, "&") {
		if strings.HasPrefix(part, "from=") || strings.HasPrefix(part, "to=") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// Every route of every dialect that shows events or counts them says in a header
// what is missing, to each caller the same, in every form of the answer; and says
// nothing where no event that is lost can have been, or to whom sees no tenant.
func TestEveryAnswerSaysWhatIsMissingFromIt(t *testing.T) {
	w := lossy(t)
	callers := map[string]token{"a tenant": w.of("acme"), "all": w.super(), "no tenant": w.partner("nobody")}
	routes := 0
	for pattern, x := range targets(w) {
		if x[0] != "GET" || strings.HasSuffix(pattern, "/tail") || unseen(pattern) != "" || x[2] != "audit:read" && x[2] != "audit:export" {
			continue
		}
		routes++
		if _, path := documented(pattern); w.check.doc.Paths.Find(path).Get.Responses.Status(200).Value.Headers[IncompleteHeader] == nil {
			t.Errorf("%s: %s is not documented", path, IncompleteHeader)
		}
		for who, by := range callers {
			for _, form := range forms(pattern) {
				for _, times := range []struct {
					from, to int
					touched  bool
				}{{0, 60, true}, {6, 6, true}, {7, 60, true}, {8, 60, false}, {-9, 3, false}} {
					query := ownBounds(x[1], bounds(times.from, times.to)) + form.param
					a := w.get(by, x[1]+"?"+strings.TrimPrefix(query, "&"), "Accept", form.accept).ok()
					want := ""
					if who != "no tenant" && (times.touched || untimed(pattern)) {
						want = lossySaid
					}
					if got := a.Header().Get(IncompleteHeader); got != want {
						t.Errorf("%s %v to %s: %s is %q, want %q", x[1]+"?"+query, form, who, IncompleteHeader, got, want)
					}
				}
			}
		}
	}
	if routes < 15 {
		t.Errorf("only %d routes were asked", routes)
	}
}

// A form is how an answer is asked for in another than the usual one.
type form struct{ accept, param string }

// forms lists those that a route has.
func forms(pattern string) []form {
	switch {
	case pattern == "GET /v1/events":
		return []form{{}, {accept: "application/x-ndjson"}, {accept: "text/csv"}}
	case strings.HasSuffix(pattern, "/audit/export"):
		return []form{{}, {param: "&format=csv"}, {param: "&format=pdf"}}
	}
	return []form{{}}
}

// untimed says whether an answer is about other times than those that are asked
// for: ScaiVault's trails count the last 30 days in any case, and what values
// there are ScaiKey does not bound.
func untimed(pattern string) bool {
	return strings.Contains(pattern, "/v1/audit/secrets/") || strings.Contains(pattern, "/v1/audit/identities/") ||
		strings.HasSuffix(pattern, "/actions") || strings.HasSuffix(pattern, "/resource-types")
}

// annal's own answers say it in their body too, and only when there is something
// to say.
func TestNativeAnswersHaveAnIncompleteMember(t *testing.T) {
	w := lossy(t)
	acme := w.of("acme")
	for _, target := range []string{"/v1/events", "/v1/events?limit=1", "/v1/events/summary", "/v1/events/values/actor.id", "/v1/events?cursor=" + w.get(acme, "/v1/events?limit=3").ok().text("cursor")} {
		a := w.get(acme, target).ok()
		if got := a.text("incomplete.positions"); got != "[map[first:4 last:7]]" {
			t.Errorf("%s: incomplete is %s", target, got)
		}
		if strings.Contains(target, "cursor") {
			continue
		}
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(target, "?")]
		if a := w.get(acme, target+sep+"from="+noon.Add(8*time.Second).Format(time.RFC3339)).ok(); a.at("incomplete") != nil {
			t.Errorf("%s: behind what is lost, incomplete is %v", target, a.at("incomplete"))
		}
	}
}

// An error says nothing of what is missing, nor does an answer to a write or one
// that shows no events.
func TestOtherAnswersSayNothingIsMissing(t *testing.T) {
	w := lossy(t)
	w.put(event("read", "user:a", "p", -1_000_000))
	acme := w.of("acme")
	for _, a := range []answer{
		w.get(acme, "/v1/events?limit=x"), w.get(acme, "/v1/events/summary?interval=1s").refused(400, "validation_error"), w.get(acme, "/v1/events/"+w.log.Events()[0].ID.String()),
		w.get(acme, "/v1/tokens"), w.get(token{}, "/v1/health"), w.ask(acme, "POST", "/v1/events", `{"actor":{"id":"a"},"action":"x"}`),
	} {
		if said := a.Header().Get(IncompleteHeader); said != "" {
			t.Errorf("%d %s says that %s", a.Code, a.Body, said)
		}
	}
	w.get(acme, "/v1/events/"+w.log.Events()[4].ID.String()).refused(500, "log_damaged")
}

// A page behind the last of a walk is as incomplete as the others.
func TestNumberedPagesSayWhatIsMissing(t *testing.T) {
	w := lossy(t)
	by := w.super()
	for _, target := range []string{"/audit/entries?limit=5&offset=%d", "/api/v1/admin/audit/?per_page=5&page=%d"} {
		for _, n := range []int{0, 1, 2, 3, 9, 100} {
			if n == 0 && strings.Contains(target, "page=") {
				continue // they begin with 1
			}
			if said := w.get(by, fmt.Sprintf(target, n)).ok().Header().Get(IncompleteHeader); said != lossySaid {
				t.Errorf(target+": %q", n, said)
			}
		}
	}
}

// A tail says at its beginning what it will not show, in its header and as a
// comment; one that goes on behind it does not.
func TestTailsSayWhatIsMissing(t *testing.T) {
	w := lossy(t)
	at, acme := w.serve(), w.of("acme")
	f := follow(t, at, "?position=0", acme)
	if said, shown := f.resp.Header.Get(IncompleteHeader), f.next(": positions"); said != lossySaid || "positions "+shown != lossySaid {
		t.Errorf("the header says %q and the stream %q", said, shown)
	}
	f.wantIDs(0, 2, 8)
	if said := follow(t, at, "", acme, "Last-Event-ID", "5").resp.Header.Get(IncompleteHeader); said != "positions 6-7 are missing" {
		t.Errorf("within the gap, a tail says %q", said)
	}
	if said := follow(t, at, "", acme, "Last-Event-ID", "7").resp.Header.Get(IncompleteHeader); said != "" {
		t.Errorf("behind the gap, a tail says %q", said)
	}
}

// The access stream tells what it lost of its own, not what the log did, and
// nothing of what has expired.
func TestTheAccessStreamSaysWhatIsMissing(t *testing.T) {
	w := lossy(t)
	by := w.super()
	w.get(by, "/v1/events").ok()
	if said := w.get(by, "/v1/access").ok().Header().Get(IncompleteHeader); said != "" {
		t.Errorf("the access stream says that %s", said)
	}
	w.reads.Lose(0, 1)
	if a := w.get(by, "/v1/access").ok(); a.Header().Get(IncompleteHeader) != "positions 0 are missing" || a.text("incomplete.positions") != "[map[first:0 last:0]]" {
		t.Errorf("the access stream says %q in %s", a.Header().Get(IncompleteHeader), a.Body)
	}
	w.cfg.AccessRetention = time.Hour
	w.restart()
	w.advance(2 * time.Hour)
	if said := w.get(by, "/v1/access").ok().Header().Get(IncompleteHeader); said != "" {
		t.Errorf("of what has expired, the access stream says that %s", said)
	}
}
