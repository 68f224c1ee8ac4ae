//go:build integration && linux

package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
)

// A dsvClient is Delinea's own command line, which knows nothing of annal.
type dsvClient struct {
	t    *testing.T
	bin  string
	env  []string
	yaml bool // what the output is asked for as, and read as
}

const (
	dsvStart     = "2026-01-01" // before any event of the tests
	alicesSecret = "Correct-Horse-7!"
)

// newDSV finds the client and points it at p by a host that its tenant and
// domain make: 127 and 0.0.1.
func newDSV(t *testing.T, p *process) dsvClient {
	t.Helper()
	bin := os.Getenv("ANNAL_DSV_BIN")
	if bin == "" {
		var err error
		if bin, err = exec.LookPath("dsv"); err != nil {
			t.Fatal("the dsv client is missing: make deps builds it, or ANNAL_DSV_BIN says where it is")
		}
	}
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return dsvClient{t: t, bin: bin, env: []string{
		"PATH=" + os.Getenv("PATH"), "TERM=dumb",
		"THY_TENANT=127", "THY_DOMAIN=0.0.1", "THY_HTTP=http", "THY_PORT=" + u.Port(),
	}}
}

// as returns the client signing in by the given settings. It has a home of its
// own, for the client keeps its tokens there whoever they are of.
func (d dsvClient) as(settings ...string) dsvClient {
	d.t.Helper()
	d.env = append(append(slices.Clone(d.env), "HOME="+d.t.TempDir()), settings...)
	return d
}

func (d dsvClient) user(name, password string) dsvClient {
	return d.as("THY_AUTH_TYPE=password", "THY_AUTH_USERNAME="+name, "THY_AUTH_PASSWORD="+password)
}

func (d dsvClient) client(id, secret string) dsvClient {
	return d.as("THY_AUTH_TYPE=clientcred", "THY_AUTH_CLIENT_ID="+id, "THY_AUTH_CLIENT_SECRET="+secret)
}

func (d dsvClient) command(args ...string) *exec.Cmd {
	if d.yaml {
		args = append(args, "--encoding", "yaml")
	}
	cmd := exec.Command(d.bin, args...)
	cmd.Env = d.env
	return cmd
}

