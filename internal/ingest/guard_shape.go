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
)

// A shapeTable tells for a pair of bytes at which offsets of a window it may
// stand, as bits.
type shapeTable [1 << pairBits]uint8

func pair(a, b byte) uint { return (uint(a)<<5 ^ uint(b)) & (1<<pairBits - 1) }

// windows are the telling bytes of every shape. '?' stands for a letter, a
// digit, or another byte that base64 or a scheme may have.
var windows = [...]string{
	"-BEG", "eyJ?", "AKIA", "ASIA", "AIza", "ya29", "ghp_", "gho_", "ghs_", "ghu_", "ghr_", "ub_p",
	"hvs.", "hvb.", "hvr.", "xoxa", "xoxb", "xoxp", "xoxr", "xoxs", "xoxe", "xoxc", "xoxd", "xapp",
	"?://", "s_ke", "sKey", "s-ke", "ord=", "ORD=", "Key=",
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
			t.add(string([]byte{byte(c)}) + legacyVault)
		}
	}
	return t
}

func (t *shapeTable) add(window string) {
	for i := 1; i < windowSize; i++ {
		for _, a := range anyOf(window[i-1]) {
			for _, b := range anyOf(window[i]) {
				t[pair(a, b)] |= 1 << (i - 1)
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
	for i := from; i+1 < len(s); i += windowSize - 1 {
		offsets := t[pair(s[i], s[i+1])]
		if offsets == 0 {
			continue
		}
		for k := windowSize - 2; k >= 0; k-- {
			w := i - k
			if offsets&(1<<k) == 0 || w < from || w+windowSize > len(s) {
				continue
			}
			if m, ok := matchAt(s, w); ok && m.from >= from {
				return m, true
			}
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
	case "ord=", "ORD=":
		return assigned(s, w+windowSize, "password=", kindPassword)
	case "Key=":
		return accountKey(s, w)
	}
	switch {
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
	to := spanOf(s, body, class)
	n := to - body
	return match{from, to, kind}, n >= least && n <= most
}

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
	if from > 0 && wordByte(s[from-1]) {
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
