package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"annal"
)

// dsvDigits is the precision of DSV's times: always nanoseconds.
const dsvDigits = 9

// dsvLimit is how many records a page has when no number is given.
const dsvLimit = 25

// dsv speaks the API of Delinea's DevOps Secrets Vault: the audit log and the
// little of its administration that reading it needs. Its client sends the
// token alone, its SDK as a Bearer.
func dsv() Dialect {
	page := dsvParams()
	bounds := map[string]Param{"startDate": page.Names["startDate"], "endDate": page.Names["endDate"]}
	download := Params{Begin: page.Begin, End: page.End, Required: []string{"startDate", "endDate"}, Names: bounds}
	return Dialect{
		Name: "dsv",
		Bases: []string{
			"/v1/download/", "/v1/token/", "/v1/heartbeat/", "/v1/config/", "/v1/users/", "/v1/groups/", "/v1/roles/", "/v1/clients/",
		},
		BadParam: http.StatusBadRequest, ErrorType: "application/json", Fail: dsvFail, Credential: bareOrBearer,
		Audits: dsvAudits(),
		Routes: slices.Concat([]Route{
			{"GET /v1/audit", "audit:read", 200, list(page, showDsvPage)},
			{"POST /v1/audit", "audit:write", 200, receive(FormatDSV)},
			{"GET /v1/download/audit", "audit:read", 200, archive(download, "audit", dsvRecords)},
			{"GET /v1/heartbeat", "", 200, heartbeat},
			{"POST /v1/token", "", 200, grantToken},
		}, ofOneTenant(slices.Concat(dsvPeople(), dsvPolicies(), dsvSIEMs()))),
	}
}

// dsvAudits names the event that each route leaves. As in DSV's catalogue, who
// reads accounts, policies and SIEMs is recorded too.
func dsvAudits() map[string]string {
	audits := map[string]string{
		"POST /v1/audit": itself,
		"POST /v1/token": eventLogin,

		"GET /v1/users/{name}": "user.read", "PUT /v1/users/{name}": "user.updated", "DELETE /v1/users/{name}": "user.deleted",
		"GET /v1/users/{name}/groups": "user.groups_read",
		"GET /v1/groups/{name}":       "group.read", "DELETE /v1/groups/{name}": "group.deleted",
		"POST /v1/groups/{name}/members": "group.member_added", "DELETE /v1/groups/{name}/members": "group.member_removed",
		"GET /v1/roles/{name}": "role.read", "PUT /v1/roles/{name}": "role.updated", "DELETE /v1/roles/{name}": "role.deleted",
		"GET /v1/clients/{id}": "client.read", "DELETE /v1/clients/{id}": "client.deleted",

		"GET /v1/config/policies/{path...}": "policy.read", "PUT /v1/config/policies/{path...}": "policy.updated",
		"DELETE /v1/config/policies/{path...}":              "policy.deleted",
		"GET /v1/config/policies/{path}/version/{version}":  "policy.read",
		"PUT /v1/config/policies/{path}/rollback/{version}": "policy.rolled_back",
		"PUT /v1/config/policies/{path}/restore":            "policy.restored",
		"GET /v1/config/policies/{path}/restore":            "policy.restored",

		"GET /v1/config/siem/{name}": "siem.read", "PUT /v1/config/siem/{name}": "siem.updated", "DELETE /v1/config/siem/{name}": "siem.deleted",
	}
	for path, thing := range map[string]string{
		"users": "user", "groups": "group", "roles": "role", "clients": "client", "config/policies": "policy", "config/siem": "siem",
	} {
		for _, end := range []string{"", "/"} {
			audits["POST /v1/"+path+end], audits["GET /v1/"+path+end] = thing+".created", thing+".listed"
		}
	}
	return audits
}

