package ingest

import (
	"encoding/base64"
	"strings"

	"annal/internal/strictjson"
)

// Every shape has four bytes that it cannot do without, its window. A window
// has three pairs of bytes, so that looking at every third pair of a text
// meets each window exactly once. A table tells whether a pair is part of a
// window, and where in it; ordinary text has few such pairs.

// shortestSecret is the length of the shortest text that may hold a secret with
// a shape: a://b:c@d.
const shortestSecret = 9

const (
	windowSize = 4
	pairBits   = 12

	// separatorThenS marks the first pair of legacyVault, which is so common
	// that it has a bit of its own.
	separatorThenS = 1 << (windowSize - 1)
)

// A shapeTable tells for a pair of bytes at which offsets of a window it may
// stand, as bits.
type shapeTable [1 << pairBits]uint8

// pair is the place in the table of two bytes, the first in the low bits.
func pair(p uint64) uint64 { return (p ^ p>>4) & (1<<pairBits - 1) }

// windows are the telling bytes of every shape. '?' stands for a letter, a
// digit, or another byte that base64 or a scheme may have.
var windows = [...]string{
	"-BEG", "eyJ?", "AKIA", "ASIA", "AIza", "ya29", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "ub_p",
	"hvs.", "hvb.", "hvr.", "xoxa", "xoxb", "xoxp", "xoxr", "xoxs", "xoxe", "xoxc", "xoxd", "xapp",
	"?://", "s_ke", "sKey", "s-ke", "rd=?", "RD=?", "Key=",
}

// legacyVault is the window of Vault's old tokens (s. and 24 more) behind a
// separator.
const legacyVault = "s.?"

func newShapeTable() shapeTable {
	var t shapeTable
	for _, w := range windows {
		t.add(w)
	}
	for c := range 256 {
		if !wordByte(byte(c)) && c != '?' {
			t[pair(uint64(c)|'s'<<8)] |= separatorThenS
		}
	}
	t.add(legacyVault)
	return t
}

func (t *shapeTable) add(window string) {
	offset := windowSize - len(window) // legacyVault lacks its first byte
	for i := 1; i < len(window); i++ {
		for _, a := range anyOf(window[i-1]) {
			for _, b := range anyOf(window[i]) {
				t[pair(uint64(a)|uint64(b)<<8)] |= 1 << (offset + i - 1)
			}
		}
	}
}

func anyOf(c byte) []byte {
	if c != '?' {
		return []byte{c}
	}
	return []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_./")
}

// A match is a secret's place in a text.
type match struct {
	from, to int
	kind     secretKind
}

// find returns the first secret of s at or behind from.
func (t *shapeTable) find(s string, from int) (match, bool) {
	if from == 0 && strings.HasPrefix(s, "s.") {
		if m, ok := legacyToken(s, 0); ok {
			return m, true
		}
	}
	i := from
	for ; i+8 <= len(s); i += 9 { // three pairs at a time
		x := load64(s, i)
		a, b, c := t[pair(x&0xFFFF)], t[pair(x>>24&0xFFFF)], t[pair(x>>48)]
		if a|b|c == 0 {
			continue
		}
		for n, offsets := range [...]uint8{a, b, c} {
			if offsets == 0 {
				continue
			}
			if m, ok := near(s, from, i+3*n, offsets); ok {
				return m, true
			}
		}
	}
	for ; i+1 < len(s); i += windowSize - 1 {
		offsets := t[pair(uint64(s[i])|uint64(s[i+1])<<8)]
		if offsets == 0 {
			continue
		}
		if m, ok := near(s, from, i, offsets); ok {
			return m, true
		}
	}
	return match{}, false
}

