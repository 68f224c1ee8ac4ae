//go:build integration

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What befalls state.db and forward.db while the server runs keeps nobody waiting:
// whoever needs the file gets an error in the shape of the API that was asked, all
// else is answered, the alarm is on, the server's log names the file, and the
// server ends when it is told to.
func TestLostStateKeepsNobodyWaiting(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	inhabited(t, prepared)
	zeros := spoiling{"overwritten with zeros", func(t *testing.T, file string) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		clear(b)
		overwrite(t, file, b)
	}}
	siem := change{"/v1/t/acme/config/siem", `{"siemType":"splunk","name":"NAME","host":"splunk.example","port":8088,"protocol":"https",` +
		`"endpoint":"/services/collector/event","loggingFormat":"json","authMethod":"token","auth":"hec-token-5f3c0a","sendToEngine":false,"pool":"","allowSelfSigned":true}`, `"code":500`}
	token := change{"/v1/tokens", `{"subject":"NAME","scopes":["audit:read"]}`, `"code":"internal_error"`}
	for _, s := range append(spoilings()[4:], zeros) {
		t.Run("state.db "+s.name, func(t *testing.T) {
			lostState(t, prepared, "state.db", s, token, map[bool]int{true: http.StatusUnauthorized, false: http.StatusInternalServerError}[s.name == "removed"])
		})
		t.Run("forward.db "+s.name, func(t *testing.T) { lostState(t, prepared, "forward.db", s, siem, http.StatusUnauthorized) })
	}
}

// A change is a request that needs a file, with NAME for what is new in it, and
// what its refusal holds.
type change struct{ path, body, shape string }

func lostState(t *testing.T, prepared, file string, s spoiling, needs change, strangers int) {
	dir := filepath.Join(t.TempDir(), "data")
	copyDir(t, prepared, dir)
	p := launch{dir: dir, size: small}.serve(t)
	if status, _ := p.fetch(t, "/v1/tenants"); status != http.StatusOK {
		t.Fatalf("before, the answer is %d", status)
	}
	s.do(t, filepath.Join(dir, file))
	p.crowd(t, needs, strangers)
	if alarm := p.metric(t, "annal_damage_alarm"); alarm != "1" {
		t.Errorf("the alarm is %s", alarm)
	}
	if said := p.output.String(); !strings.Contains(said, file+" is damaged") || !strings.Contains(said, "put it back from a backup") {
		t.Errorf("the log does not name the file\n%s", said)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.end(t)
	if strings.Contains(p.output.String(), "were cut off") {
		t.Errorf("requests hung\n%s", p.output)
	}
}

// crowd asks much at the same time, and demands an answer to each: to strangers,
// whose tokens are looked up in state.db, the status given; to the admin, who is
// known, what was asked for, but to changes that need the file 500.
func (p *process) crowd(t *testing.T, needs change, strangers int) {
	t.Helper()
	impatient := &http.Client{Timeout: 15 * time.Second}
	failures := make(chan error)
	n := 0
	ask := func(method, path, token, body string, want int, shape string) {
		n++
		go func() { failures <- askOnce(impatient, method, p.url+path, token, body, want, shape) }()
	}
	for i := range 24 {
		for path, shape := range map[string]string{"/v1/events": `"code":`, "/v1/audit": `"message":`, "/audit/entries": `"detail":`, "/api/v1/admin/audit/": `"detail":`} {
			ask("GET", path, fmt.Sprintf("annal_%048d", i), "", strangers, shape)
		}
		ask("GET", "/v1/events?limit=1", p.token, "", http.StatusOK, `"events":`)
	}
	for i := range 6 {
		ask("POST", needs.path, p.token, strings.Replace(needs.body, "NAME", fmt.Sprint("new-", i), 1), http.StatusInternalServerError, needs.shape)
	}
	for range n {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func askOnce(c *http.Client, method, url, token, body string, want int, shape string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want || !strings.Contains(string(b), shape) {
		return fmt.Errorf("%s %s is answered with %d %s, want %d and %q", method, url, resp.StatusCode, b, want, shape)
	}
	return nil
}

// Where state.db and its key are both gone, or forward.db and its, the folder is
// not taken for a new one: the server ends and says how to go on. Told to begin
// them anew, it serves every event, with an admin token of its own, and the next
// start needs no telling.
func TestLostStateIsNotBegunUnasked(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := inhabited(t, prepared)
	for _, pair := range [][]string{{"state.db", "signing-key"}, {"forward.db", "forward-key"}} {
		t.Run(pair[0], func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			copyDir(t, prepared, dir)
			for _, name := range pair {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			if code, said := check(dir); code != exitFailed || !strings.Contains(said, filepath.Join(dir, pair[0])+" is missing") || !strings.Contains(said, pair[1]) {
				t.Errorf("check exits with %d and says\n%s", code, said)
			}
			launch{dir: dir, size: small}.refuses(t, "annal: ", filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1]), "from a backup", "--new-state")
			if _, err := os.Stat(filepath.Join(dir, pair[0])); err == nil {
				t.Error("the start that was refused has made the file")
			}
			for _, flags := range [][]string{{"--new-state"}, nil} {
				p := launch{dir: dir, size: small, flags: flags}.serve(t)
				if a := l.interrogate(t, p); a.failed > 0 || len(a.missing) > 0 {
					t.Errorf("%d questions fail and %d events are missing", a.failed, len(a.missing))
				}
				p.stop(t)
			}
			if code, said := check(dir); code != exitDone {
				t.Errorf("afterwards, check says\n%s", said)
			}
		})
	}
}
