package ingest

import (
	"strings"

	"annal"
	"annal/internal/strictjson"
)

// dsvItemID is the member of extra that keeps a principal's own id.
const dsvItemID = "principalItemId"

// dsvForm is a record as DSV shows it. Its action is a method of HTTP, from which
// and from the path annal's own action follows.
func dsvForm() *form {
	return &form{settle: settleDSV, members: map[string]formMember{
		"id":         givenAnew(),
		"tenant":     textOf(annal.Tenant),
		"tenantName": givenAnew(), // follows from the tenant
		"principal":  textOf(annal.ActorID),
		dsvItemID: {read: func(p *parser, said *entry, name string) {
			if text, ok := p.r.Text(); ok {
				said.item = text
			} else {
				p.expect(strictjson.String, name)
			}
		}},
		"action":    textOf(annal.Action),
		"status":    {read: readDSVStatus},
		"path":      textOf(annal.ResourcePath),
		"ipaddress": textOf(annal.SourceIP),
		"created":   timeIn(),
		"message":   textOf(annal.Message),
	}}
}

// readDSVStatus reads the status; 0 is that of a failure without one.
func readDSVStatus(p *parser, _ *entry, name string) {
	if p.r.Peek() != strictjson.Number {
		p.expect(strictjson.Number, name)
		return
	}
	p.status(name)
	p.given.outcome = true
	if p.e.Outcome = guessOutcome(p.e.Request.Status, ""); p.e.Request.Status == 0 {
		p.e.Outcome = annal.Failure
	}
}

func settleDSV(p *parser, said *entry) {
	e := p.e
	if said.item != "" {
		item := strictjson.Value{Kind: strictjson.Object}
		item.Add(dsvItemID, strictjson.Value{Kind: strictjson.String, Text: said.item})
		said.extraData = string(item.AppendCanonical(nil))
	}
	if isMethod(e.Action) {
		e.Request.Method, e.Action = e.Action, guessDeed(e.Action, e.Resource.Path, e.Outcome)
		p.texts |= 1 << annal.Method
	}
}

// isMethod reports whether s is a method of HTTP that DSV logs.
func isMethod(s string) bool {
	switch s {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE":
		return true
	}
	return false
}

// guessDeed names what a method does to a path in the words that annal's own
// events and the other dialects have for it. Paths without such words are taken
// for those of secrets.
func guessDeed(method, path string, outcome annal.Outcome) string {
	family, rest, _ := strings.Cut(path, ":")
	if family == "config" && rest != "" {
		family, rest, _ = strings.Cut(rest, ":")
	}
	noun := map[string]string{
		"users": "user", "groups": "group", "roles": "role", "clients": "client", "engines": "engine", "pools": "pool",
		"siem": "siem", "policies": "policy", "auth": "auth_provider", "config": "settings",
	}[family]
	switch {
	case family == "token" && method == "POST" && outcome == annal.Success:
		return "auth.login.success"
	case family == "token" && method == "POST":
		return "auth.login.failed"
	case noun == "":
		return secretDeed(method, rest)
	case family == "config" && method == "GET":
		return "settings.read"
	}
	return noun + "." + settingDeed(method, rest)
}

// secretDeed is what a method does to a secret, in ScaiVault's words.
func secretDeed(method, rest string) string {
	switch {
	case method == "GET" && rest == "":
		return "list"
	case method == "GET", method == "HEAD":
		return "read"
	case method == "DELETE":
		return "delete"
	}
	return "write"
}

// settingDeed is what a method does to a user, a policy and the like; rest is
// the path behind its kind.
func settingDeed(method, rest string) string {
	switch {
	case strings.HasSuffix(rest, ":members") && method == "POST":
		return "member_added"
	case strings.HasSuffix(rest, ":members") && method == "DELETE":
		return "member_removed"
	case strings.HasSuffix(rest, ":restore"):
		return "restored"
	case strings.Contains(rest, ":rollback:"):
		return "rolled_back"
	case method == "GET" && rest == "":
		return "listed"
	case method == "GET", method == "HEAD":
		return "read"
	case method == "POST":
		return "created"
	case method == "DELETE":
		return "deleted"
	}
	return "updated"
}
