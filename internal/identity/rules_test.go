package identity

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"annal/internal/corpus"
)

func permission(effect string, subjects, resources, actions []string) Permission {
	return Permission{Effect: effect, Subjects: subjects, Resources: resources, Actions: actions}
}

func compiled(t interface{ Fatal(...any) }, policies ...Policy) *Rules {
	for i := range policies {
		if err := policies[i].Check(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Compile(policies)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestS2_7_WhatAPolicySays(t *testing.T) {
	alice := []string{"users:alice", "groups:audit-readers"}
	readers := permission("allow", []string{"groups:audit-readers"}, []string{"audit"}, []string{"list"})
	from := func(cidr string, p Permission) Permission {
		p.Conditions = &Conditions{RemoteIP: &Condition{Type: cidrCondition, Options: ConditionOptions{cidr}}}
		return p
	}
	for _, tt := range []struct {
		name             string
		path             string
		permissions      []Permission
		action, resource string
		ip               string
		want             Verdict
	}{
		{"to a group", "audit", []Permission{readers}, "list", "audit", "10.0.0.1", Allow},
		{"another action", "audit", []Permission{readers}, "read", "audit", "10.0.0.1", Silent},
		{"another resource", "audit", []Permission{readers}, "list", "audits", "10.0.0.1", Silent},
		{"below the resource", "audit", []Permission{readers}, "list", "audit:x", "10.0.0.1", Silent},
		{"action in capitals", "audit", []Permission{readers}, "LIST", "audit", "10.0.0.1", Allow},
		{"subject in capitals", "audit", []Permission{permission("Allow", []string{"Users:Alice"}, []string{"audit"}, []string{"List"})}, "list", "audit", "", Allow},
		{"no resources: the path", "secrets/a", []Permission{permission("allow", alice, nil, []string{"read"})}, "read", "secrets:a", "", Allow},
		{"no resources: all below", "secrets:a", []Permission{permission("allow", alice, nil, []string{"read"})}, "read", "secrets/a/b/c", "", Allow},
		{"no resources: not beside", "secrets:a", []Permission{permission("allow", alice, nil, []string{"read"})}, "read", "secrets:ab", "", Silent},
		{"regular expression", "x", []Permission{permission("allow", []string{"users:<alice|bob>"}, []string{"secrets:<.*>:prod"}, []string{"<read|list>"})}, "read", "secrets:a:b:prod", "", Allow},
		{"regular expression is anchored", "x", []Permission{permission("allow", []string{"users:<ali>"}, []string{"<.*>"}, []string{"<.*>"})}, "read", "audit", "", Silent},
		{"what is outside of <> is literal", "x", []Permission{permission("allow", []string{"users:alic."}, []string{"<.*>"}, []string{"<.*>"})}, "read", "audit", "", Silent},
		{"alternatives do not escape", "x", []Permission{permission("allow", []string{"users:<x|y>"}, []string{"z:<a|.*>"}, []string{"<.*>"})}, "read", "audit", "", Silent},
		{"deny wins, first", "audit", []Permission{permission("deny", []string{"users:alice"}, []string{"audit"}, []string{"<.*>"}), readers}, "list", "audit", "", Deny},
		{"deny wins, last", "audit", []Permission{readers, permission("deny", []string{"users:alice"}, []string{"audit"}, []string{"<.*>"})}, "list", "audit", "", Deny},
		{"within the network", "audit", []Permission{from("10.0.0.0/8", readers)}, "list", "audit", "10.200.0.1", Allow},
		{"within, as IPv6", "audit", []Permission{from("10.0.0.0/8", readers)}, "list", "audit", "::ffff:10.200.0.1", Allow},
		{"outside", "audit", []Permission{from("10.0.0.0/8", readers)}, "list", "audit", "11.0.0.1", Silent},
		{"one address", "audit", []Permission{from("2001:db8::1", readers)}, "list", "audit", "2001:db8::1", Allow},
		{"an address that is not known is allowed nothing", "audit", []Permission{from("0.0.0.0/0", readers)}, "list", "audit", "", Silent},
		{"an address that is not known is denied", "audit", []Permission{readers, from("10.0.0.0/8", permission("deny", alice, nil, []string{"<.*>"}))}, "list", "audit", "", Deny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := compiled(t, Policy{Path: tt.path, Permissions: tt.permissions})
			ip, _ := netip.ParseAddr(tt.ip)
			if got := r.Decide(&Request{Principals: alice, Action: tt.action, Resource: tt.resource, RemoteIP: ip}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// The order of policies means nothing, a denial is never overcome, and a deleted
// policy says nothing.
func TestDenyWinsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := func(of []string) []string { return rapid.SliceOfN(rapid.SampledFrom(of), 1, 2).Draw(t, "some") }
		var policies []Policy
		for range rapid.IntRange(0, 5).Draw(t, "policies") {
			policies = append(policies, Policy{Path: "audit", Permissions: []Permission{permission(
				rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, "effect"), some([]string{"users:a", "users:<a|b>", "groups:g"}),
				some([]string{"audit", "<.*>", "secrets:<x.*>"}), some([]string{"list", "<re.*>", "read"}),
			)}})
		}
		q := &Request{Principals: some([]string{"users:a", "users:b", "groups:g"}), Action: "list", Resource: "audit"}
		before := compiled(t, policies...).Decide(q)
		slices.Reverse(policies)
		if after := compiled(t, policies...).Decide(q); after != before {
			t.Fatalf("%v, reversed %v", before, after)
		}
		denied := append(slices.Clone(policies), Policy{Path: "x", Permissions: []Permission{permission("deny", []string{"<.*>"}, []string{"<.*>"}, []string{"<.*>"})}})
		if got := compiled(t, denied...).Decide(q); got != Deny {
			t.Fatalf("everything is denied, yet %v", got)
		}
		denied[len(denied)-1].Deleted = time.Unix(1, 0)
		if got := compiled(t, denied...).Decide(q); got != before {
			t.Fatalf("with a deleted policy %v, without %v", got, before)
		}
	})
}

func TestPoliciesThatAreRefused(t *testing.T) {
	good := func() Policy {
		return Policy{Path: "audit", Permissions: []Permission{permission("allow", []string{"users:a"}, []string{"audit"}, []string{"list"})}}
	}
	for name, spoil := range map[string]func(*Policy){
		"path":                             func(p *Policy) { p.Path = "::" },
		"permissionDocument":               func(p *Policy) { p.Permissions = nil },
		"permissionDocument[0].effect":     func(p *Policy) { p.Permissions[0].Effect = "maybe" },
		"permissionDocument[0].subjects":   func(p *Policy) { p.Permissions[0].Subjects = nil },
		"permissionDocument[0].actions":    func(p *Policy) { p.Permissions[0].Actions = []string{""} },
		"permissionDocument[0].resources":  func(p *Policy) { p.Permissions[0].Resources = []string{} },
		"permissionDocument[0].resources ": func(p *Policy) { p.Permissions[0].Resources = []string{"a<b"} },
		"permissionDocument[0].subjects ":  func(p *Policy) { p.Permissions[0].Subjects = []string{"a>b"} },
		"permissionDocument[0].actions ":   func(p *Policy) { p.Permissions[0].Actions = []string{"<(>"} },
		"permissionDocument[0].subjects  ": func(p *Policy) { p.Permissions[0].Subjects = []string{"<a)|(b>"} },
		"permissionDocument[0].actions  ":  func(p *Policy) { p.Permissions[0].Actions = []string{`<\Qa>`} },
		"permissionDocument[0].actions   ": func(p *Policy) { p.Permissions[0].Actions = []string{"<((a{1000}){1000}){1000}>"} },
		"permissionDocument[0].subjects   ": func(p *Policy) {
			p.Permissions[0].Subjects = []string{"<" + strings.Repeat("a", MaxPattern) + ">"}
		},
		"permissionDocument[0].conditions.remoteIP.type": func(p *Policy) {
			p.Permissions[0].Conditions = &Conditions{RemoteIP: &Condition{Type: "TimeCondition"}}
		},
		"permissionDocument[0].conditions.remoteIP.options.cidr": func(p *Policy) {
			p.Permissions[0].Conditions = &Conditions{RemoteIP: &Condition{Type: cidrCondition, Options: ConditionOptions{"10.0.0.0/33"}}}
		},
	} {
		p := good()
		spoil(&p)
		if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSpace(name)+": ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p := good()
	if err := p.Check(); err != nil {
		t.Error(err)
	}
}

// Whatever passes Check compiles, and deciding never panics.
func FuzzPatterns(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{"audit", "<.*>", "a<b|c>d<e>", "<<x>>", `<\d+>`, "<[>]>", "<(?i)a>", `<\>>`, "<(?P<n>a)>"} {
		f.Add(s, "audit")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p := Policy{Path: "x", Permissions: []Permission{permission("allow", []string{pattern}, []string{pattern}, []string{pattern})}}
		if p.Check() != nil {
			return
		}
		r, err := Compile([]Policy{p})
		if err != nil {
			t.Fatalf("%q passes Check, but: %v", pattern, err)
		}
		r.Decide(&Request{Principals: []string{text}, Action: text, Resource: text})
	})
}
