package bench

import (
	"fmt"
	"strconv"

	"annal"
)

// An action kind, with its share of all events in ten-thousandths.
type actionKind struct {
	name     string
	method   string
	status   int32
	resource string
	weight   int
}

const weightSum = 10_000

// actions are those that ScaiVault documents; reading is most of what happens.
var actions = [...]actionKind{
	{"read", "GET", 200, "secret", 7800},
	{"list", "GET", 200, "secret", 900},
	{"write", "PUT", 200, "secret", 400},
	{"dynamic_generate", "POST", 201, "lease", 150},
	{"webhook_delivery", "POST", 200, "webhook", 120},
	{"dynamic_renew", "POST", 200, "lease", 100},
	{"rotate", "POST", 200, "secret", 90},
	{"pki_issue", "POST", 201, "certificate", 80},
	{"delete", "DELETE", 204, "secret", 60},
	{"dynamic_revoke", "POST", 204, "lease", 60},
	{"subscription_event", "POST", 200, "subscription", 60},
	{"pki_sign", "POST", 201, "certificate", 40},
	{"federation_sync", "POST", 200, "federation", 30},
	{"policy_update", "PUT", 200, "policy", 25},
	{"identity_sync", "POST", 200, "identity", 25},
	{"pki_revoke", "POST", 204, "certificate", 15},
	{"policy_bind", "POST", 200, "policy", 15},
	{"policy_create", "POST", 201, "policy", 10},
	{"policy_unbind", "POST", 200, "policy", 8},
	{"policy_delete", "DELETE", 204, "policy", 5},
	{"export_created", "POST", 202, "export", 5},
	{"pki_ca_create", "POST", 201, "certificate", 2},
}

// A fault is a way not to succeed, with its share of all faults in hundredths.
type fault struct {
	outcome annal.Outcome
	status  int32
	code    string
	message string
	weight  int
}

const faultSum = 100

var faults = [...]fault{
	{annal.Denied, 403, "access_denied", "no policy allows this action on this path", 55},
	{annal.Failure, 404, "secret_not_found", "there is no such secret", 20},
	{annal.Denied, 401, "token_expired", "the token has expired", 10},
	{annal.Failure, 429, "rate_limited", "too many requests from this identity", 6},
	{annal.Failure, 409, "version_conflict", "the secret was changed meanwhile", 5},
	{annal.Failure, 500, "internal_error", "the backend did not answer", 4},
}

// Prefixes of generated ids.
const (
	requestPrefix  = "req_"
	sessionPrefix  = "ses_"
	strangerPrefix = "sa:job-"
	strangerType   = "service_account"
)

type identity struct {
	actor annal.Actor
	json  []byte // the value of the member "actor"
}

var (
	teams = [...]string{"reporting", "billing", "checkout", "search", "payments", "identity", "mailer", "catalog",
		"inventory", "fraud", "analytics", "gateway", "scheduler", "notify", "ledger", "support"}
	firstNames = [...]string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"}
	lastNames  = [...]string{"smith", "jansen", "garcia", "kim", "okafor", "novak", "silva", "tanaka"}
)

func nthIdentity(i int) identity {
	h := scramble(uint64(i) ^ 0x1d)
	team := teams[h%uint64(len(teams))]
	var a annal.Actor
	switch {
	case h>>8%10 < 6:
		a = annal.Actor{Type: "service_account", ID: fmt.Sprintf("sa:%s-service-%05d", team, i)}
	case h>>8%10 < 9:
		first, last := firstNames[h>>16%uint64(len(firstNames))], lastNames[h>>24%uint64(len(lastNames))]
		a = annal.Actor{Type: "user", ID: fmt.Sprintf("user:%s.%s%d@acme.example", first, last, i)}
	default:
		a = annal.Actor{Type: "group", ID: fmt.Sprintf("group:%s-operators-%d", team, i)}
	}
	return identity{actor: a, json: appendActor(nil, a.Type, a.ID)}
}

func appendActor(b []byte, kind, id string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","id":"`...)
	b = append(b, id...)
	return append(b, `"}`...)
}

func appendStranger(b []byte, n uint64) []byte {
	b = append(b, strangerPrefix...)
	return strconv.AppendUint(b, n, 10)
}

func nthTenant(i int) string {
	if i == 0 {
		return "bench"
	}
	return fmt.Sprintf("bench-%06d", i)
}

var (
	stages  = [...]string{"environments/production", "environments/production", "environments/staging", "integrations", "infra/eu-west-1"}
	secrets = [...]string{"api-credentials", "db-writer", "db-reader", "oauth", "tls", "signing", "webhook", "smtp", "queue", "cache"}
)

const pathsPerService = 100

func nthPath(i int) string {
	service := i / pathsPerService
	stage := stages[service%len(stages)]
	return fmt.Sprintf("%s/%s-%d/%s-%02d", stage, teams[service%len(teams)], service, secrets[i%len(secrets)], i%pathsPerService)
}

const (
	numAddresses = 4000
	numAgents    = 200
)

func addresses() []string {
	list := make([]string, numAddresses)
	for i := range list {
		list[i] = fmt.Sprintf("10.%d.%d.%d", i%4, i/250, 1+i%250)
	}
	return list
}

func agents() []string {
	kinds := [...]string{"scaivault-python/1.%d.%d", "scaivault-go/0.%d.%d", "vault-agent/1.%d.%d", "curl/7.%d.%d",
		"Mozilla/5.0 (X11; Linux x86_64) Firefox/1%d.%d"}
	list := make([]string, numAgents)
	for i := range list {
		list[i] = fmt.Sprintf(kinds[i%len(kinds)], i/25, i%10)
	}
	return list
}

const hexDigits = "0123456789abcdef"

// Hex digits of generated ids.
const (
	requestDigits = 16
	sessionDigits = 12
)

// appendHex appends the lowest digits of n in hex.
func appendHex(b []byte, n uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, hexDigits[n>>shift&15])
	}
	return b
}

func hexString(prefix string, n uint64, digits int) string {
	var b [24]byte
	return string(appendHex(append(b[:0], prefix...), n, digits))
}

// parseHex reads what hexString wrote of a whole number.
func parseHex(s, prefix string) (uint64, bool) {
	if len(s) != len(prefix)+requestDigits || s[:len(prefix)] != prefix {
		return 0, false
	}
	n, err := strconv.ParseUint(s[len(prefix):], 16, 64)
	return n, err == nil
}
