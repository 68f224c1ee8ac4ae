package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"annal/client"
	"annal/internal/server"
)

// attempt tries to sign in, forwarded for somebody, and returns the status.
func attempt(t *testing.T, s *running, forwarded string) int {
	t.Helper()
	req, err := http.NewRequest("POST", s.url+"/v1/token", strings.NewReader(`{"grant_type":"refresh_token","refresh_token":"wrong"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", forwarded)
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// exhaust tries until it is refused for trying too often.
func exhaust(t *testing.T, s *running, forwarded func(i int) string) {
	t.Helper()
	const patience = 1000
	for i := range patience {
		if attempt(t, s, forwarded(i)) == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatalf("after %d attempts there may be more", patience)
}

// behind starts a server whose clock stands still, so that no pace recovers.
func behind(t *testing.T, proxies ...string) *running {
	t.Helper()
	cfg, noon := config(t.TempDir()), time.Now()
	cfg.TrustedProxies = proxies
	return startWith(t, cfg, server.Deps{Now: func() time.Time { return noon }})
}

// Who tries too often behind a proxy leaves the others behind it their pace, and
// gets no other by making up where it comes from.
func TestCallersBehindAProxyHaveTheirOwnPace(t *testing.T) {
	s := behind(t, "127.0.0.0/8")
	exhaust(t, s, func(i int) string { return fmt.Sprintf("198.51.100.%d, 192.0.2.1", i%256) })
	if got := attempt(t, s, "192.0.2.2"); got == http.StatusTooManyRequests {
		t.Error("one caller has used up the pace of another")
	}
	if got := attempt(t, s, "192.0.2.2, 192.0.2.1"); got != http.StatusTooManyRequests {
		t.Errorf("by an entry that is made up somebody goes on: %d", got)
	}
	exhaust(t, s, func(int) string { return "192.0.2.2" })

	sources := map[string]bool{}
	for native, err := range s.client(t, -1).Query(t.Context(), client.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := client.ParseEvent(native)
		if err != nil {
			t.Fatal(err)
		}
		sources[e.Source.IP] = true
	}
	if !sources["192.0.2.1"] || !sources["192.0.2.2"] || len(sources) != 2 {
		t.Errorf("the log says that attempts came from %v, want 192.0.2.1 and 192.0.2.2", sources)
	}
}

// Without a proxy that is trusted the header is anybody's word.
func TestNobodyElseSaysWhereACallerIs(t *testing.T) {
	for name, proxies := range map[string][]string{"none": nil, "another": {"192.0.2.0/24"}} {
		t.Run(name, func(t *testing.T) {
			s := behind(t, proxies...)
			exhaust(t, s, func(i int) string { return fmt.Sprintf("198.51.100.%d", i%256) })
			if got := attempt(t, s, "192.0.2.3"); got != http.StatusTooManyRequests {
				t.Errorf("an address that is made up has a pace of its own: %d", got)
			}
		})
	}
}