func dsvParams() Params {
	return Params{Limit: dsvLimit, Count: true, Begin: "startDate", End: "endDate", Names: map[string]Param{
		"startDate": filled(single(since)),
		"endDate":   filled(single(untilMidnight)),
		"action":    filled(oneValue(is(annal.Method, annal.Action))),
		"principal": filled(single(dsvPrincipal)),
		"path":      filled(single(dsvPath)),
		"limit":     filled(clamped(annal.MaxPage)),
		"cursor":    filled(single(cursor)),
		"sort":      filled(single(order)),
	}}
}

// bareOrBearer takes the Authorization header as DSV's clients send it: a token
// with or without its scheme.
func bareOrBearer(r *http.Request) string {
	header := strings.Trim(r.Header.Get("Authorization"), " ")
	if header == "" || strings.Contains(header, " ") {
		return header
	}
	return "Bearer " + header
}

// untilMidnight reads the end: a bare date is its midnight, exclusive; a
// date-time is included.
func untilMidnight(a *Ask, v string) error {
	t, date, err := readTime(v)
	switch {
	case err != nil:
		return err
	case !date:
		a.through(t)
	case t.IsZero(): // to a Query, that is no end; nothing is before either
		a.Until = t.Add(-1)
	default:
		a.Until = t
	}
	return nil
}

// clamped reads how many records a page has, and takes what is beyond 1 to most
// for the nearest that is allowed.
func clamped(most int) Param {
	return single(func(a *Ask, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return errors.New("must be a whole number")
		}
		a.Limit = int(min(max(n, 1), int64(most)))
		return nil
	})
}

// The families of principals, by the types of actors that belong to them. An
// actor of any other type is a user.
var dsvFamilies = [...]struct {
	prefix string
	types  []string
}{
	{"clients:", []string{"client", "service_account", "service", "application"}},
	{"groups:", []string{"group"}},
	{"system:", []string{"system"}},
}

// dsvUsers is the family of all other types.
const dsvUsers = "users:"

// appendDsvPrincipal names the actor: verbatim when the id has a colon, else
// behind its family.
func appendDsvPrincipal(b []byte, a *annal.Actor) []byte {
	if strings.IndexByte(a.ID, ':') < 0 {
		b = append(b, dsvFamily(a.Type)...)
	}
	return append(b, a.ID...)
}

func dsvFamily(actorType string) string {
	for i := range dsvFamilies {
		for _, t := range dsvFamilies[i].types {
			if t == actorType {
				return dsvFamilies[i].prefix
			}
		}
	}
	return dsvUsers
}

// dsvPrincipal selects what is shown under a principal. One without a family is
// compared with the actor's id as it is: a guess, the original does not say.
func dsvPrincipal(a *Ask, v string) error {
	family, id, ok := strings.Cut(v, ":")
	family += ":"
	known, others := family == dsvUsers, []string(nil)
	var own []string
	for i := range dsvFamilies {
		others = append(others, dsvFamilies[i].types...)
		if dsvFamilies[i].prefix == family {
			known, own = true, dsvFamilies[i].types
		}
	}
	if !ok || !known || id == "" || strings.IndexByte(id, ':') >= 0 {
		return is(annal.ActorID)(a, []string{v})
	}
	if err := is(annal.ActorID)(a, []string{v, id}); err != nil {
		return err
	}
	if own == nil {
		return isNot(annal.ActorType)(a, others)
	}
	// The filter above leaves v itself and id; this one leaves v whatever its
	// type, and id when its type is of the family. An id that is spelled like
	// one of those types passes whatever its type is.
	values := slices.Sorted(slices.Values(append([]string{v}, own...)))
	a.Where = append(a.Where, annal.Filter{Fields: []annal.Field{annal.ActorID, annal.ActorType}, Values: values})
	return nil
}

// dsvPath selects a path and all below it, however its segments are parted.
func dsvPath(a *Ask, v string) error {
	return under(annal.ResourcePath)(a, []string{v, strings.ReplaceAll(v, ":", "/"), strings.ReplaceAll(v, "/", ":")})
}

