package ingest

import "strings"

// secretNames are the ends of member names, without case and separators, that
// announce a secret value. db_password, newPassword and X-Vault-Token are
// found by their ends; token_type, secret_path and password_policy end in
// something else.
var secretNames = [...]struct {
	end  string
	kind secretKind
}{
	{"password", kindPassword}, {"passwords", kindPassword}, {"passwd", kindPassword}, {"pwd", kindPassword},
	{"passphrase", kindPassword}, {"passcode", kindPassword}, {"passwordhash", kindPassword},
	{"passwordconfirmation", kindPassword}, {"secret", kindSecret}, {"secretid", kindSecret},
	{"token", kindToken}, {"bearer", kindToken}, {"jwt", kindJWT},
	{"apikey", kindAPIKey}, {"apikeys", kindAPIKey}, {"apisecret", kindAPIKey},
	{"privatekey", kindPrivateKey}, {"privatekeypem", kindPrivateKey}, {"signingkey", kindPrivateKey},
	{"secretkey", kindSecret}, {"accesskey", kindSecret}, {"accountkey", kindSecret}, {"sharedkey", kindSecret},
	{"masterkey", kindSecret}, {"unsealkey", kindSecret}, {"unsealkeys", kindSecret}, {"hmackey", kindSecret},
	{"authorization", kindAuthorization}, {"cookie", kindCookie},
	{"credential", kindCredential}, {"credentials", kindCredential},
}

// secretWords announce a secret only as a word of their own.
var secretWords = [...]string{"pass", "otp", "totp"}

// publicNames end like secrets and hold none.
var publicNames = [...]string{
	"nexttoken", "pagetoken", "nextpagetoken", "continuetoken", "continuationtoken", "paginationtoken",
	"synctoken", "clientrequesttoken", "idempotencytoken", "markertoken",
}

// inSecrets are members that describe a secret from within an object of that
// name, as Vault's leases and the volumes of Kubernetes do.
var inSecrets = [...]string{
	"leaseid", "leaseduration", "secretname", "defaultmode", "name", "namespace", "path", "type", "kind",
	"mode", "version", "ttl", "defaultleasettl", "maxleasettl", "accessor", "username",
}

// keyName reports whether a member names the value beside it, as in
// {"name":"DB_PASSWORD","value":"…"}.
func keyName(name string) bool {
	switch name {
	case "name", "Name", "key", "Key":
		return true
	}
	return false
}

func valueName(name string) bool { return name == "value" || name == "Value" }

// nameRules tell which member names announce secrets.
type nameRules struct {
	ends   [256][]nameEnd // by their last byte
	tails  [1 << 12]bool  // by their last letters, see tail
	public map[string]bool
	inside map[string]bool
}

type nameEnd struct {
	end  string
	kind secretKind
	word bool // only as a word of its own
}

func newNameRules(c GuardConfig) nameRules {
	r := nameRules{public: map[string]bool{}, inside: map[string]bool{}}
	for _, n := range secretNames {
		r.add(nameEnd{n.end, n.kind, false})
	}
	for _, n := range c.Secret {
		r.add(nameEnd{normalName(n), kindSecret, false})
	}
	for _, w := range secretWords {
		r.add(nameEnd{w, kindPassword, true})
	}
	for _, n := range publicNames {
		r.public[n] = true
	}
	for _, n := range c.Public {
		r.public[normalName(n)] = true
	}
	for _, n := range inSecrets {
		r.inside[n] = true
	}
	return r
}

func (r *nameRules) add(e nameEnd) {
	if n := len(e.end); n >= shortTail {
		r.ends[e.end[n-1]] = append(r.ends[e.end[n-1]], e)
		r.tails[tail(e.end[max(0, n-longTail):])] = true
	}
}

// Names are first told apart by the letters they end in: four, or three where
// a rule has no more.
const (
	shortTail = 3
	longTail  = 4
)

// tail hashes three or four letters without regard to case.
func tail(s string) uint32 {
	h := uint32(len(s))
	for i := range len(s) {
		h = h<<5 ^ h>>7 ^ uint32(s[i]&31)
	}
	return h & (1<<12 - 1)
}

// ordinary reports quickly that a name ends like no secret's.
func (r *nameRules) ordinary(name string) bool {
	n := len(name)
	if n < longTail {
		return n < shortTail
	}
	end := name[n-longTail:]
	if !alpha(end[0]) || !alpha(end[1]) || !alpha(end[2]) || !alpha(end[3]) {
		return false
	}
	return !r.tails[tail(end)] && !r.tails[tail(end[1:])]
}

// kind returns what kind of secret the name announces, or notSecret.
func (r *nameRules) kind(name string) secretKind {
	if r.ordinary(name) {
		return notSecret
	}
	var buf [64]byte
	normal := appendNormal(buf[:0], name)
	if len(normal) == 0 || strings.IndexByte(name, '/') >= 0 {
		return notSecret // nothing, or a path
	}
	for _, e := range r.ends[normal[len(normal)-1]] {
		if len(normal) < len(e.end) || string(normal[len(normal)-len(e.end):]) != e.end {
			continue
		}
		if (!e.word || lastWord(name, e.end)) && !r.public[string(normal)] {
			return e.kind
		}
	}
	return notSecret
}

func alpha(c byte) bool { return c|0x20-'a' < 26 }

// pairKind returns what kind of secret stands beside a name given as text,
// which may be a path such as /prod/db/password.
func (r *nameRules) pairKind(text string) secretKind {
	return r.kind(text[strings.LastIndexByte(text, '/')+1:])
}

// describes reports whether a member within a secret's object is about it.
func (r *nameRules) describes(name string) bool { return r.inside[normalName(name)] }

func normalName(name string) string { return string(appendNormal(nil, name)) }

// appendNormal appends name in lower case without separators and without digits
// at its end.
func appendNormal(b []byte, name string) []byte {
	for _, c := range []byte(name) {
		switch {
		case c-'A' < 26:
			b = append(b, c|0x20)
		case alnum(c), c >= 0x80:
			b = append(b, c)
		}
	}
	for len(b) > 0 && digit(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// lastWord reports whether name is word or ends in it behind a separator or in
// camel case.
func lastWord(name, word string) bool {
	i := len(name) - len(word)
	if i < 0 || !strings.EqualFold(name[i:], word) {
		return false
	}
	return i == 0 || !alnum(name[i-1]) || name[i]-'A' < 26 && name[i-1]-'a' < 26
}

// stays reports whether a text value under a secret name is none after all.
func stays(name, value string) bool {
	switch {
	case blind(value):
		return true
	case strings.EqualFold(name, "pwd"):
		return strings.HasPrefix(value, "/") // a working directory
	case name == "secretId" || name == "SecretId":
		return !looksRandom(value) // in AWS the name of a secret, in Vault's clients a secret
	}
	return false
}

// looksRandom reports whether s has the form of a UUID.
func looksRandom(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
}
