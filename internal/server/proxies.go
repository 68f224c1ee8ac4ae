package server

import (
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"strings"
)

// Behind a proxy every request comes from the proxy's address: who fails to sign
// in again and again would use up everybody's pace, policies on addresses would
// judge the proxy, and the log would name it. So the proxies that are trusted, and
// nobody else, say whom they speak for.

// Limits of what is trusted, and of what is read of X-Forwarded-For. It is read
// from its end, so that whatever a caller puts before what proxies add costs
// nothing and changes nothing.
const (
	maxProxies  = 256 // addresses and networks
	maxHops     = 16  // entries that are looked at
	maxHopBytes = 64  // of an entry: an IPv6 address and a port have 47
)

// parseProxies reads addresses and networks.
func parseProxies(list []string) ([]netip.Prefix, error) {
	if len(list) > maxProxies {
		return nil, fmt.Errorf("%d addresses and networks are too many; at most %d", len(list), maxProxies)
	}
	trusted := make([]netip.Prefix, 0, len(list))
	for _, text := range list {
		p, err := parseProxy(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		trusted = append(trusted, p)
	}
	return trusted, nil
}

// parseProxy reads an address or a network. One of IPv4 in IPv6 is taken for the
// IPv4 that it means.
func parseProxy(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	const mapped = 96 // bits before an IPv4 address in IPv6
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is no address such as 10.0.0.5 and no network such as 10.0.0.0/8 or fd00::/8", text)
	case p.Masked() != p:
		return p, fmt.Errorf("%q is an address within a network; the network is %v, the address %v", text, p.Masked(), p.Addr())
	case p.Bits() == 0:
		return p, fmt.Errorf("%q is everybody, who could then pass for anybody; name the proxies alone", text)
	case !p.Addr().Is4In6():
		return p, nil
	case p.Bits() <= mapped:
		return p, fmt.Errorf("%q is all of IPv4, and anybody could pass for anybody; name the proxies alone", text)
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped), nil
}

// believeProxies has requests that come by a trusted proxy bear the address of
// whom it speaks for.
func believeProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := callerBehind(trusted, r); ok {
			said := *r
			said.RemoteAddr = netip.AddrPortFrom(caller, 0).String() // by which port is not known
			r = &said
		}
		next.ServeHTTP(w, r)
	})
}

// callerBehind returns for whom a request was forwarded: the last address of
// X-Forwarded-For that is no trusted proxy's, for each proxy adds whom it got the
// request from. Of trusted ones alone it is the first. What is said before an
// untrusted address may be made up, and is not looked at.
func callerBehind(trusted []netip.Prefix, r *http.Request) (caller netip.Addr, ok bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !isTrusted(trusted, plain(peer.Addr())) {
		return netip.Addr{}, false
	}
	n := 0
	for text := range hops(r.Header.Values("X-Forwarded-For")) {
		if n++; n > maxHops {
			return netip.Addr{}, false
		}
		if text == "" {
			continue // a list may have empty elements, which say nothing
		}
		if caller, ok = parseHop(text); !ok {
			return netip.Addr{}, false
		}
		if !isTrusted(trusted, caller) {
			return caller, true
		}
	}
	return caller, ok
}

// hops yields the entries of a header that is a list, from the last to the first.
func hops(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(lines) - 1; i >= 0; i-- {
			for rest, more := lines[i], true; more; {
				at := strings.LastIndexByte(rest, ',')
				if !yield(strings.Trim(rest[at+1:], " \t")) {
					return
				}
				rest, more = rest[:max(at, 0)], at >= 0
			}
		}
	}
}

// parseHop reads an address, to which some proxies add a port.
func parseHop(text string) (netip.Addr, bool) {
	if len(text) > maxHopBytes {
		return netip.Addr{}, false
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return plain(ap.Addr()), true
	}
	if bare, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(bare, "]")
	}
	a, err := netip.ParseAddr(text)
	return plain(a), err == nil
}

// plain returns an address as networks are compared with it.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func isTrusted(trusted []netip.Prefix, a netip.Addr) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
