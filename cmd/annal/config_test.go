package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"annal/internal/server"
)

// samples has three values for each setting, as a flag would spell them, and
// how print-config shows them.
func samples() map[string][3]string {
	return map[string][3]string{
		"data": {"a", "b", "c"}, "listen": {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"},
		"admin-listen":    {"127.0.0.1:4", "127.0.0.1:5", "127.0.0.1:6"},
		"trusted-proxies": {"[10.0.0.1]", "[10.0.0.0/8, fd00::/8]", "[192.0.2.1]"},
		"log-format":      {"json", "text", "json"}, "log-level": {"debug", "warn", "error"},
		"max-connections": {"1", "2", "3"}, "header-timeout": {"1s", "2s", "3s"}, "body-timeout": {"1s", "2s", "3s"},
		"stall-timeout": {"1s", "2s", "3s"}, "idle-timeout": {"1s", "2s", "3s"}, "query-timeout": {"1s", "2s", "3s"},
		"shutdown-timeout": {"1s", "2s", "3s"}, "memory-limit": {"64MiB", "65MiB", "66MiB"}, "resident-limit": {"740MiB", "750MiB", "760MiB"},
		"gc-percent": {"50", "60", "70"}, "redact-names": {"[a, b]", "[c]", "[d, e]"}, "keep-names": {"[a]", "[b, c]", "[d]"},
		"access-retention": {"1h0m0s", "2h0m0s", "0s"},
		"oidc-issuers":     {"a.yaml", "b.yaml", "c.yaml"},
		"metrics-token":    {"(hidden)", "(hidden)", "(hidden)"},
	}
}

// spelled is a sample as a flag or an environment variable has it.
func spelled(v string) string {
	if v == "(hidden)" {
		return "secret"
	}
	return strings.ReplaceAll(strings.Trim(v, "[]"), ", ", ",")
}

// printed runs serve --print-config and returns the line about a setting.
func printed(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	code := run(context.Background(), &env{in: strings.NewReader(""), out: &out, err: &errs}, append([]string{"serve", "--print-config"}, args...))
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.HasPrefix(strings.TrimPrefix(line, "# "), name+": ") {
			return line
		}
	}
	t.Fatalf("%s is not printed:\n%s", name, out.String())
	return ""
}

// A flag wins over the environment, the environment over the file, the file over
// the default: for every setting, and every choice of sources.
func TestFlagOverEnvironmentOverFileOverDefault(t *testing.T) {
	for _, setting := range server.Settings() {
		values, ok := samples()[setting.Name]
		if !ok {
			t.Errorf("no samples for %s", setting.Name)
			continue
		}
		for sources := range 8 {
			want, from := setting.Default, "default"
			var args []string
			if sources&1 != 0 {
				file := filepath.Join(t.TempDir(), "annal.yaml")
				if err := os.WriteFile(file, []byte(setting.Name+": "+strings.Replace(values[0], "(hidden)", "secret", 1)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config", file)
				want, from = values[0], "file, "+file
			}
			if sources&2 != 0 {
				t.Setenv(setting.Env, spelled(values[1]))
				want, from = values[1], "environment, "+setting.Env
			} else if err := os.Unsetenv(setting.Env); err != nil {
				t.Fatal(err)
			}
			if sources&4 != 0 {
				args = append(args, "--"+setting.Name+"="+spelled(values[2]))
				want, from = values[2], "flag"
			}
			line := printed(t, setting.Name, args...)
			if want == "" {
				want = `""`
			}
			if from == "default" {
				want = "" // defaults may be shown in another unit
			}
			if !strings.Contains(line, want) || !strings.HasSuffix(line, "# "+from) {
				t.Errorf("%s with sources %03b: got %q, want %s from %s", setting.Name, sources, line, want, from)
			}
			if strings.Contains(line, "secret") {
				t.Errorf("%s shows the secret: %q", setting.Name, line)
			}
		}
		if err := os.Unsetenv(setting.Env); err != nil {
			t.Fatal(err)
		}
	}
}

// What print-config prints is a file that means the same.
func TestPrintedConfigIsAFile(t *testing.T) {
	var first, second, errs strings.Builder
	args := []string{"serve", "--print-config", "--data", "a b", "--memory-limit", "100MB", "--redact-names", "x,y", "--query-timeout", "90s"}
	if code := run(context.Background(), &env{out: &first, err: &errs}, args); code != 0 {
		t.Fatal(errs.String())
	}
	file := filepath.Join(t.TempDir(), "annal.yaml")
	if err := os.WriteFile(file, []byte(first.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(context.Background(), &env{out: &second, err: &errs}, []string{"serve", "--print-config", "--config", file}); code != 0 {
		t.Fatal(errs.String())
	}
	source := regexp.MustCompile(` +# .*`)
	if got, want := source.ReplaceAllString(second.String(), ""), source.ReplaceAllString(first.String(), ""); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestUnknownSettingIsUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "annal.yaml")
	if err := os.WriteFile(file, []byte("listn: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	code := run(context.Background(), &env{out: &out, err: &errs}, []string{"serve", "--config", file})
	if code != exitUsage || !strings.Contains(errs.String(), `"listn"; the nearest is "listen"`) {
		t.Errorf("got %d, %s", code, errs.String())
	}
}
