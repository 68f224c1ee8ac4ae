package bench

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWireReadsWhateverGoServersWrite(t *testing.T) {
	long := strings.Repeat("0123456789abcdef\n", 100_000)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /short", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "short") })
	mux.HandleFunc("GET /empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /long", func(w http.ResponseWriter, _ *http.Request) {
		for part := long; part != ""; part = part[17_000:] {
			io.WriteString(w, part[:17_000])
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("GET /refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, long, http.StatusTeapot) })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("Authorization"), r.Header.Get("X-Tenant-ID"), r.Header.Get("Content-Type"))
		io.Copy(w, r.Body)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	target, err := newTarget(server.URL, "tok")
	if err != nil {
		t.Fatal(err)
	}
	w, err := target.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	// Twice over one connection: nothing of an answer may be left behind.
	for range 2 {
		for path, want := range map[string]string{"/short": "short", "/empty": "", "/none": "", "/long": long} {
			got, err := w.do(target.appendHead(nil, "GET", path, "", "*/*", 0))
			if err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v; want %d bytes", path, len(got), err, len(want))
			}
		}
		var refused *refusedError
		if _, err := w.do(target.appendHead(nil, "GET", "/refused", "", "*/*", 0)); !errors.As(err, &refused) ||
			refused.status != http.StatusTeapot || len(refused.body) != maxErrorBody {
			t.Errorf("refusal: %v", err)
		}
		request := append(target.appendHead(nil, "POST", "/echo", "acme", ndjson, 4), "body"...)
		if got, err := w.do(request); err != nil || string(got) != "Bearer tok acme "+ndjson+"\nbody" {
			t.Errorf("echo: %q, %v", got, err)
		}
	}
}

func TestTargetRefusesWhatIsNoServer(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://host", "http://", "::"} {
		if _, err := newTarget(bad, ""); err == nil {
			t.Errorf("newTarget(%q) succeeded, want an error", bad)
		}
	}
	for in, want := range map[string]string{"http://h": "h:80", "https://h": "h:443", "http://h:1": "h:1", "http://[::1]": "[::1]:80"} {
		if got, err := newTarget(in, ""); err != nil || got.addr != want {
			t.Errorf("newTarget(%q) = %q, %v, want %q", in, got.addr, err, want)
		}
	}
}
