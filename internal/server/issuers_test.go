package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIssuersFile(t *testing.T) {
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "issuers.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	list, err := loadIssuers(write(`
issuers:
  - name: okta
    url: https://acme.okta.example/oauth2/default
    audience: https://annal.acme.example
    algorithms: [RS256]
    types: [at+jwt]
    leeway: 10s
    tenants: [acme]
    claims: {groups: realm_access.roles}
`))
	if err != nil || len(list) != 1 || list[0].Name != "okta" || list[0].Claims.Groups != "realm_access.roles" || list[0].Tenants[0] != "acme" {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := loadIssuers(""); err != nil || list != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	for text, want := range map[string]string{"issuers: [": "read", "issuers: [{nmae: x}]": "nmae", "issuer: []": "issuer"} {
		if _, err := loadIssuers(write(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error about %s", text, err, want)
		}
	}
	if _, err := Open(Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", LogFormat: "text", MaxConnections: 1, GCPercent: 100, HeaderTimeout: minTimeout, BodyTimeout: minTimeout,
		StallTimeout: minTimeout, IdleTimeout: minTimeout, QueryTimeout: minTimeout, ShutdownTimeout: minTimeout,
		OIDCIssuers: write("issuers: [{name: a, url: 'http://far.example', audience: x, tenant: t}]"),
	}, Deps{}); err == nil || !strings.Contains(err.Error(), "oidc-issuers") {
		t.Errorf("a server opened with keys from an open line: %v", err)
	}
}
