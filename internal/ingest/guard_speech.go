package ingest

import (
	"encoding/base64"
	"strings"
)

// This file finds secrets that show by what is said of them in a text: assigned to
// a telling name (?access_token=…), sent as credentials (Bearer …), or members of
// JSON that is itself a text. Each is one pass over the text.

// A saying finds the first secret of s at or behind from.
type saying func(g *Guard, s string, from int) (match, bool)

// sayings lists what texts may say of a secret; the last needs quotation marks.
var sayings = [...]saying{(*Guard).ownToken, (*Guard).assignment, (*Guard).credential, (*Guard).member}

// shortestSaid is the length of the shortest text that is looked through for them:
// ids, of which there are many, are shorter and say nothing.
const shortestSaid = 17

// speaks reports whether s says of something that it is a secret.
func (g *Guard) speaks(s string) bool {
	if len(s) < shortestSaid {
		return false
	}
	for _, find := range sayings {
		if _, ok := find(g, s, 0); ok {
			return true
		}
	}
	return false
}

// speaksAloud is speaks of extra as a whole, if no text of it has an escape: its own
// members, which have quotation marks too, are looked at by their names.
func (g *Guard) speaksAloud(extra string) bool {
	for _, find := range sayings[:len(sayings)-1] {
		if _, ok := find(g, extra, 0); ok {
			return true
		}
	}
	return false
}

// silence returns s without what it says to be secret.
func (g *Guard) silence(s string) (string, bool) {
	found := false
	for _, find := range sayings {
		if len(s) < shortestSaid {
			break
		}
		m, ok := find(g, s, 0)
		if !ok {
			continue
		}
		found = true
		s = g.without(s, m, func(s string, from int) (match, bool) { return find(g, s, from) })
	}
	return s, found
}

// ownToken matches tokens and refresh tokens of annal itself.
func (g *Guard) ownToken(s string, from int) (match, bool) {
	const prefix, refresh, size = "annal_", "refresh_", 48
	for at := from; ; at += len(prefix) {
		if len(s)-at < len(prefix)+size {
			return match{}, false
		}
		n := strings.Index(s[at:], prefix)
		if n < 0 {
			return match{}, false
		}
		at += n
		body := at + len(prefix)
		if strings.HasPrefix(s[body:], refresh) {
			body += len(refresh)
		}
		if m, ok := prefixed(s, at, body, size, size, kindToken, alnum); ok {
			return m, true
		}
	}
}

// assignment matches what is assigned to a name that announces a secret, as in
// queries of URLs and in command lines.
func (g *Guard) assignment(s string, from int) (match, bool) {
	for at := from; ; at++ {
		n := strings.IndexByte(s[at:], '=')
		if n < 0 {
			return match{}, false
		}
		at += n
		name := s[nameStart(s, from, at):at]
		kind := g.names.kind(name)
		if kind == notSecret || isWord(name) {
			continue
		}
		to := at + 1 + indexAny(s[at+1:min(len(s), at+1+maxSpan)], valueEnds)
		if value := s[at+1 : to]; !blind(value) && !stays(name, value) && (kind == kindPassword && !spoken(value) || random(value)) {
			return match{at + 1, at + 1 + indexAny(s[at+1:], valueEnds), kind}, true
		}
	}
}

// valueEnds are the bytes that no assigned value has.
const valueEnds = " \t\r\n\"'&;,)\\<>"

// maxSaidName bounds the names that are looked for in texts.
const maxSaidName = 64

// nameStart returns where the name begins that ends at end, not before from.
func nameStart(s string, from, end int) int {
	i := end
	for i > from && end-i < maxSaidName && dottedByte(s[i-1]) {
		i--
	}
	return i
}

// isWord reports whether a name announces a secret only as a word, which in texts
// means something else too: pass=3 fail=0.
func isWord(name string) bool {
	for _, w := range secretWords {
		if strings.EqualFold(name, w) {
			return true
		}
	}
	return false
}

// spoken reports whether a value speaks of a password rather than be one.
func spoken(value string) bool {
	switch strings.ToLower(value) {
	case "true", "false", "null", "none", "yes", "no":
		return true
	}
	return false
}

// random reports whether a value may be drawn by a machine: long enough, and with
// letters and digits. Names of secrets and words are neither.
func random(value string) bool {
	const least = 8
	letters, digits := false, false
	for _, c := range []byte(value) {
		letters = letters || c|0x20-'a' < 26
		digits = digits || digit(c)
	}
	return len(value) >= least && letters && digits
}

// credential matches what follows the name of a scheme of HTTP: Bearer, if it is
// as long as a token, and Basic, if it says a name and a password.
func (g *Guard) credential(s string, from int) (match, bool) {
	for at := from; ; at++ {
		n := strings.IndexByte(s[at:], ' ')
		if n < 0 {
			return match{}, false
		}
		at += n
		bearer, basic := endsInWord(s[from:at], "bearer"), endsInWord(s[from:at], "basic")
		if !bearer && !basic {
			continue
		}
		to := spanOf(s, at+1, func(c byte) bool { return dottedByte(c) || base64Byte(c) || c == '~' })
		value := s[at+1 : to]
		if bearer && len(value) >= leastBearer && random(value) || basic && isPair(value) {
			return match{at + 1, to, kindAuthorization}, true
		}
	}
}

// leastBearer is the length of the shortest token; words behind "bearer" are
// shorter.
const leastBearer = 16

// isPair reports whether a value says a name and a password, as Basic has it.
func isPair(value string) bool {
	text, err := base64.StdEncoding.DecodeString(value)
	return err == nil && strings.IndexByte(string(text), ':') > 0
}

func endsInWord(s, word string) bool {
	i := len(s) - len(word)
	return i >= 0 && strings.EqualFold(s[i:], word) && (i == 0 || !wordByte(s[i-1]))
}

// member matches the value of a member with a telling name, of JSON that is a text.
// Its quotes may be escaped, as in JSON within such JSON.
func (g *Guard) member(s string, from int) (match, bool) {
	for at := from; ; at += len(`":`) {
		n := strings.Index(s[at:], `":`)
		if n < 0 {
			return match{}, false
		}
		at += n
		end := at
		for end > from && s[end-1] == '\\' {
			end--
		}
		quote := s[end : at+1]
		begin := strings.LastIndexByte(s[max(from, end-maxSaidName):end], '"')
		if begin < 0 {
			continue
		}
		name := s[max(from, end-maxSaidName)+begin+1 : end]
		kind := g.names.kind(name)
		if kind == notSecret {
			continue
		}
		value := spanOf(s, at+len(`":`), func(c byte) bool { return c == ' ' })
		to := value
		if strings.HasPrefix(s[value:], quote) {
			value += len(quote)
			to = closingQuote(s, value, quote)
		} else {
			to = spanOf(s, value, func(c byte) bool { return digit(c) || c == '.' || c == '-' })
		}
		if to > value && !stays(name, s[value:to]) {
			return match{value, to, kind}, true
		}
	}
}

// closingQuote returns where the text ends that began at i and is closed by quote,
// which is a quotation mark behind some backslashes.
func closingQuote(s string, i int, quote string) int {
	for at := i; ; at++ {
		n := strings.IndexByte(s[at:], '"')
		if n < 0 {
			return len(s)
		}
		at += n
		slashes := 0
		for at-slashes > i && s[at-slashes-1] == '\\' {
			slashes++
		}
		if slashes <= len(quote)-1 || slashes%(2*len(quote)) == len(quote)-1 {
			return at - min(slashes, len(quote)-1)
		}
	}
}
