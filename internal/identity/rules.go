package identity

import (
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"annal"
)

// A Verdict is what policies say to a request.
type Verdict int

// The verdicts. Deny wins over Allow, and that over Silent.
const (
	Silent Verdict = iota // no policy speaks of it
	Allow
	Deny
)

// String names the verdict.
func (v Verdict) String() string { return [...]string{"silent", "allow", "deny"}[v] }

// A Request is what somebody wants to do.
type Request struct {
	Principals []string // all that the caller is: users:alice, groups:readers, …
	Action     string   // list, read, create, update, delete, …
	Resource   string   // colon-separated, or with slashes
	RemoteIP   netip.Addr
}

// Rules are the policies of a tenant, compiled. They do not change.
type Rules struct {
	rules []rule
	size  int
}

// Size is what the rules take, about in bytes, and so how long they may take to
// ask: expressions count by their steps, not by how short they are written.
func (r *Rules) Size() int { return r.size }

// rule is one permission.
type rule struct {
	deny                         bool
	subjects, resources, actions patterns
	network                      netip.Prefix // not valid: any address
}

// Compile makes rules of policies. Those that are deleted do not count.
func Compile(policies []Policy) (*Rules, error) {
	compiled := new(Rules)
	for i := range policies {
		p := &policies[i]
		if !p.Deleted.IsZero() {
			continue
		}
		for j := range p.Permissions {
			r, err := p.Permissions[j].compile(p.Path)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", p.Path, err)
			}
			compiled.rules = append(compiled.rules, r)
			compiled.size += r.subjects.size + r.resources.size + r.actions.size
		}
	}
	return compiled, nil
}

// Decide says what the rules say to a request.
func (r *Rules) Decide(q *Request) Verdict {
	verdict := Silent
	if len(q.Resource) > MaxResource {
		return Deny // it is the name of nothing, and would take long to look at
	}
	action, resource := strings.ToLower(q.Action), colons(q.Resource)
	for i := range r.rules {
		rule := &r.rules[i]
		if verdict == Allow && !rule.deny || !rule.applies(q, action, resource) {
			continue
		}
		if rule.deny {
			return Deny
		}
		verdict = Allow
	}
	return verdict
}

func (r *rule) applies(q *Request, action, resource string) bool {
	if r.network.IsValid() && !r.within(q.RemoteIP) {
		return false
	}
	return r.actions.match(action) && r.resources.match(resource) && slices.ContainsFunc(q.Principals, r.subjects.match)
}

// within reports whether the rule's network has an address. One that is not
// known is denied what the network is denied, and allowed nothing.
func (r *rule) within(ip netip.Addr) bool {
	if !ip.IsValid() {
		return r.deny
	}
	return r.network.Contains(ip.Unmap().WithZone(""))
}

// colons spells a path as policies do.
func colons(path string) string { return strings.ReplaceAll(strings.Trim(path, "/"), "/", ":") }

// cidrCondition is the only type of condition there is.
const cidrCondition = "CIDRCondition"

