package server

import (
	"fmt"
	"math"
	"net"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A Config is every setting of a server: one field a setting. Its tags are the
// one table of settings: flags, environment variables, the keys of the
// configuration file, their help and their defaults all follow from it.
//
//	name     the flag and, as it stands, the key in the file; the environment
//	         variable is ANNAL_ and the name in capitals with '_' for '-'
//	default  in the syntax of the flag
//	secret   the value is never shown
type Config struct {
	Data        string `name:"data" default:"annal-data" placeholder:"DIR" help:"Folder that holds the log and all else that must survive. Default: ${default}."`
	Listen      string `name:"listen" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the API and /metrics answer; port 0 picks a free one. Default: ${default}."`
	AdminListen string `name:"admin-listen" placeholder:"HOST:PORT" help:"Where /debug/pprof and /metrics answer. Keep it private. Unset: nowhere."`

	TrustedProxies []string `name:"trusted-proxies" placeholder:"CIDR" help:"Addresses and networks of the proxies whose X-Forwarded-For says who calls. Unset: none."`

	LogFormat string `name:"log-format" default:"text" enum:"text,json" help:"How annal's own log is written to standard error: ${enum}."`
	LogLevel  string `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"What is logged, and all that is worse: ${enum}."`

	MaxConnections  int           `name:"max-connections" default:"10000" help:"Connections at a time; further ones wait to be accepted."`
	HeaderTimeout   time.Duration `name:"header-timeout" default:"10s" help:"How long a client may take to send a request's header."`
	BodyTimeout     time.Duration `name:"body-timeout" default:"1m" help:"How long a client may take to send a request's body."`
	StallTimeout    time.Duration `name:"stall-timeout" default:"30s" help:"How long a client may take nothing of an answer before it is cut off."`
	IdleTimeout     time.Duration `name:"idle-timeout" default:"2m" help:"How long a connection may rest between requests."`
	QueryTimeout    time.Duration `name:"query-timeout" default:"30s" help:"How long one question may take."`
	ShutdownTimeout time.Duration `name:"shutdown-timeout" default:"25s" help:"How long running requests may take to finish on SIGTERM."`

	MemoryLimit   Size `name:"memory-limit" default:"400MiB" help:"Memory that Go's collector keeps the process's heap below. 0: no limit."`
	ResidentLimit Size `name:"resident-limit" default:"0" help:"Resident memory above which pages of segments are given back to the system, which keeps them cached. 0: memory-limit and 320 MiB."`
	GCPercent     int  `name:"gc-percent" default:"40" help:"How much the heap may grow between collections, in percent of what lives."`

	RedactNames     []string      `name:"redact-names" placeholder:"NAME" help:"Further names of members (or ends of names) whose values are secret and are never stored."`
	KeepNames       []string      `name:"keep-names" placeholder:"NAME" help:"Names of members whose values are kept although they look secret."`
	AccessRetention time.Duration `name:"access-retention" default:"8760h" help:"How long GET /v1/access shows who has read the log. 0: for ever."`

	OIDCIssuers string `name:"oidc-issuers" placeholder:"FILE" help:"YAML file of the OpenID Connect issuers whose tokens are accepted. Unset: none."`

	MetricsToken string `name:"metrics-token" secret:"" placeholder:"TOKEN" help:"Bearer token that /metrics asks for on the API's address. Unset: none."`
}

// A Setting is one row of the table that Config's tags are.
type Setting struct {
	Name    string
	Env     string
	Default string
	Secret  bool
	index   int
}

// EnvPrefix begins the name of every environment variable that annal reads.
const EnvPrefix = "ANNAL_"

// Settings returns the table of settings, in the order of Config.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	table := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		_, secret := tag.Lookup("secret")
		name := tag.Get("name")
		table = append(table, Setting{
			Name: name, Env: EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")),
			Default: tag.Get("default"), Secret: secret, index: i,
		})
	}
	return table
}

