package forward

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/book"
	"annal/internal/identity"
)

const secret = "hec-token-5f3c0a"

func good() Destination {
	return Destination{
		Name: "main-siem", Kind: "splunk", Host: "splunk.example", Port: 8088, Protocol: "https", Endpoint: "/services/collector/event",
		Format: "json", AuthMethod: AuthToken, Auth: secret,
	}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustCreate(t *testing.T, s *Store, tenant, name string) Destination {
	t.Helper()
	d := good()
	d.Name = name
	d, err := s.Create(tenant, d)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every kind takes each of its protocols with its format, and no other.
func TestS2_10_S2_17_KindsTakeTheirProtocolsAndFormatOnly(t *testing.T) {
	protocols, formats := []string{"tls", "tcp", "udp", "http", "https", "TLS", ""}, []string{"rfc5424", "json", "cef", ""}
	want := map[string]string{"syslog": "tls,tcp,udp rfc5424", "splunk": "https json", "json": "http,https,udp,tcp json", "cef": "tcp,tls,udp cef"}
	if len(want) != len(Kinds()) {
		t.Fatalf("%d kinds, want %d", len(Kinds()), len(want))
	}
	for _, k := range Kinds() {
		if got := strings.Join(k.Protocols, ",") + " " + k.Format; got != want[k.Name] {
			t.Errorf("%s takes %s, want %s", k.Name, got, want[k.Name])
		}
		for _, p := range protocols {
			for _, f := range formats {
				d := good()
				d.Kind, d.Protocol, d.Format = k.Name, p, f
				allowed := strings.Contains(","+strings.Join(k.Protocols, ",")+",", ","+p+",") && f == k.Format
				if err := d.Check(); (err == nil) != allowed {
					t.Errorf("%s over %q as %q: %v", k.Name, p, f, err)
				}
			}
		}
	}
}

func TestS2_17_EveryProblemIsNamed(t *testing.T) {
	for _, tt := range []struct {
		field string
		spoil func(*Destination)
	}{
		{"name", func(d *Destination) { d.Name = "ab" }},
		{"name", func(d *Destination) { d.Name = strings.Repeat("a", 51) }},
		{"name", func(d *Destination) { d.Name = "a b c" }},
		{"name", func(d *Destination) { d.Name = "naïve" }},
		{"host", func(d *Destination) { d.Host = "" }},
		{"host", func(d *Destination) { d.Host = "http://x" }},
		{"host", func(d *Destination) { d.Host = "a..b" }},
		{"host", func(d *Destination) { d.Host = "a:1" }},
		{"host", func(d *Destination) { d.Host = strings.Repeat("a", 254) }},
		{"host", func(d *Destination) { d.Host = "fe80::1%" + strings.Repeat("a", MaxHost) }},
		{"port", func(d *Destination) { d.Port = -1 }},
		{"port", func(d *Destination) { d.Port = 65536 }},
		{"siemType", func(d *Destination) { d.Kind = "Splunk" }},
		{"protocol", func(d *Destination) { d.Protocol = "http" }},
		{"loggingFormat", func(d *Destination) { d.Format = "cef" }},
		{"authMethod", func(d *Destination) { d.AuthMethod = "basic" }},
		{"auth", func(d *Destination) { d.Auth = "" }},
		{"auth", func(d *Destination) { d.Auth = "a\r\nX-Injected: 1" }},
		{"auth", func(d *Destination) { d.Auth = strings.Repeat("a", MaxAuth+1) }},
		{"endpoint", func(d *Destination) { d.Endpoint = "/a b" }},
		{"pool", func(d *Destination) { d.Pool = "-" }},
	} {
		d := good()
		tt.spoil(&d)
		var bad *annal.InvalidError
		if err := d.Check(); !errors.As(err, &bad) || len(bad.Problems) != 1 || bad.Problems[0].Field != tt.field {
			t.Errorf("%+v: %v, want one problem with %s", d, err, tt.field)
		}
	}
	var bad *annal.InvalidError
	if err := (&Destination{}).Check(); !errors.As(err, &bad) || len(bad.Problems) != 5 {
		t.Errorf("nothing at all: %v", err)
	}
	for _, host := range []string{"127.0.0.1", "::1", "splunk_1.example.", "a"} {
		d := good()
		if d.Host = host; d.Check() != nil {
			t.Errorf("%s: %v", host, d.Check())
		}
	}
}

func TestS2_14_S2_17_DestinationsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	first := mustCreate(t, s, "acme", "main-siem")
	mustCreate(t, s, "acme", "second")
	other := mustCreate(t, s, "other", "main-siem")
	if _, err := s.Create("acme", good()); !errors.Is(err, identity.ErrExists) {
		t.Errorf("the same name again: %v", err)
	}
	changed := good()
	changed.Port, changed.Auth = 9, "another"
	before, after, err := s.Update("acme", changed)
	if err != nil || before.Port != 8088 || before.Auth != secret || after.Port != 9 || after.ID != first.ID || !after.Created.Equal(first.Created) {
		t.Errorf("Update = %+v, %+v, %v", before, after, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got, err := s.Destination("acme", "main-siem"); err != nil || got.Auth != "another" || got.Port != 9 {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
	if got, err := s.Destination("other", "main-siem"); err != nil || got.Auth != secret || got.ID != other.ID {
		t.Errorf("another tenant's: %+v, %v", got, err)
	}
	if _, err := s.Delete("acme", "main-siem"); err != nil {
		t.Error(err)
	}
	for _, err := range []error{deleted(s), updated(s), read(s)} {
		if !errors.Is(err, annal.ErrNotFound) {
			t.Errorf("what was deleted: %v", err)
		}
	}
}

func TestATenantThatIsForgottenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mustCreate(t, s, "acme", "main-siem")
	mustCreate(t, s, "acme", "second")
	mustCreate(t, s, "acme2", "main-siem")
	if err := s.Forget("acme"); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget("never-seen"); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	for tenant, want := range map[string]int{"acme": 0, "acme2": 1} {
		if found, err := s.Search(tenant, identity.Search{}); err != nil || found.Total != want {
			t.Errorf("%s has %d, %v; want %d", tenant, found.Total, err, want)
		}
	}
}

func deleted(s *Store) error { _, err := s.Delete("acme", "main-siem"); return err }
func updated(s *Store) error { _, _, err := s.Update("acme", good()); return err }
func read(s *Store) error    { _, err := s.Destination("acme", "main-siem"); return err }

func TestS2_17_WhatAuthenticatesIsSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mustCreate(t, s, "acme", "main-siem")
	found, err := s.Search("acme", identity.Search{})
	if err != nil || len(found.Items) != 1 || found.Items[0].Auth != "" {
		t.Errorf("a list shows %+v, %v", found, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{StateFile, KeyFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds the secret", name)
		}
	}
	if seal, err := openSealer(filepath.Join(dir, KeyFile), [16]byte{}, rand.Reader, false); err != nil {
		t.Error(err)
	} else if sealed, err := seal.seal(place("acme", "1"), secret); err != nil {
		t.Error(err)
	} else if _, err := seal.unseal(place("other", "1"), sealed); err == nil {
		t.Error("a sealed value works for another tenant")
	}
}

func TestAStoreWithoutItsKeyIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mustCreate(t, s, "acme", "main-siem")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, KeyFile)
	for name, spoil := range map[string]func() error{
		"is missing":        func() error { return os.Remove(key) },
		"main-siem of acme": func() error { return book.WriteKey(key, strings.Repeat("00", keyBytes), [16]byte{}) },
		"another log":       func() error { return book.WriteKey(key, strings.Repeat("00", keyBytes), [16]byte{1}) },
		"wrong checksum":    func() error { return os.WriteFile(key, make([]byte, 2*keyBytes+46), 0o600) },
		"as long as a key":  func() error { return os.WriteFile(key, []byte("abc"), 0o600) },
		"is a directory":    func() error { return errors.Join(os.Remove(key), os.Mkdir(key, 0o700)) },
	} {
		_ = os.Remove(key)
		_ = os.WriteFile(key, nil, 0o600)
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{Dir: dir, Now: time.Now, Rand: rand.Reader})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "is a directory" && strings.Contains(err.Error(), "away") {
			t.Errorf("a key that cannot be read now, and may be sound, is to be moved away: %v", err)
		}
		if s != nil {
			t.Error("it opened")
		}
	}
}

func TestSearchWalksAllPages(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range MaxDestinations {
		mustCreate(t, s, "acme", fmt.Sprintf("siem-%03d", i))
	}
	mustCreate(t, s, "other", "siem-of-another")
	over := good()
	var bad *annal.InvalidError
	if _, err := s.Create("acme", over); !errors.As(err, &bad) {
		t.Errorf("one too many: %v", err)
	}
	for term, want := range map[string]int{"": 100, "SIEM-00": 10, "splunk": 100, "nowhere": 0} {
		q, got := identity.Search{Term: term, Limit: 7}, 0
		for {
			found, err := s.Search("acme", q)
			if err != nil {
				t.Fatal(err)
			}
			if found.Total != want {
				t.Errorf("%q: total %d, want %d", term, found.Total, want)
			}
			got += len(found.Items)
			if q.Cursor = found.Next; q.Cursor == "" {
				break
			}
		}
		if got != want {
			t.Errorf("%q: %d, want %d", term, got, want)
		}
	}
	if _, err := s.Search("acme", identity.Search{Cursor: "?"}); !errors.As(err, &bad) {
		t.Errorf("a bad cursor: %v", err)
	}
}
