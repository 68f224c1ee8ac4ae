package auth

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"annal/internal/identity"
)

// A token that was ended is void, also after a restart; others of its user are
// not, and nothing of it is kept once it would have expired anyway.
func TestEndedTokensStayVoid(t *testing.T) {
	now := time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC)
	cfg := Config{Dir: t.TempDir(), Now: func() time.Time { return now }, Rand: rand.Reader}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Register([]string{"acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser("root", "acme", identity.User{Name: "ada"}, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for range 2 {
		g, err := s.GrantPassword(t.Context(), identity.Login{Name: "ada", Secret: "correct horse battery", Remote: "192.0.2.1"})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, g.Access)
	}
	for _, header := range []string{"", "Bearer x", "Bearer a.b.c", "Bearer " + tokens[0]} {
		if err := s.EndToken(header); err != nil {
			t.Fatalf("EndToken(%q): %v", header, err)
		}
	}
	for range 2 {
		if _, err := s.Signed().Authenticate(t.Context(), tokens[0]); !errors.Is(err, ErrRevoked) {
			t.Errorf("the ended token gives %v", err)
		}
		if _, err := s.Signed().Authenticate(t.Context(), tokens[1]); err != nil {
			t.Errorf("another token gives %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.EndToken("Bearer " + tokens[1]); err != nil {
		t.Fatal(err)
	}
	now = now.Add(identity.MaxLifetime)
	g, err := s.GrantPassword(t.Context(), identity.Login{Name: "ada", Secret: "correct horse battery", Remote: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndToken("Bearer " + g.Access); err != nil {
		t.Fatal(err)
	}
	if len(s.ended) != 1 {
		t.Errorf("%d ended tokens are kept, want 1", len(s.ended))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