// text runs the client and returns what it prints.
func (d dsvClient) text(args ...string) string {
	d.t.Helper()
	out, err := d.command(args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("dsv %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// object runs the client and reads what it prints.
func (d dsvClient) object(args ...string) map[string]any {
	d.t.Helper()
	text := d.text(args...)
	if !d.yaml {
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			d.t.Fatalf("dsv %v: %v\n%s", args, err, text)
		}
		return v
	}
	v, err := yaml.Parser().Unmarshal([]byte(text))
	if err != nil || strings.HasPrefix(text, "{") {
		d.t.Fatalf("dsv %v is no YAML: %v\n%s", args, err, text)
	}
	return v
}

// refused runs the client and demands that annal refuses.
func (d dsvClient) refused(code int, args ...string) {
	d.t.Helper()
	out, _ := d.command(args...).CombinedOutput()
	if !strings.Contains(string(out), fmt.Sprintf(`"code":%d`, code)) && !strings.Contains(string(out), fmt.Sprintf("code: %d", code)) && !strings.Contains(string(out), fmt.Sprintf(`"code": %d`, code)) {
		d.t.Errorf("dsv %v is not refused with %d:\n%s", args, code, out)
	}
}

func (d dsvClient) has(v map[string]any, member string, want any) {
	d.t.Helper()
	if got := fmt.Sprint(v[member]); got != fmt.Sprint(want) {
		d.t.Errorf("%s is %s, want %v: %v", member, got, want, v)
	}
}

// withAlice starts a server whose default tenant has a user who may do
// everything by policy.
func withAlice(t *testing.T) (*process, dsvClient) {
	t.Helper()
	p := serve(t, t.TempDir())
	p.post(t, "/v1/users", `{"userName":"alice","password":"`+alicesSecret+`"}`)
	p.post(t, "/v1/config/policies", `{"path":"admins","policy":"{\"permissionDocument\":[{\"subjects\":[\"users:alice\"],\"effect\":\"allow\",\"resources\":[\"<.*>\"],\"actions\":[\"<.*>\"]}]}"}`)
	return p, newDSV(t, p).user("alice", alicesSecret)
}

func TestS2_2_S2_7_DSVClientSignsIn(t *testing.T) {
	_, alice := withAlice(t)
	if got := alice.text("whoami"); got != "users:alice" {
		t.Errorf("whoami is %s", got)
	}
	alice.has(alice.object("auth"), "tokenType", "bearer")
	alice.user("alice", "wrong").refused(401, "auth")
	alice.object("role", "create", "--name", "reader")
	made := alice.object("client", "create", "--role", "reader", "--desc", "ci")
	client := alice.client(fmt.Sprint(made["clientId"]), fmt.Sprint(made["clientSecret"]))
	if got := client.text("whoami"); got != "roles:reader" {
		t.Errorf("whoami is %s", got)
	}
	client.refused(403, "audit", "--startdate", dsvStart)
	alice.object("policy", "create", "--path", "audit", "--actions", "list", "--resources", "audit", "--subjects", "roles:reader")
	client.object("audit", "--startdate", dsvStart)
	client.refused(403, "user", "search")
	failed := alice.object("audit", "--startdate", dsvStart, "--path", "token", "--limit", "100")
	if text := fmt.Sprint(failed["data"]); !strings.Contains(text, "user attempting login: users:alice") {
		t.Errorf("the failed login is not in %s", text)
	}
}

func TestS2_8_S2_15_DSVClientReadsTheLog(t *testing.T) {
	p, alice := withAlice(t)
	today := time.Now().UTC().Format(time.DateOnly)
	for i := range 30 {
		method, path := "GET", "secrets/prod/db"
		if i%3 == 0 {
			method, path = "PUT", "secrets:prod:key"
		}
		p.post(t, "/v1/events", fmt.Sprintf(`{"actor":{"type":"user","id":"bob"},"action":"read","resource":{"path":%q},"request":{"method":%q,"status":200},"message":"no %d"}`, path, method, i))
	}
	for _, d := range []dsvClient{alice, {alice.t, alice.bin, alice.env, true}} {
		for _, tt := range []struct {
			flags []string
			total int
		}{
			{[]string{"--principal", "users:bob"}, 30},
			{[]string{"--principal", "users:bob", "--actions", "PUT"}, 10},
			{[]string{"--path", "secrets/prod"}, 30},
			{[]string{"--path", "secrets:prod:db", "--enddate", today}, 20},
			{[]string{"--path", "secrets:prod:db", "--actions", "PUT"}, 0},
			{[]string{"--principal", "users:bob", "--enddate", "2026-01-02"}, 0},
			{[]string{"-s", today, "--principal", "users:bob", "-l", "3"}, 30},
		} {
			args := append([]string{"audit", "--startdate", dsvStart}, tt.flags...)
			d.has(d.object(args...), "totalItems", tt.total)
		}
	}
	for _, sort := range []string{"asc", "desc"} {
		args := []string{"audit", "--startdate", dsvStart, "--enddate", today, "--principal", "users:bob", "--path", "secrets", "--limit", "7", "--sort", sort}
		var messages []string
		for cursor := ""; ; {
			page := alice.object(append(args, "--cursor", cursor)...)
			for _, record := range page["data"].([]any) {
				messages = append(messages, fmt.Sprint(record.(map[string]any)["message"]))
			}
			if cursor = fmt.Sprint(page["cursor"]); cursor == "" {
				break
			}
		}
		if sort == "desc" {
			slices.Reverse(messages)
		}
		for i, message := range messages {
			if want := fmt.Sprintf("no %d", i); message != want || len(messages) != 30 {
				t.Errorf("%s: record %d of %d is %q, want %q", sort, i, len(messages), message, want)
			}
		}
	}
	alice.refused(400, "audit", "--startdate", dsvStart, "--cursor", "nonsense")
}

func TestS2_7_S2_17_DSVClientAdministers(t *testing.T) {
	_, alice := withAlice(t)
	for _, d := range []dsvClient{alice, {alice.t, alice.bin, alice.env, true}} {
		d.administerPolicies()
		d.administerPeople()
	}
}

func (d dsvClient) administerPolicies() {
	d.t.Helper()
	made := d.object("policy", "create", "--path", "secrets/a", "--actions", "read,list", "--subjects", "groups:readers", "--cidr", "10.0.0.0/8", "--desc", "of the test")
	d.has(made, "path", "secrets:a")
	d.has(made, "version", "0")
	d.refused(400, "policy", "create", "--path", "secrets/a", "--actions", "read", "--subjects", "groups:readers")
	d.has(d.object("policy", "update", "--path", "secrets:a", "--actions", "delete", "--subjects", "users:bob", "--effect", "deny"), "version", "1")
	if now := fmt.Sprint(d.object("policy", "read", "secrets/a")["permissionDocument"]); !strings.Contains(now, "deny") {
		d.t.Errorf("the policy is %s", now)
	}
	if was := fmt.Sprint(d.object("policy", "read", "secrets/a", "--version", "0")["permissionDocument"]); !strings.Contains(was, "10.0.0.0/8") {
		d.t.Errorf("the policy was %s", was)
	}
	d.has(d.object("policy", "rollback", "secrets/a"), "version", "2")
	d.has(d.object("policy", "search", "--query", "secrets"), "total", 1)
	d.text("policy", "delete", "secrets/a")
	d.refused(404, "policy", "read", "secrets/a")
	d.object("policy", "restore", "secrets/a")
	d.text("policy", "delete", "secrets/a", "--force")
	d.refused(404, "policy", "restore", "secrets/a")
}

func (d dsvClient) administerPeople() {
	d.t.Helper()
	d.has(d.object("user", "create", "--username", "carol", "--password", alicesSecret, "--displayname", "Carol C"), "displayName", "Carol C")
	d.refused(400, "user", "create", "--username", "carol", "--password", alicesSecret)
	d.has(d.object("user", "update", "--username", "carol", "--displayname", "Carol D"), "displayName", "Carol D")
	d.object("user", "update", "--username", "carol", "--password", "Another-Horse-8!")
	if got := d.user("carol", "Another-Horse-8!").text("whoami"); got != "users:carol" {
		d.t.Errorf("whoami is %s", got)
	}
	d.has(d.object("user", "read", "carol"), "userName", "carol")
	d.has(d.object("user", "search", "--query", "carol", "--limit", "10"), "limit", 10)

	d.object("group", "create", "--group-name", "readers", "--members", "carol")
	d.object("group", "add-members", "--group-name", "readers", "--members", "alice")
	if got := fmt.Sprint(d.object("group", "read", "readers")["members"]); got != "[alice carol]" {
		d.t.Errorf("the members are %s", got)
	}
	d.text("group", "delete-members", "--group-name", "readers", "--members", "alice")
	if got := fmt.Sprint(d.object("user", "groups", "--username", "carol")["data"]); !strings.Contains(got, "readers") {
		d.t.Errorf("carol's groups are %s", got)
	}
	d.has(d.object("group", "search", "--query", "read"), "total", 1)
	d.text("group", "delete", "readers")
	d.refused(404, "group", "read", "readers")

	d.object("role", "create", "--name", "robots", "--desc", "first")
	d.has(d.object("role", "update", "--name", "robots", "--desc", "second"), "description", "second")
	d.has(d.object("role", "read", "robots"), "version", "1")
	d.has(d.object("role", "search", "--query", "robot"), "total", 1)
	id := fmt.Sprint(d.object("client", "create", "--role", "robots")["clientId"])
	d.has(d.object("client", "read", id), "role", "robots")
	d.has(d.object("client", "search", "--role", "robots"), "total", 1)
	d.text("client", "delete", id)
	d.refused(404, "client", "read", id)
	d.text("role", "delete", "robots")
	d.text("user", "delete", "carol")
	d.refused(404, "user", "read", "carol")
}

func TestS2_13_S2_17_DSVClientConfiguresSIEMs(t *testing.T) {
	_, alice := withAlice(t)
	const down = "\x1b[B"
	splunk := []step{
		{"Select SIEM type", down + "\r"}, {"Select protocol for splunk", "\r"}, {"Host:", "splunk.example\r"}, {"Port:", "8088\r"},
		{"Endpoint:", "/services/collector/event\r"}, {"authentication method", "\r"}, {"Authentication:", "hec-secret\r"}, {"logging format", "\r"},
		{"Route through", "\r"}, {"Allow self signed", "y\r"},
	}
	alice.wizard(append([]step{{"Name of SIEM endpoint:", "main-siem\r"}}, splunk...), "siem", "create")
	made := alice.object("siem", "read", "main-siem")
	for member, want := range map[string]any{
		"siemType": "splunk", "name": "main-siem", "host": "splunk.example", "port": 8088, "protocol": "https", "endpoint": "/services/collector/event",
		"loggingFormat": "json", "authMethod": "token", "auth": "hec-secret", "sendToEngine": false, "pool": "", "allowSelfSigned": true, "failed": false, "failedEvents": 0,
	} {
		alice.has(made, member, want)
	}
	alice.wizard([]step{
		{"Select SIEM type", "\r"}, {"Select protocol for syslog", down + down + "\r"}, {"Host:", "127.0.0.1\r"}, {"Port:", "514\r"},
		{"authentication method", "\r"}, {"Authentication:", "other-secret\r"}, {"logging format", "\r"}, {"Route through", "\r"},
	}, "siem", "update", "main-siem")
	inYAML := dsvClient{alice.t, alice.bin, alice.env, true}
	now := inYAML.object("siem", "read", "--name", "main-siem")
	for member, want := range map[string]any{"id": made["id"], "protocol": "udp", "loggingFormat": "rfc5424", "port": 514, "auth": "other-secret"} {
		inYAML.has(now, member, want)
	}
	alice.wizard(append([]step{{"Name of SIEM endpoint:", "second_1\r"}}, splunk...), "siem", "create")
	found := alice.object("siem", "search", "--query", "siem", "--limit", "1")
	alice.has(found, "total", 1)
	alice.has(alice.object("siem", "search"), "total", 2)
	if text := fmt.Sprint(found); strings.Contains(text, "secret") {
		t.Errorf("a search shows %s", text)
	}
	for _, name := range []string{"main-siem", "second_1"} {
		if got := alice.text("siem", "delete", name); got != "" {
			t.Errorf("delete prints %s", got)
		}
	}
	alice.refused(404, "siem", "read", "main-siem")
	log := fmt.Sprint(alice.object("audit", "--startdate", dsvStart, "--path", "config:siem", "--limit", "100"))
	if strings.Contains(log, "-secret") || !strings.Contains(log, "config:siem:main-siem") {
		t.Errorf("the log of SIEMs is %s", log)
	}
}
