package auth

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"annal/internal/identity"
)

// from is a login from an address.
func from(remote, name, secret string) identity.Login {
	l := as(name, secret)
	l.Remote = remote
	return l
}

// guess tries a wrong secret of a client and reports whether it was looked at.
func guess(t *testing.T, s *Store, remote, name string) (looked bool) {
	t.Helper()
	_, err := s.GrantClient(t.Context(), from(remote, name, "wrong"))
	if err == nil {
		t.Fatal("a wrong secret is taken")
	}
	var rate *RateError
	return errors.Is(err, ErrCredentials) || errors.As(err, &rate) && rate.Locked && rate.New && rate.After == lockFor
}

// Who fails all day from one network keeps nobody out but who is there too.
func TestOneNetworkLocksNobodyElseOut(t *testing.T) {
	c := &clock{noon}
	s, client, secret := peopled(t, t.TempDir(), c)
	looked := 0
	for minute := range 24 * 60 {
		c.t = noon.Add(time.Duration(minute) * time.Minute)
		for range 10 {
			if guess(t, s, "192.0.2.66:1", client.ID) {
				looked++
			}
		}
		if minute%30 != 1 {
			continue
		}
		owner := fmt.Sprintf("198.51.%d.1:1", minute/30) // never the same
		if _, err := s.GrantClient(t.Context(), from(owner, client.ID, secret)); err != nil {
			t.Fatalf("after %d minutes, the owner: %v", minute, err)
		}
	}
	if most := maxFailures * (int(24*time.Hour/lockFor) + 1); looked > most || looked < maxFailures {
		t.Errorf("of one network %d guesses are looked at in a day, want at most %d", looked, most)
	}
}

// Many networks guess together no more than a name's budget of failures, and keep
// nobody out from where they signed in before.
func TestManyNetworksShareAName(t *testing.T) {
	c := &clock{noon}
	s, client, secret := peopled(t, t.TempDir(), c)
	const home, elsewhere = "198.51.100.1:1", "198.51.100.2:1"
	if _, err := s.GrantClient(t.Context(), from(home, client.ID, secret)); err != nil {
		t.Fatal(err)
	}
	looked := map[string]int{}
	for minute := range 3 * 60 {
		c.t = noon.Add(time.Duration(minute) * time.Minute)
		for i := range 50 {
			for _, name := range []string{client.ID, "nobody"} {
				if guess(t, s, fmt.Sprintf("[2001:db8:%x:%x::1]:1", minute, i), name) {
					looked[name]++
				}
			}
		}
		if _, err := s.GrantClient(t.Context(), from(home, client.ID, secret)); err != nil {
			t.Fatalf("after %d minutes, the owner at home: %v", minute, err)
		}
		var refused *RateError
		if _, err := s.GrantClient(t.Context(), from(elsewhere, client.ID, secret)); !errors.As(err, &refused) || refused.After > strangerEvery {
			t.Fatalf("after %d minutes, the owner elsewhere: %v", minute, err)
		}
	}
	if most := strangerBurst + int(3*time.Hour/strangerEvery); looked[client.ID] > most || looked[client.ID] < strangerBurst || looked[client.ID] != looked["nobody"] {
		t.Errorf("of many networks %v guesses are looked at, want of each name at most %d, and as many", looked, most)
	}
	c.t = c.t.Add(strangerEvery)
	if _, err := s.GrantClient(t.Context(), from(elsewhere, client.ID, secret)); err != nil {
		t.Errorf("when it is over, the owner elsewhere: %v", err)
	}
}

// An attempt that is no failure does not count as one, wherever it comes from.
func TestSuccessesAreNoFailures(t *testing.T) {
	c := &clock{noon}
	s, client, secret := peopled(t, t.TempDir(), c)
	for i := range 10 * strangerBurst {
		c.t = c.t.Add(subjectEvery)
		if _, err := s.GrantClient(t.Context(), from(fmt.Sprintf("10.1.%d.1:1", i), client.ID, secret)); err != nil {
			t.Fatalf("login %d, each from another network: %v", i, err)
		}
	}
}

// What is remembered of where names signed in is bounded, and the latest stays.
func TestHomesAreBounded(t *testing.T) {
	h := homes{keys: map[string][]home{}}
	for i := range maxPaces + 300 {
		now := noon.Add(time.Duration(i) * time.Second)
		h.add(fmt.Sprint("name", i), "10.0.0.1/32", now)
		h.add("traveller", fmt.Sprintf("10.1.0.%d/32", i%250), now)
		h.add("traveller", "10.0.0.1/32", now)
		h.add("traveller", "", now)
	}
	if len(h.keys) > maxPaces || len(h.keys["traveller"]) > maxHomes {
		t.Errorf("%d names and %d networks of one are kept, want at most %d and %d", len(h.keys), len(h.keys["traveller"]), maxPaces, maxHomes)
	}
	if !h.has("traveller", "10.0.0.1/32") || h.has("traveller", "10.1.0.1/32") || h.has("traveller", "") || h.has("name0", "10.0.0.1/32") {
		t.Error("it is not the latest that are kept")
	}
}