// Value returns the setting's value in c as a flag or the file would spell it.
// A secret that is set reads "(hidden)".
func (s Setting) Value(c *Config) string {
	v := reflect.ValueOf(c).Elem().Field(s.index).Interface()
	if list, ok := v.([]string); ok {
		return "[" + strings.Join(list, ", ") + "]"
	}
	text := fmt.Sprint(v)
	if s.Secret && text != "" {
		return "(hidden)"
	}
	return text
}

// A SettingError says which setting is wrong, and how. It begins with the
// setting's name.
type SettingError struct{ err error }

// Error says what would be right.
func (e *SettingError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *SettingError) Unwrap() error { return e.err }

// Check says what is wrong with c and what would be right. The error is a
// [SettingError].
func (c *Config) Check() error {
	if err := c.check(); err != nil {
		return &SettingError{err}
	}
	return nil
}

func (c *Config) check() error {
	if c.Data == "" {
		return fmt.Errorf("data: name the folder that holds the log")
	}
	if !isAddress(c.Listen) {
		return fmt.Errorf("listen: %q is no address such as 127.0.0.1:8080", c.Listen)
	}
	if c.AdminListen != "" && !isAddress(c.AdminListen) {
		return fmt.Errorf("admin-listen: %q is no address such as 127.0.0.1:9090", c.AdminListen)
	}
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("trusted-proxies: %w", err)
	}
	if c.MaxConnections < 1 {
		return fmt.Errorf("max-connections: %d is too few; 1 or more", c.MaxConnections)
	}
	if c.GCPercent < 10 || c.GCPercent > 1000 {
		return fmt.Errorf("gc-percent: %d is not within 10 to 1000", c.GCPercent)
	}
	if c.MemoryLimit != 0 && c.MemoryLimit < minMemory {
		return fmt.Errorf("memory-limit: %v is too little; %v or more, or 0 for no limit", c.MemoryLimit, Size(minMemory))
	}
	if c.ResidentLimit != 0 && c.ResidentLimit < c.MemoryLimit {
		return fmt.Errorf("resident-limit: %v is less than memory-limit, %v, which is a part of it", c.ResidentLimit, c.MemoryLimit)
	}
	if c.AccessRetention < 0 {
		return fmt.Errorf("access-retention: %v is negative; 0 keeps reads for ever", c.AccessRetention)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"header-timeout", c.HeaderTimeout}, {"body-timeout", c.BodyTimeout}, {"stall-timeout", c.StallTimeout},
		{"idle-timeout", c.IdleTimeout}, {"query-timeout", c.QueryTimeout}, {"shutdown-timeout", c.ShutdownTimeout},
	} {
		if d.d < minTimeout || d.d > maxTimeout {
			return fmt.Errorf("%s: %v is not within %v to %v", d.name, d.d, minTimeout, maxTimeout)
		}
	}
	return nil
}

// isAddress reports whether s is a host, which may be empty for all, and a port.
func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil || port == "" {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// Limits of settings.
const (
	minTimeout = 100 * time.Millisecond
	maxTimeout = 24 * time.Hour
	minMemory  = 64 << 20
)

// A Size is a number of bytes, written with a unit: 512KiB, 16MiB, 2GB.
type Size int64

type unit struct {
	name  string
	bytes int64
}

// units lists the units of a Size; the binary ones come first, largest first,
// for String to choose from.
var units = [...]unit{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText reads a size. Without a unit it is in bytes.
func (s *Size) UnmarshalText(text []byte) error {
	number, scale := strings.TrimSpace(string(text)), int64(1)
	for _, u := range units {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, scale = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f < 0 || f*float64(scale) >= math.MaxInt64 || f != f {
		return fmt.Errorf("%q is no size such as 512KiB, 16MiB or 2GB", text)
	}
	*s = Size(f * float64(scale))
	return nil
}

// String writes the size with the largest binary unit that it is a whole number
// of.
func (s Size) String() string {
	for _, u := range units[:4] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