// load64 returns the eight bytes of s at i, the first in the low bits.
func load64(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// near looks for a secret in the windows around the pair at i.
func near(s string, from, i int, offsets uint8) (match, bool) {
	if offsets&separatorThenS != 0 && i+2 < len(s) && s[i+2] == '.' {
		offsets |= 1
	}
	offsets &^= separatorThenS
	for k := windowSize - 2; k >= 0 && offsets != 0; k-- {
		w := i - k
		if offsets&(1<<k) == 0 || w < from || w+windowSize > len(s) {
			continue
		}
		if m, ok := matchAt(s, w); ok && m.from >= from {
			return m, true
		}
	}
	return match{}, false
}

// matchAt reports the secret whose window begins at w.
func matchAt(s string, w int) (match, bool) {
	switch s[w : w+windowSize] {
	case "-BEG":
		return pemKey(s, w)
	case "AKIA", "ASIA":
		return prefixed(s, w, w+4, 16, 16, kindAWS, upperDigit)
	case "AIza":
		return prefixed(s, w, w+4, 35, 35, kindGCP, urlByte)
	case "ya29":
		return prefixed(s, w, w+4, 20, len(s), kindGCP, dottedByte)
	case "ghp_", "gho_", "ghs_", "ghu_", "ghr_":
		return prefixed(s, w, w+4, 30, len(s), kindGitHub, wordByte)
	case "ub_p":
		return githubPAT(s, w)
	case "hvs.", "hvb.", "hvr.":
		return prefixed(s, w, w+4, 20, len(s), kindVault, urlByte)
	case "xoxa", "xoxb", "xoxp", "xoxr", "xoxs", "xoxe", "xoxc", "xoxd", "xapp":
		return slackToken(s, w)
	case "s_ke", "sKey", "s-ke":
		return awsSecret(s, w)
	case "Key=":
		return accountKey(s, w)
	}
	switch {
	case s[w:w+3] == "rd=", s[w:w+3] == "RD=":
		return assigned(s, w+len("rd="), "password=", kindPassword)
	case s[w:w+3] == "eyJ":
		return jwt(s, w)
	case s[w+1:w+4] == "://":
		return urlPassword(s, w)
	case s[w+1:w+3] == "s." && !wordByte(s[w]):
		return legacyToken(s, w+1)
	}
	return match{}, false
}

// prefixed matches a token that begins a word at from: a prefix that ends at
// body, then least to most bytes of a class.
func prefixed(s string, from, body, least, most int, kind secretKind, class func(byte) bool) (match, bool) {
	if from > 0 && wordByte(s[from-1]) {
		return match{}, false
	}
	to := spanOf(s[:min(len(s), body+most+1)], body, class)
	n := to - body
	return match{from, to, kind}, n >= least && n <= most
}

// maxSpan bounds how far a match looks for its end before it is certain, so
// that hostile texts, too, take linear time.
const maxSpan = 2 << 10

func spanOf(s string, i int, class func(byte) bool) int {
	for i < len(s) && class(s[i]) {
		i++
	}
	return i
}

func wordByte(c byte) bool   { return alnum(c) || c == '_' }
func urlByte(c byte) bool    { return wordByte(c) || c == '-' }
func dottedByte(c byte) bool { return urlByte(c) || c == '.' }
func slackByte(c byte) bool  { return alnum(c) || c == '-' }
func upperDigit(c byte) bool { return c-'0' < 10 || c-'A' < 26 }
func base64Byte(c byte) bool { return alnum(c) || c == '+' || c == '/' || c == '=' }

func githubPAT(s string, w int) (match, bool) {
	const prefix = "github_pat_"
	from := w - strings.Index(prefix, "ub_p")
	if from < 0 || !strings.HasPrefix(s[from:], prefix) {
		return match{}, false
	}
	return prefixed(s, from, from+len(prefix), 22, len(s), kindGitHub, wordByte)
}

func slackToken(s string, w int) (match, bool) {
	if w+4 >= len(s) || s[w+4] != '-' {
		return match{}, false
	}
	return prefixed(s, w, w+5, 10, len(s), kindSlack, slackByte)
}

// legacyToken matches a Vault token of the old form: s. and 24 letters and
// digits, at random and so of either case.
func legacyToken(s string, from int) (match, bool) {
	const size = 24
	body := from + len("s.")
	to := spanOf(s, body, alnum)
	if to-body != size || to < len(s) && s[to] == '_' {
		return match{}, false
	}
	upper, lower := false, false
	for _, c := range []byte(s[body:to]) {
		upper = upper || c-'A' < 26
		lower = lower || c-'a' < 26
	}
	return match{from, to, kindVault}, upper && lower
}

// pemKey matches a private key in PEM, to its end line or that of the text.
func pemKey(s string, w int) (match, bool) {
	const dashes, begin = "-----", "-----BEGIN "
	from := w - len(dashes) + 1
	if from < 0 || !strings.HasPrefix(s[from:], begin) {
		return match{}, false
	}
	label, rest, ok := strings.Cut(s[from+len(begin):], dashes)
	if !ok || !strings.Contains(label, "PRIVATE KEY") || len(label) > 40 {
		return match{}, false
	}
	end := dashes + "END " + label + dashes
	to := len(s)
	if i := strings.Index(rest, end); i >= 0 {
		to = len(s) - len(rest) + i + len(end)
	}
	return match{from, to, kindPrivateKey}, true
}

// jwt matches a JSON Web Token: its first part must really be a header.
func jwt(s string, from int) (match, bool) {
	if from > 0 && urlByte(s[from-1]) {
		return match{}, false
	}
	dot := spanOf(s, from, urlByte)
	if dot == len(s) || s[dot] != '.' || spanOf(s, dot+1, urlByte) == dot+1 {
		return match{}, false
	}
	head, err := base64.RawURLEncoding.DecodeString(s[from:dot])
	if err != nil {
		return match{}, false
	}
	v, err := strictjson.ParseLax(head, 8)
	if err != nil || v.Str("alg") == "" {
		return match{}, false
	}
	return match{from, spanOf(s, dot, dottedByte), kindJWT}, true
}
