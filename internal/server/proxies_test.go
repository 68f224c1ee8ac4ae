package server

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Of what X-Forwarded-For says, only what trusted proxies added is believed.
func TestTrustedProxiesSayWhomTheySpeakFor(t *testing.T) {
	const proxy, inner, caller = "10.0.0.1:4711", "10.0.0.2", "192.0.2.7"
	long := strings.Repeat("198.51.100.1, ", 1000)
	for _, tt := range []struct {
		name, peer string
		lines      []string
		want       string // "": the peer
	}{
		{"no header", proxy, nil, ""},
		{"one proxy", proxy, []string{caller}, caller + ":0"},
		{"two proxies", proxy, []string{caller + ", " + inner}, caller + ":0"},
		{"two lines", proxy, []string{caller, inner}, caller + ":0"},
		{"the caller made up an entry", proxy, []string{"203.0.113.9, " + caller}, caller + ":0"},
		{"the caller made up a trusted entry", proxy, []string{inner + "," + caller + "," + inner}, caller + ":0"},
		{"the caller made up a line", proxy, []string{"203.0.113.9", caller}, caller + ":0"},
		{"the caller made up garbage", proxy, []string{"<script>, " + caller}, caller + ":0"},
		{"the caller made up very many", proxy, []string{long + caller}, caller + ":0"},
		{"the caller made up a long one", proxy, []string{strings.Repeat("a", 60<<10) + "," + caller}, caller + ":0"},
		{"nobody is trusted who is not named", "192.0.2.1:1", []string{caller}, ""},
		{"neighbours are not trusted", "10.0.1.1:1", []string{caller}, ""},
		{"garbage", proxy, []string{"unknown"}, ""},
		{"garbage between proxies", proxy, []string{caller + ", _hidden, " + inner}, ""},
		{"garbage that is long", proxy, []string{strings.Repeat("1", maxHopBytes+1)}, ""},
		{"empty", proxy, []string{""}, ""},
		{"empty elements", proxy, []string{", " + caller + " ,", " , "}, caller + ":0"},
		{"too many empty elements", proxy, []string{caller + strings.Repeat(",", maxHops)}, ""},
		{"as many hops as may be", proxy, []string{caller + strings.Repeat(","+inner, maxHops-1)}, caller + ":0"},
		{"too many hops", proxy, []string{caller + strings.Repeat(","+inner, maxHops)}, ""},
		{"proxies alone", proxy, []string{"10.0.0.3, " + inner}, "10.0.0.3:0"},
		{"with a port", proxy, []string{caller + ":5555"}, caller + ":0"},
		{"IPv6", proxy, []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		{"IPv6 with a port", proxy, []string{"[2001:db8::7]:5555"}, "[2001:db8::7]:0"},
		{"IPv6 in brackets", proxy, []string{"[2001:db8::7]"}, "[2001:db8::7]:0"},
		{"a zone", proxy, []string{"fe80::1%made-up"}, "[fe80::1]:0"},
		{"a proxy by IPv6", "[fd00::1]:1", []string{caller}, caller + ":0"},
		{"a proxy by IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{caller}, caller + ":0"},
		{"an inner proxy by IPv4 in IPv6", proxy, []string{caller + ", ::ffff:10.0.0.2"}, caller + ":0"},
		{"a caller by IPv4 in IPv6", proxy, []string{"::ffff:192.0.2.7"}, caller + ":0"},
		{"a proxy that is named as IPv4 in IPv6", "172.16.0.9:1", []string{caller}, caller + ":0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trusted, err := parseProxies([]string{"10.0.0.0/24", " fd00::1", "::ffff:172.16.0.0/112"})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.lines
			got := ""
			believeProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(nil, r)
			want := tt.want
			if want == "" {
				want = tt.peer
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if r.RemoteAddr != tt.peer {
				t.Errorf("net/http's own request now comes from %s", r.RemoteAddr)
			}
		})
	}
}

// What is no proxy is refused, and told what would be one.
func TestTrustedProxiesAreAddressesAndNetworks(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "10.0.0.0/8"}, {"proxy.example", "10.0.0.0/8"}, {"10.0.0.0/33", "10.0.0.0/8"}, {"10.0.0.5:80", "10.0.0.0/8"}, {"fe80::1%eth0", "10.0.0.0/8"},
		{"10.1.2.3/8", "the network is 10.0.0.0/8, the address 10.1.2.3"},
		{"0.0.0.0/0", "name the proxies alone"}, {"::/0", "name the proxies alone"}, {"::ffff:0.0.0.0/96", "name the proxies alone"},
	} {
		if _, err := parseProxies([]string{tt.in}); err == nil || !strings.Contains(err.Error(), `"`+tt.in+`"`) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want it to say %q", tt.in, err, tt.want)
		}
	}
	if _, err := parseProxies(slices.Repeat([]string{"10.0.0.1"}, maxProxies+1)); err == nil {
		t.Errorf("%d proxies are taken, want at most %d", maxProxies+1, maxProxies)
	}
}