// compile turns a permission of the policy at path into a rule.
func (p *Permission) compile(path string) (rule, error) {
	r := rule{deny: p.Effect == "deny", resources: patterns{paths: true}}
	var err error
	if p.Conditions != nil && p.Conditions.RemoteIP != nil {
		if r.network, err = network(p.Conditions.RemoteIP.Options.CIDR); err != nil {
			return r, err
		}
	}
	if p.Resources == nil {
		r.resources.addTree(colons(path))
	}
	for _, part := range []struct {
		into  *patterns
		texts []string
	}{{&r.subjects, p.Subjects}, {&r.resources, p.Resources}, {&r.actions, p.Actions}} {
		for _, text := range part.texts {
			if err := part.into.add(text); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// network reads a CIDR; one address stands for itself.
func network(cidr string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(cidr); err == nil {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(cidr)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no network such as 10.0.0.0/8", cidr)
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}

// patterns match a text against several; one that holds no <…> is compared as it
// stands.
type patterns struct {
	paths   bool // slashes are written as colons
	size    int  // see [Rules.Size]
	literal map[string]bool
	trees   []string // beginnings
	regexps []*regexp.Regexp
}

func (p *patterns) match(text string) bool {
	return p.literal[text] || slices.ContainsFunc(p.trees, func(tree string) bool { return strings.HasPrefix(text, tree) }) ||
		slices.ContainsFunc(p.regexps, func(re *regexp.Regexp) bool { return re.MatchString(text) })
}

func (p *patterns) add(text string) error {
	p.size += len(text)
	if !strings.ContainsAny(text, "<>") {
		if p.literal == nil {
			p.literal = map[string]bool{}
		}
		if p.paths {
			text = colons(text)
		}
		p.literal[text] = true
		return nil
	}
	re, err := p.compile(text)
	if err != nil {
		return err
	}
	p.regexps = append(p.regexps, re)
	return nil
}

// addTree adds a path and all below it. No part of the path is an expression.
func (p *patterns) addTree(path string) {
	p.literal = map[string]bool{path: true}
	p.trees = append(p.trees, path+":")
	p.size += len(path)
}

// compile makes a regular expression of a text whose <…> are regular expressions; it must match from
// beginning to end. RE2 takes time linear in what it matches; MaxSteps bounds the
// program.
func (p *patterns) compile(text string) (*regexp.Regexp, error) {
	if len(text) > MaxPattern {
		return nil, fmt.Errorf("has a pattern longer than %d bytes", MaxPattern)
	}
	var b strings.Builder
	most := 0
	b.WriteString(`(?s)\A`)
	for rest := text; rest != ""; {
		open := strings.IndexByte(rest, '<')
		if open < 0 {
			open = len(rest)
		}
		if strings.IndexByte(rest[:open], '>') >= 0 {
			return nil, fmt.Errorf("%q has a > without its <", text)
		}
		plain := rest[:open]
		if p.paths {
			plain = strings.ReplaceAll(plain, "/", ":")
		}
		b.WriteString(regexp.QuoteMeta(plain))
		if open == len(rest) {
			break
		}
		length := closing(rest[open:])
		if length < 0 {
			return nil, fmt.Errorf("%q has a < without its >", text)
		}
		inner := rest[open+1 : open+length]
		parsed, err := syntax.Parse(inner, syntax.Perl)
		if err == nil {
			_, err = syntax.Parse("(?:"+inner+")", syntax.Perl) // \Q could swallow what comes behind it
		}
		if err != nil {
			return nil, fmt.Errorf("%q: <%s> is no regular expression of the kind RE2", text, inner)
		}
		if most += steps(parsed); most > MaxSteps {
			return nil, fmt.Errorf("%q repeats too much: its expressions come to more than %d steps", text, MaxSteps)
		}
		b.WriteString("(?:" + inner + ")")
		rest = rest[open+length+1:]
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("%q is too large a pattern", text)
	}
	p.size += most * stepBytes
	return re, nil
}

// stepBytes is about what one step of an expression takes.
const stepBytes = 8

// steps counts what a program of an expression has to do at most, with its
// repetitions written out. The parser bounds how often they multiply.
func steps(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += steps(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max) + 1
	}
	return n
}

// closing finds the > that closes the < at the beginning of s; they nest, as
// names of groups need.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '<':
			depth++
		case '>':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// Check puts a policy into its canonical form, which shares nothing with what
// the caller holds, and says everything that is wrong with it, by the names of
// its members.
func (p *Policy) Check() error {
	var bad annal.InvalidError
	p.Permissions = slices.Clone(p.Permissions)
	p.Path = colons(strings.Trim(p.Path, ":/"))
	if p.Path == "" || len(p.Path) > MaxPath || strings.ContainsFunc(p.Path, unfit) || strings.ContainsAny(p.Path, "<>") {
		bad.Add(-1, "path", fmt.Sprintf("must be 1 to %d visible characters without < and >, for it is no pattern", MaxPath))
	}
	if n := len(p.Permissions); n == 0 || n > MaxPermissions {
		bad.Add(-1, "permissionDocument", fmt.Sprintf("must have 1 to %d items", MaxPermissions))
	} else {
		for i := range p.Permissions {
			p.Permissions[i].check(p.Path, fmt.Sprintf("permissionDocument[%d].", i), &bad)
		}
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}

func (p *Permission) check(path, at string, bad *annal.InvalidError) {
	p.Effect = strings.ToLower(p.Effect)
	if p.Effect != "allow" && p.Effect != "deny" {
		bad.Add(-1, at+"effect", "must be allow or deny")
	}
	if len(p.ID) > MaxName || len(p.Description) > MaxText {
		bad.Add(-1, at+"description", fmt.Sprintf("an id has at most %d bytes, a description %d", MaxName, MaxText))
	}
	p.Subjects, p.Actions, p.Resources = lowered(p.Subjects), lowered(p.Actions), slices.Clone(p.Resources)
	for _, part := range []struct {
		name  string
		texts []string
		empty bool
	}{{"subjects", p.Subjects, false}, {"actions", p.Actions, false}, {"resources", p.Resources, p.Resources == nil}} {
		if n := len(part.texts); n == 0 && !part.empty || n > MaxPatterns {
			bad.Add(-1, at+part.name, fmt.Sprintf("must have 1 to %d items", MaxPatterns))
			continue
		}
		checkPatterns(at+part.name, part.texts, bad)
	}
	p.checkConditions(at, bad)
}

func checkPatterns(name string, texts []string, bad *annal.InvalidError) {
	for _, text := range texts {
		if text == "" || len(text) > MaxPattern || strings.ContainsFunc(text, unfit) {
			bad.Add(-1, name, fmt.Sprintf("must be of 1 to %d visible characters", MaxPattern))
			return
		}
		if err := new(patterns).add(text); err != nil {
			bad.Add(-1, name, err.Error())
			return
		}
	}
}

func (p *Permission) checkConditions(at string, bad *annal.InvalidError) {
	if p.Conditions == nil {
		return
	}
	if p.Conditions.RemoteIP == nil {
		p.Conditions = nil
		return
	}
	c := *p.Conditions.RemoteIP
	p.Conditions = &Conditions{RemoteIP: &c}
	if c.Type != cidrCondition {
		bad.Add(-1, at+"conditions.remoteIP.type", "must be "+cidrCondition)
		return
	}
	if _, err := network(c.Options.CIDR); err != nil {
		bad.Add(-1, at+"conditions.remoteIP.options.cidr", "must be a network such as 10.0.0.0/8")
	}
}

// lowered returns texts in lower case, but for what regular expressions mean by
// an upper-case letter behind a backslash.
func lowered(texts []string) []string {
	if texts == nil {
		return nil
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		b := []byte(strings.ToLower(text))
		for j := 1; j < len(text) && len(b) == len(text); j++ {
			if text[j-1] == '\\' {
				b[j] = text[j]
			}
		}
		out[i] = string(b)
	}
	return out
}

// unfit characters stand in no name.
func unfit(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }
