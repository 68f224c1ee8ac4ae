package forward

import (
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"testing"

	"annal/internal/corpus"
)

// FuzzDestination holds that a destination that passes can be dialled and kept:
// its host is the host of its URL, and it is the same when it is read again.
func FuzzDestination(f *testing.F) {
	corpus.Seed(f)
	for _, text := range []string{
		`{"name":"main","kind":"syslog","host":"siem.example","port":514,"protocol":"tcp","format":"rfc5424","auth_method":"token"}`,
		`{"name":"m_-","kind":"cef","host":"::1","port":0,"protocol":"https","format":"json","auth_method":"token","endpoint":"/a?b#c"}`,
		`{"name":"abc","host":"fe80::1%eth0/@x"}`,
	} {
		f.Add(text)
	}
	for _, k := range Kinds() {
		for _, p := range k.Protocols {
			d := Destination{Name: "main", Kind: k.Name, Host: "a.b-c_d", Protocol: p, Format: k.Format, AuthMethod: AuthToken, Endpoint: "/x"}
			text, err := json.Marshal(d)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d Destination
		if json.Unmarshal([]byte(text), &d) != nil {
			return
		}
		d.Auth = "x"
		if d.Check() != nil {
			return
		}
		address := net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
		u := url.URL{Scheme: "https", Host: address}
		again, err := url.Parse(u.String())
		if err != nil || again.Hostname() != d.Host || again.User != nil {
			t.Errorf("the host %q makes the URL %s, whose host is %q (%v)", d.Host, u.String(), again.Hostname(), err)
		}
		first, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var kept Destination
		if err := json.Unmarshal(first, &kept); err != nil {
			t.Fatal(err)
		}
		if kept.Auth = "x"; kept != d || kept.Check() != nil {
			t.Errorf("%+v is kept as %+v (%v)", d, kept, kept.Check())
		}
	})
}
