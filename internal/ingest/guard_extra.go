package ingest

import (
	"strconv"
	"strings"

	"annal"
	"annal/internal/strictjson"
)

// suspects reports whether extra, in canonical form, may hold a secret. It
// decides this without building a tree, from the strings alone: in canonical
// form a name is a string with a colon right behind it.
func (g *Guard) suspects(extra string) bool {
	if strings.IndexByte(extra, '\\') >= 0 {
		return g.suspectsEscaped(extra)
	}
	// A quote ends a shape as the end of a text does, so that one look at the
	// whole is enough.
	if _, ok := g.shapes.find(extra, 0); ok || g.speaksAloud(extra) {
		return true
	}
	for i := 0; ; {
		n := strings.Index(extra[i:], `":`)
		if n < 0 {
			return false
		}
		end := i + n
		i = end + len(`":`)
		from := end
		for from > 0 && extra[from-1] != '"' {
			from--
		}
		// When this is a text that begins with a colon, name is the punctuation
		// before it.
		name := extra[from:end]
		if g.names.kind(name) != notSecret && exposes(extra, i, name) {
			return true
		}
		if keyName(name) && extra[i] == '"' {
			to, _ := stringEnd(extra, i+1)
			if g.names.pairKind(extra[i+1:to]) != notSecret {
				return true
			}
		}
	}
}

// suspectsEscaped is suspects for text with escapes, which it undoes.
func (g *Guard) suspectsEscaped(extra string) bool {
	isKey := false // the value belongs to a member such as "name"
	for i := 0; ; {
		q := strings.IndexByte(extra[i:], '"')
		if q < 0 {
			return false
		}
		from := i + q + 1
		to, escaped := stringEnd(extra, from)
		text := extra[from:to]
		if escaped {
			text = unescape(extra[from-1 : to+1])
		}
		i = to + 1
		if _, ok := g.shapes.find(text, 0); ok || g.speaks(text) {
			return true
		}
		switch {
		case i < len(extra) && extra[i] == ':':
			if g.names.kind(text) != notSecret && exposes(extra, i+1, text) {
				return true
			}
			isKey = keyName(text)
		case isKey && g.names.pairKind(text) != notSecret:
			return true
		default:
			isKey = false
		}
	}
}

// stringEnd finds the closing quote of the canonical string that begins at i.
func stringEnd(s string, i int) (end int, escaped bool) {
	for {
		i += strings.IndexByte(s[i:], '"')
		n := 0
		for s[i-1-n] == '\\' {
			n++
		}
		if n%2 == 0 {
			break
		}
		escaped = true
		i++
	}
	return i, escaped
}

func unescape(quoted string) string {
	v, _ := strictjson.Parse([]byte(quoted), 1)
	return v.Text
}

// exposes reports whether the value at i, under a secret name, is more than
// a boolean, null, or a text that is no secret.
func exposes(extra string, i int, name string) bool {
	switch extra[i] {
	case 't', 'f', 'n':
		return false
	case '"':
		end, _ := stringEnd(extra, i+1)
		return !stays(name, extra[i+1:end])
	}
	return true
}

// A cleaner removes secrets from one tree.
type cleaner struct {
	g     *Guard
	flags []string
	found bool
}

// cleanExtra removes the secrets of e.Extra.
func (g *Guard) cleanExtra(e *annal.Event, flags []string) []string {
	v, err := strictjson.Parse([]byte(e.Extra), annal.MaxExtraDepth)
	if err != nil {
		return flags // not canonical: it came by no way that ends in Receive
	}
	c := cleaner{g: g, flags: flags}
	c.value(&v, "extra", "", notSecret)
	if c.found {
		e.Extra = string(v.AppendCanonical(nil))
	}
	return c.flags
}

// value cleans v, the value of a member called name; under says what kind of
// secret an enclosing name announces.
func (c *cleaner) value(v *strictjson.Value, path, name string, under secretKind) {
	switch v.Kind {
	case strictjson.String:
		c.text(v, path, name, under)
	case strictjson.Number:
		if under != notSecret {
			c.remove(v, path, under)
		}
	case strictjson.Array:
		for i := range v.Items {
			c.value(&v.Items[i], path+"["+strconv.Itoa(i)+"]", name, under)
		}
	case strictjson.Object:
		c.object(v, path, under)
	}
}

func (c *cleaner) text(v *strictjson.Value, path, name string, under secretKind) {
	if under != notSecret && !stays(name, v.Text) {
		c.remove(v, path, under)
		return
	}
	if normal := normalName(name); strings.HasSuffix(normal, "accesskeyid") {
		return // the public half of a pair, which auditors look for
	}
	if text, ok := c.g.cleanText(v.Text); ok {
		v.Text = text
		c.flag(path)
	}
}

func (c *cleaner) remove(v *strictjson.Value, path string, kind secretKind) {
	*v = strictjson.Text(kind.mark())
	c.g.counts[kind].Add(1)
	c.flag(path)
}

// maxFlagPath bounds the path of a member in a flag.
const maxFlagPath = 200

func (c *cleaner) flag(path string) {
	c.found = true
	c.flags = append(c.flags, annal.FlagRedacted+cutText(path, maxFlagPath))
}

func (c *cleaner) object(v *strictjson.Value, path string, under secretKind) {
	if under == kindCredential {
		under = notSecret // its public parts, such as key ids and dates, stay
	}
	pairKind := c.pair(v)
	for i := range v.Members {
		m := &v.Members[i]
		kind := c.g.names.kind(m.Name)
		c.name(v, m, path)
		switch {
		case kind == notSecret && valueName(m.Name) && pairKind != notSecret:
			kind = pairKind
		case kind == notSecret && !c.g.names.describes(m.Name):
			kind = under
		}
		c.value(&m.Value, path+"."+m.Name, m.Name, kind)
	}
}

// pair returns what kind of secret an object like {"name":"DB_PASSWORD",
// "value":"…"} holds in its value.
func (c *cleaner) pair(v *strictjson.Value) secretKind {
	for i := range v.Members {
		if m := &v.Members[i]; keyName(m.Name) && m.Value.Kind == strictjson.String {
			if kind := c.g.names.pairKind(m.Value.Text); kind != notSecret {
				return kind
			}
		}
	}
	return notSecret
}

// name removes a secret that is itself the name of a member.
func (c *cleaner) name(v *strictjson.Value, m *strictjson.Member, path string) {
	name, ok := c.g.cleanText(m.Name)
	if !ok {
		return
	}
	for v.Get(name) != nil {
		name += "_"
	}
	m.Name = name
	c.flag(path + "." + name)
}
