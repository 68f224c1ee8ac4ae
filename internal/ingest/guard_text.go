package ingest

import "strings"

// This file matches secrets that show by what stands around them in a text:
// passwords in URLs, and values that are assigned to a telling name.

// urlPassword matches the password of scheme://user:password@host. The window
// begins at the scheme's last byte.
func urlPassword(s string, w int) (match, bool) {
	if !alnum(s[w]) {
		return match{}, false
	}
	from := w + windowSize
	stop := from + indexAny(s[from:min(len(s), from+maxSpan)], " \t\r\n\"'<>`,;")
	path := from + indexAny(s[from:stop], "/?#")
	colon := strings.IndexByte(s[from:path], ':')
	if colon < 0 || s[from] == '[' {
		return match{}, false
	}
	pass := from + colon + 1
	at := strings.LastIndexByte(s[pass:path], '@')
	if at < 0 {
		// A password may hold a raw slash; a port may not.
		if spanOf(s, pass, digit) == path {
			return match{}, false
		}
		if at = strings.IndexByte(s[pass:stop], '@'); at < 0 {
			return match{}, false
		}
	}
	end := pass + at
	if end == pass || blind(s[pass:end]) || strings.HasPrefix(s[end+1:], "sha256:") {
		return match{}, false
	}
	return match{pass, end, kindPassword}, true
}

func digit(c byte) bool { return c-'0' < 10 }

func indexAny(s, chars string) int {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return i
	}
	return len(s)
}

// blind reports whether a value is no secret, wherever it stands: it was
// removed, blinded or masked before.
func blind(s string) bool {
	return strings.Trim(s, "*") == "" || strings.HasPrefix(s, redactedMark) || strings.HasPrefix(s, hmacMark)
}

// assigned matches what follows name at from, such as password=…, up to the
// next separator. Words that speak of a password rather than be one stay.
func assigned(s string, from int, name string, kind secretKind) (match, bool) {
	if from < len(name) || !strings.EqualFold(s[from-len(name):from], name) {
		return match{}, false
	}
	if blind(s[from:min(len(s), from+maxSpan)]) {
		return match{}, false
	}
	to := from + indexAny(s[from:], " \t\r\n\"'&;,)")
	if to-from > len("false") {
		return match{from, to, kind}, !blind(s[from:to])
	}
	switch strings.ToLower(s[from:to]) {
	case "true", "false", "null", "none", "yes", "no":
		return match{}, false
	}
	return match{from, to, kind}, !blind(s[from:to])
}

// accountKey matches the keys of Azure's connection strings.
func accountKey(s string, w int) (match, bool) {
	from := w + windowSize
	for _, name := range [...]string{"AccountKey=", "SharedAccessKey="} {
		if strings.HasSuffix(s[:from], name) {
			return prefixed(s, from, from, 20, len(s), kindCredential, base64Byte)
		}
	}
	return match{}, false
}

// awsSecret matches the 40 characters that are assigned to secret_access_key in
// any spelling. The window begins at the last s of "access".
func awsSecret(s string, w int) (match, bool) {
	const size = 40
	before := strings.ToLower(s[max(0, w-len("secret_acces")):w])
	if !strings.HasSuffix(strings.NewReplacer("_", "", "-", "").Replace(before), "secretacces") {
		return match{}, false
	}
	i := w + strings.IndexByte(s[w:min(len(s), w+5)], 'y')
	if i < w {
		return match{}, false
	}
	from := spanOf(s, i+1, func(c byte) bool { return strings.IndexByte(" \t\"':=\\>", c) >= 0 })
	to := spanOf(s, from, func(c byte) bool { return alnum(c) || c == '/' || c == '+' })
	return match{from, to, kindAWS}, from > i+1 && to-from == size
}
