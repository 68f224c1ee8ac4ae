package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Size
		out  string
	}{
		{"0", 0, "0B"}, {"512", 512, "512B"}, {"512KiB", 512 << 10, "512KiB"}, {"16MiB", 16 << 20, "16MiB"},
		{"1.5 GiB", 3 << 29, "1536MiB"}, {"2GB", 2e9, "1953125KiB"}, {"10mb", 10e6, "10000000B"}, {"1024KiB", 1 << 20, "1MiB"},
	} {
		var got Size
		if err := got.UnmarshalText([]byte(tt.in)); err != nil || got != tt.want || got.String() != tt.out {
			t.Errorf("%q: got %d (%v), %v; want %d (%s)", tt.in, int64(got), got, err, int64(tt.want), tt.out)
		}
		var again Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%v reads as %v, %v", got, again, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1 PiB", "NaN", "1e30", "ten"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q: got %v, want an error", in, s)
		}
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "annal.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoadFileNamesTheNearestSetting(t *testing.T) {
	for _, tt := range []struct{ in, nearest string }{
		{"listn: x", "listen"},
		{"max_connections: 5", "max-connections"},
		{"Data: x", "data"},
		{"log:\n  format: json", "log-format"},
		{"query-time-out: 5s", "query-timeout"},
	} {
		_, err := LoadFile(write(t, tt.in))
		if err == nil || !strings.Contains(err.Error(), `the nearest is "`+tt.nearest+`"`) {
			t.Errorf("%q: got %v, want the nearest to be %s", tt.in, err, tt.nearest)
		}
	}
}

func TestLoadFileReadsEverySetting(t *testing.T) {
	var b strings.Builder
	for _, s := range Settings() {
		b.WriteString(s.Name + ": 1\n")
	}
	got, err := LoadFile(write(t, b.String()))
	if err != nil || len(got) != len(Settings()) {
		t.Errorf("got %d settings, %v; want %d", len(got), err, len(Settings()))
	}
	if _, err := LoadFile(write(t, "a: [")); err == nil {
		t.Error("broken YAML was read")
	}
}

func TestConfigCheck(t *testing.T) {
	good := Config{
		Data: "d", Listen: "127.0.0.1:0", MaxConnections: 1, GCPercent: 100, HeaderTimeout: time.Second, BodyTimeout: time.Second,
		StallTimeout: time.Second, IdleTimeout: time.Second, QueryTimeout: time.Second, ShutdownTimeout: time.Second,
	}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		spoil func(*Config)
	}{
		{"data", func(c *Config) { c.Data = "" }},
		{"listen", func(c *Config) { c.Listen = "" }},
		{"listen", func(c *Config) { c.Listen = "8080" }},
		{"listen", func(c *Config) { c.Listen = "127.0.0.1:" }},
		{"listen", func(c *Config) { c.Listen = "127.0.0.1:65536" }},
		{"admin-listen", func(c *Config) { c.AdminListen = "127.0.0.1" }},
		{"trusted-proxies", func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8", "proxy"} }},
		{"max-connections", func(c *Config) { c.MaxConnections = 0 }},
		{"gc-percent", func(c *Config) { c.GCPercent = 5 }},
		{"memory-limit", func(c *Config) { c.MemoryLimit = 1 }},
		{"resident-limit", func(c *Config) { c.MemoryLimit, c.ResidentLimit = 1<<30, 1<<29 }},
		{"body-timeout", func(c *Config) { c.BodyTimeout = 0 }},
		{"idle-timeout", func(c *Config) { c.IdleTimeout = 48 * time.Hour }},
	} {
		bad := good
		tt.spoil(&bad)
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), tt.name+": ") {
			t.Errorf("got %v, want an error about %s", err, tt.name)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	c := Config{MetricsToken: "hunter2"}
	for _, s := range Settings() {
		if strings.Contains(s.Value(&c), "hunter2") {
			t.Errorf("%s shows a secret", s.Name)
		}
	}
}

// README's table of settings is the one that the program has.
func TestReadmeListsEverySetting(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		row := "| `" + s.Name + "` | `" + s.Env + "` | "
		if s.Default != "" {
			row += "`" + s.Default + "` "
		}
		if row += "| "; !strings.Contains(string(readme), "\n"+row) {
			t.Errorf("README.md has no row %q", row)
		}
	}
}