// appendDsvPath shows slashes as colons, unless there are colons already.
func appendDsvPath(w *writer, path string) {
	if strings.IndexByte(path, ':') < 0 {
		path = strings.ReplaceAll(path, "/", ":")
	}
	w.text(path)
}

// dsvStatus is the HTTP status that a record shows. Events that came without
// one show what their outcome would have been; 0 is a failure without a status,
// such as a login that was refused.
func dsvStatus(e *annal.Event) int64 {
	switch {
	case e.Request.Status != 0:
		return int64(e.Request.Status)
	case e.Outcome == annal.Success:
		return http.StatusOK
	case e.Outcome == annal.Denied:
		return http.StatusForbidden
	}
	return 0
}

// dsvAction is what was done, in the terms of HTTP where they are known.
func dsvAction(e *annal.Event) string {
	if e.Request.Method != "" {
		return e.Request.Method
	}
	return e.Action
}

// dsvItemID is the member of extra that keeps a principal's own id.
const dsvItemID = "principalItemId"

// appendDsvRecord writes one record.
func (s *server) appendDsvRecord(w *writer, e *annal.Event) {
	w.open('{')
	w.textMember("id", e.ID.UUID())
	w.textMember("tenant", e.Tenant)
	w.textMember("tenantName", s.TenantName(e.Tenant))
	w.textMember("principal", string(appendDsvPrincipal(nil, &e.Actor)))
	w.textMember("principalItemId", extraText(e.Extra, dsvItemID))
	w.textMember("action", dsvAction(e))
	w.intMember("status", dsvStatus(e))
	w.name("path")
	appendDsvPath(w, e.Resource.Path)
	w.textMember("ipaddress", e.Source.IP)
	w.timeMember("created", e.Time, dsvDigits)
	w.textMember("message", e.Message)
	w.close('}')
}

func showDsvPage(c *Call, q *annal.Query, page *annal.Page) {
	w := &c.out
	w.open('{')
	w.name("cursor")
	w.b = append(w.b, '"')
	if page.Next != nil {
		w.b = c.s.appendCursor(w.b, q, page)
	}
	w.b = append(w.b, '"')
	w.name("data")
	w.open('[')
	for i := range page.Events {
		c.s.appendDsvRecord(w, &page.Events[i])
	}
	w.close(']')
	w.intMember("length", int64(len(page.Events)))
	w.intMember("limit", int64(q.Limit))
	w.uintMember("totalItems", page.Total)
	w.close('}')
}

// dsvRecords spells a download: one JSON array.
func dsvRecords(s *server) encoding {
	record, part := &writer{}, "\n"
	return encoding{
		mediaType: "application/zip",
		begin:     func(b []byte) []byte { return append(b, '[') },
		add: func(b []byte, e *annal.Event) []byte {
			record.b = record.b[:0]
			s.appendDsvRecord(record, e)
			b = append(append(b, part...), record.b...)
			part = ",\n"
			return b
		},
		end: func(b []byte) []byte { return append(b, "\n]\n"...) },
	}
}

// heartbeat says that the server is there, for the client's first contact.
func heartbeat(c *Call) error {
	c.out.open('{')
	c.out.intMember("StatusCode", 1)
	c.out.textMember("Message", "ok")
	c.out.close('}')
	return nil
}

// dsvFail writes DSV's error: the fields that were wrong, each with its
// problems. It is never empty, which would confuse the client.
func dsvFail(b []byte, f *Failure) []byte {
	w := &writer{b}
	w.open('{')
	w.intMember("code", int64(f.Status))
	w.textMember("message", f.Message)
	w.name("errors")
	w.open('{')
	var written []string
	for i := range f.Problems {
		field := scaiField(&f.Problems[i])
		if slices.Contains(written, field) {
			continue
		}
		written = append(written, field)
		w.key(field)
		w.open('[')
		for j := i; j < len(f.Problems); j++ {
			if scaiField(&f.Problems[j]) == field {
				w.text(f.Problems[j].Problem)
			}
		}
		w.close(']')
	}
	w.close('}')
	w.close('}')
	return w.b
}
