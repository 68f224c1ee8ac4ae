package identity

import (
	"strings"
	"testing"
)

// A policy means what it says: its path is no pattern, and no expression reaches
// into the next.
func TestAPolicyMeansNoMoreThanItSays(t *testing.T) {
	for _, path := range []string{"<.*>", "x<.*>", "a>b", "<"} {
		p := Policy{Path: path, Permissions: []Permission{permission("allow", []string{"users:a"}, nil, []string{"read"})}}
		r, err := Compile([]Policy{p}) // as an older annal may have stored it
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for resource, want := range map[string]Verdict{"audit": Silent, "xaudit": Silent, path: Allow, path + ":b": Allow} {
			if got := r.Decide(&Request{Principals: []string{"users:a"}, Action: "read", Resource: resource}); got != want {
				t.Errorf("%s on %s: %v, want %v", path, resource, got, want)
			}
		}
		if p.Check() == nil {
			t.Errorf("the path %s is taken", path)
		}
	}
	quoting := Policy{Path: "p", Permissions: []Permission{permission("allow", []string{"users:a"}, []string{`<\Qx><\Qy\E|.*>z`}, []string{"read"})}}
	if quoting.Check() == nil {
		t.Error("an expression that quotes the next one is taken")
	}
}

// A short pattern is no large program, and a long name no long question.
func TestPatternsAreBoundedByWhatTheyDo(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		ok      bool
	}{
		{"<(abcdefgh){1000}>", false}, {"<((a{30}){10}){3}>", false}, {"<a{500}><b{500}>", false},
		{"<[a-z0-9]{1,64}>:<(?i:prod|test)>", true}, {"<.*>", true}, {"<a{0,200}>", true},
	} {
		p := Policy{Path: "p", Permissions: []Permission{permission("allow", []string{"users:a"}, []string{tt.pattern}, []string{"read"})}}
		if err := p.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.pattern, err)
		}
	}
	all := compiled(t, Policy{Path: "p", Permissions: []Permission{permission("allow", []string{"users:a"}, []string{"<.*>"}, []string{"read"})}})
	q := Request{Principals: []string{"users:a"}, Action: "read", Resource: strings.Repeat("x", MaxResource)}
	if got := all.Decide(&q); got != Allow {
		t.Errorf("the longest resource: %v", got)
	}
	if q.Resource += "x"; all.Decide(&q) != Deny {
		t.Error("a longer resource is not denied")
	}
}
