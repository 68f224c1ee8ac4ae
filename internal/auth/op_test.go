//go:build integration

package auth

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A realOP is a running npm oidc-provider. scripts/deps brings it.
type realOP struct {
	t    *testing.T
	url  string
	say  func(line string) // and wait until it was heard
	stop func()
}

func startOP(t *testing.T) *realOP {
	t.Helper()
	modules, err := exec.Command("oidc-provider-modules").Output()
	if err != nil {
		t.Fatal("scripts/deps has not brought oidc-provider: ", err)
	}
	dir := t.TempDir()
	program, err := os.ReadFile(filepath.Join("testdata", "op", "op.mjs"))
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "op.mjs"), program, 0o600),
		os.Symlink(strings.TrimSpace(string(modules)), filepath.Join(dir, "node_modules")))
	l, listenErr := net.Listen("tcp", "127.0.0.1:0")
	if err = errors.Join(err, listenErr); err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	op := exec.Command("node", "op.mjs", fmt.Sprint(port))
	op.Dir, op.Stderr = dir, os.Stderr
	in, err := op.StdinPipe()
	out, outErr := op.StdoutPipe()
	if err = errors.Join(err, outErr, l.Close(), op.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	heard := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the provider ended before it said %q", want)
	}
	stop := func() {
		_ = in.Close()
		_ = op.Wait()
	}
	t.Cleanup(stop)
	heard("ready")
	return &realOP{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port), stop: stop, say: func(line string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Fatal(err)
		}
		heard(line)
	}}
}

// token asks the provider for an access token that is signed with alg, or that
// is for somebody else when alg is "none".
func (p *realOP) token(alg string) string {
	p.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"audit:read"}, "resource": {"urn:" + alg}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("reporting", "s3cr3t")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		p.t.Fatalf("the provider answers %d: %v", resp.StatusCode, err)
	}
	return answer.Token
}

// Tokens of a real provider, through a rotation of its keys and its end.
func TestRealProvider(t *testing.T) {
	p := startOP(t)
	c := &clock{time.Now()}
	s := open(t, t.TempDir(), c)
	if err := s.Register([]string{"acme"}); err != nil {
		t.Fatal(err)
	}
	issuers, err := s.Trust([]Issuer{{Name: "op", URL: p.url, Audience: "https://annal.test/api", Tenants: []string{"acme"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(token string) (Caller, error) {
		return Chain{s, s.Signed(), issuers}.Authenticate(t.Context(), "Bearer "+token)
	}
	for _, alg := range []string{"RS256", "ES256"} {
		who, err := ask(p.token(alg))
		if err != nil || who.Subject != "users:op:reporting" || who.Tenant != "acme" || !slices.Equal(who.Scopes, []string{ScopeRead}) ||
			!slices.Contains(who.Principals, "groups:audit-readers") {
			t.Errorf("%s: %+v, %v", alg, who, err)
		}
	}
	if _, err := ask(p.token("none")); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token for somebody else: %v", err)
	}
	old := p.token("RS256")
	p.say("rotate")
	c.t = c.t.Add(keysRetry)
	young := p.token("RS256")
	if _, err := ask(young); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if _, err := ask(old); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token of the keys that were withdrawn: %v", err)
	}
	p.stop()
	c.t = c.t.Add(2 * keysPatient)
	if _, err := ask(young); err != nil {
		t.Errorf("the provider is down, but its key is known: %v", err)
	}
	c.t = c.t.Add(time.Hour)
	if _, err := ask(young); !errors.Is(err, ErrExpired) {
		t.Errorf("an hour later: %v", err)
	}
}
