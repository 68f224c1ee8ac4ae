package ingest

import (
	"hash/maphash"
	"strings"
	"sync/atomic"

	"annal"
	"annal/internal/strictjson"
)

// A secretKind says what was removed; its name stands in [redacted:<kind>].
type secretKind uint8

const (
	notSecret secretKind = iota
	kindPassword
	kindSecret
	kindToken
	kindAPIKey
	kindPrivateKey
	kindAuthorization
	kindCookie
	kindCredential
	kindJWT
	kindAWS
	kindGCP
	kindGitHub
	kindVault
	kindSlack
	numSecretKinds
)

var secretKindNames = [numSecretKinds]string{
	kindPassword: "password", kindSecret: "secret", kindToken: "token", kindAPIKey: "api_key",
	kindPrivateKey: "private_key", kindAuthorization: "authorization", kindCookie: "cookie",
	kindCredential: "credential", kindJWT: "jwt", kindAWS: "aws_key", kindGCP: "gcp_key",
	kindGitHub: "github_token", kindVault: "vault_token", kindSlack: "slack_token",
}

const (
	redactedMark = "[redacted:"   // what removed values begin with
	hmacMark     = "hmac-sha256:" // what Vault's blinded values begin with
)

func (k secretKind) mark() string { return redactedMark + secretKindNames[k] + "]" }

// GuardConfig says what a [Guard] takes for secret besides the usual. Names
// are compared without regard to case and separators: api_key, apiKey and
// X-API-Key end in the same name.
type GuardConfig struct {
	Secret []string // names, or ends of names, whose values are removed; at least 3 letters
	Public []string // whole names whose values are left alone
}

// A Guard removes secret values from events, by the name of the member of
// extra that holds them and by their shape in any text. What merely blinds a
// secret (Vault's HMACs) or speaks of one (paths, ids, booleans) stays.
//
// It is a net for accidents, not a wall: a secret without a telling name or
// shape passes. It is safe for concurrent use.
type Guard struct {
	names  nameRules
	shapes shapeTable
	known  cleanSet
	counts [numSecretKinds]atomic.Uint64
}

// NewGuard returns a Guard.
func NewGuard(c GuardConfig) *Guard {
	return &Guard{names: newNameRules(c), shapes: newShapeTable(), known: cleanSet{seed: maphash.MakeSeed()}}
}

// Redacted calls each with every kind of secret and how many values of that
// kind have been removed.
func (g *Guard) Redacted(each func(kind string, n uint64)) {
	for k := notSecret + 1; k < numSecretKinds; k++ {
		each(secretKindNames[k], g.counts[k].Load())
	}
}

// Clean removes the secret values of e, whose Extra must be canonical, and adds
// what it removed to e.Flags.
func (g *Guard) Clean(e *annal.Event) {
	var flags []string
	if e.Flags != "" {
		v, _ := strictjson.Parse([]byte(e.Flags), 1)
		for _, f := range v.Items {
			flags = append(flags, f.Text)
		}
	}
	e.Flags = canonicalFlags(g.clean(e, flags))
}

// clean removes the secret values of e and appends a flag for each place.
func (g *Guard) clean(e *annal.Event, flags []string) []string {
	for f := annal.Action; f < annal.Extra; f++ {
		if s := e.Text(f); len(*s) >= shortestSecret {
			flags = g.cleanField(f, s, flags)
		}
	}
	if e.Extra != "" && g.suspects(e.Extra) {
		flags = g.cleanExtra(e, flags)
	}
	return flags
}

// cleanField removes the secrets of the text field f, which s points to.
func (g *Guard) cleanField(f annal.Field, s *string, flags []string) []string {
	var h uint64
	remember := annal.Fields[f].Shared && recurs(*s)
	if remember {
		if h = g.known.hash(*s); g.known.has(h) {
			return flags
		}
	}
	text, found := g.cleanText(*s)
	if !found {
		if remember {
			g.known.note(h)
		}
		return flags
	}
	*s = cutText(text, annal.Fields[f].Max)
	return append(flags, annal.FlagRedacted+annal.Fields[f].Name)
}

// cleanText returns s without the secrets that show by their shape, or by what s
// says of them.
func (g *Guard) cleanText(s string) (string, bool) {
	m, shaped := g.shapes.find(s, 0)
	if shaped {
		s = g.without(s, m, g.shapes.find)
	}
	s, spoken := g.silence(s)
	return s, shaped || spoken
}

// without returns s without m, the first of the secrets that find finds, and the
// others.
func (g *Guard) without(s string, m match, find func(s string, from int) (match, bool)) string {
	var b strings.Builder
	from := 0
	for ok := true; ok; m, ok = find(s, from) {
		b.WriteString(s[from:m.from])
		b.WriteString(m.kind.mark())
		g.counts[m.kind].Add(1)
		from = m.to
	}
	b.WriteString(s[from:])
	return b.String()
}
