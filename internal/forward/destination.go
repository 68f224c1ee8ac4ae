package forward

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"annal"
)

// Limits of destinations.
const (
	MinName         = 3   // bytes of a name
	MaxName         = 50  //
	MaxHost         = 253 // bytes of a host, as DNS has it
	MaxPort         = 65535
	MaxEndpoint     = 2048 // bytes of the path of a URL
	MaxAuth         = 8192 // bytes of what authenticates
	MaxDestinations = 100  // of one tenant
)

// AuthToken is the only way that destinations are authenticated to so far.
const AuthToken = "token"

// A Destination is a SIEM that a tenant's events go to.
type Destination struct {
	ID       string    `json:"id"` // a UUID
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"modified"`

	Kind            string `json:"kind"` // of [Kinds]
	Host            string `json:"host"` // a name or an address
	Port            int    `json:"port"` // 0 to MaxPort; 0 is the protocol's own
	Protocol        string `json:"protocol"`
	Endpoint        string `json:"endpoint,omitempty"` // path of the URL, for http and https
	Format          string `json:"format"`
	AuthMethod      string `json:"auth_method"`
	Auth            string `json:"-"` // secret; kept sealed
	SendToEngine    bool   `json:"send_to_engine,omitempty"`
	Pool            string `json:"pool,omitempty"`
	AllowSelfSigned bool   `json:"allow_self_signed,omitempty"`

	Failed       bool `json:"failed,omitempty"` // delivery has given up until the next update
	FailedEvents int  `json:"failed_events,omitempty"`
}

// Check says everything that is wrong with d, by the names that DSV has for its
// members.
func (d *Destination) Check() error {
	var bad annal.InvalidError
	wrong := func(field, format string, args ...any) { bad.Add(-1, field, fmt.Sprintf(format, args...)) }
	if !validName(d.Name) {
		wrong("name", "must be %d to %d of A-Z a-z 0-9 _ -", MinName, MaxName)
	}
	if !validHost(d.Host) {
		wrong("host", "must be a host name or an IP address, of at most %d bytes", MaxHost)
	}
	if d.Port < 0 || d.Port > MaxPort {
		wrong("port", "must be 0 to %d", MaxPort)
	}
	d.checkKind(wrong)
	if d.AuthMethod != AuthToken {
		wrong("authMethod", "must be %s", AuthToken)
	}
	if d.Auth == "" || len(d.Auth) > MaxAuth || strings.ContainsFunc(d.Auth, invisible) {
		wrong("auth", "must be 1 to %d visible characters", MaxAuth)
	}
	if len(d.Endpoint) > MaxEndpoint || strings.ContainsFunc(d.Endpoint, invisible) {
		wrong("endpoint", "must be the path of a URL, of at most %d bytes", MaxEndpoint)
	}
	if d.Pool != "" && !validName(d.Pool) {
		wrong("pool", "must be %d to %d of A-Z a-z 0-9 _ -", MinName, MaxName)
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}

// checkKind checks what belongs together: the kind, its protocols, its format.
func (d *Destination) checkKind(wrong func(field, format string, args ...any)) {
	kind, ok := kindNamed(d.Kind)
	if !ok {
		wrong("siemType", "must be one of %s", kindNames())
		return
	}
	if !slices.Contains(kind.Protocols, d.Protocol) {
		wrong("protocol", "must be one of %s for %s", strings.Join(kind.Protocols, ", "), kind.Name)
	}
	if d.Format != kind.Format {
		wrong("loggingFormat", "must be %s for %s", kind.Format, kind.Name)
	}
}

func validName(s string) bool {
	if len(s) < MinName || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// validHost takes addresses, and names of letters, digits, dots, hyphens and
// underscores.
func validHost(s string) bool {
	if s == "" || len(s) > MaxHost {
		return false // a zone of an address may have any length
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if strings.Contains(s, "..") || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func invisible(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError }
