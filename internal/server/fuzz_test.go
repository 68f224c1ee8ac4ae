package server

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"annal/internal/auth"
	"annal/internal/corpus"
)

// FuzzSettings holds that a configuration file gives settings that there are,
// or is refused with a reason that names the file.
func FuzzSettings(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{
		"listen: 127.0.0.1:0\nmemory-limit: 1GiB\nredact-names: [a, b]\n", "max_connections: 5", "log:\n  format: json", "a: &a [*a]", "? {}", "- 1", "data: !!binary aGk=", "{}: x",
	} {
		f.Add(s)
	}
	name := filepath.Join(f.TempDir(), "annal.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := LoadFile(name)
		if err != nil {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%q: the error does not name the file: %v", text, err)
			}
			return
		}
		names := settingNames()
		for key, v := range values {
			if !names[key] || v == nil {
				t.Errorf("%q: the setting %q is %v", text, key, v)
			}
		}
	})
}

// FuzzIssuers holds that a file of issuers that is accepted names only issuers
// whose keys come by a safe way, and is the same file when it is written anew.
func FuzzIssuers(f *testing.F) {
	corpus.Seed(f)
	f.Add("issuers:\n- {name: okta, url: https://a.example/x, audience: b, tenants: [acme], leeway: 10s, claims: {groups: a.b}}\n")
	f.Add("issuers: [{name: x, url: 'http://[::1]:80', audience: y, super: true, algorithms: [EdDSA], types: [\"\"]}]")
	f.Add("issuers: [{url: http://localhost@evil.example/, name: a, audience: b, tenant: c}]")
	dir := f.TempDir()
	store, err := auth.Open(auth.Config{Dir: dir, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := store.Close(); err != nil {
			f.Error(err)
		}
	})
	name := filepath.Join(dir, "issuers.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		read := func(text string) ([]auth.Issuer, error) {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return loadIssuers(name)
		}
		list, err := read(text)
		if err != nil {
			return
		}
		if _, err := store.Trust(list, nil); err != nil {
			return
		}
		for _, i := range list {
			if !strings.HasPrefix(strings.ToLower(i.URL), "https://") && !strings.HasPrefix(strings.ToLower(i.URL), "http://") || i.Audience == "" {
				t.Errorf("%q: %+v is trusted", text, i)
			}
		}
		plain, err := json.Marshal(map[string]any{"issuers": list}) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(string(plain))
		if err != nil {
			t.Fatalf("%s: %v", plain, err)
		}
		if same, err := json.Marshal(map[string]any{"issuers": again}); err != nil || string(same) != string(plain) {
			t.Errorf("%s is read as %s (%v)", plain, same, err)
		}
	})
}

// FuzzSize holds that a size is shown as one that reads the same.
func FuzzSize(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{"512KiB", "1.5 gb", "0", "-1", "1e3", "0x10p4", "9223372036854775807", "NaN", "inf B", "kib"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, again Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || s < 0 || again != s && s < 1<<53 {
			t.Errorf("%q is %d, shown as %s, which is %d (%v)", text, int64(s), s, int64(again), err)
		}
	})
}
