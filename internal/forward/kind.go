package forward

import (
	"slices"
	"strings"
)

// A Kind is one kind of SIEM: the protocols that reach it, and how events are
// spelled for it.
type Kind struct {
	Name      string
	Protocols []string
	Format    string
}

// Kinds returns the kinds of SIEM that destinations may have.
func Kinds() []Kind {
	return []Kind{
		{"syslog", []string{"tls", "tcp", "udp"}, "rfc5424"},
		{"splunk", []string{"https"}, "json"},
		{"json", []string{"http", "https", "udp", "tcp"}, "json"},
		{"cef", []string{"tcp", "tls", "udp"}, "cef"},
	}
}

func kindNamed(name string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

func kindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
