package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"annal"
)

// CertifyClouds shows times in whole seconds.
const certifyDigits = 0

// Pages of CertifyClouds. A limit beyond these is clamped.
const certifyLimit = 100

// certifyClouds speaks CertifyClouds's /audit, which its own server mounts at
// /api/audit too: nested entries, pages by offset, a download.
func certifyClouds() Dialect {
	d := Dialect{
		Name: "certifyclouds", Bases: []string{"/audit/", "/api/audit/", "/auth/", "/api/auth/"},
		BadParam: http.StatusBadRequest, ErrorType: "application/json", Fail: certifyFail, Credential: certifyCredential,
		Audits: map[string]string{"POST /audit/entries": itself, "POST /api/audit/entries": itself},
	}
	for _, at := range []string{"", "/api"} {
		d.Routes = append(d.Routes,
			Route{"GET " + at + "/audit/entries", "audit:read", 200, pages(certifyPages(), certifyShape())},
			Route{"POST " + at + "/audit/entries", "audit:write", 200, receive(FormatCertifyClouds)},
			Route{"GET " + at + "/audit/entries/{id}", "audit:read", 200, lookUp("entry", "id", func(c *Call, e *annal.Event) { appendCertifyEntry(&c.out, e) })},
			Route{"GET " + at + "/audit/export", "audit:export", 200, certifyExport(certifyDownload())},
			Route{"POST " + at + "/auth/login", "", 200, certifyLogin},
			Route{"POST " + at + "/auth/logout", "", 200, certifyLogout},
		)
		d.Audits["POST "+at+"/auth/login"], d.Audits["POST "+at+"/auth/logout"] = eventLogin, eventLogout
	}
	return d
}

// certifyFilters are the parameters that select entries. That severity and
// search are spelled so is a guess: the original's pages have them in words.
func certifyFilters() Params {
	return Params{Begin: "start_date", End: "end_date", Names: map[string]Param{
		"start_date": filled(single(since)),
		"end_date":   filled(single(untilDay)),
		"event_type": filled(listed(eventTypes)),
		"actor":      filled(single(certifyActor)),
		"severity":   filled(listed(is(annal.SeverityLevel))),
		"search":     filled(single(words)),
	}}
}

func certifyPages() Params {
	p := certifyFilters()
	p.Limit = certifyLimit
	p.Names["limit"] = filled(single(clampedLimit))
	p.Names["offset"] = filled(single(clampedOffset))
	return p
}

// untilDay reads the last time, which is included; of a bare date, the whole
// day is.
func untilDay(a *Ask, v string) error {
	t, date, err := readTime(v)
	if err != nil {
		return err
	}
	if date {
		t = t.Add(day - 1)
	}
	a.through(t)
	return nil
}

// eventTypes matches event types, and families of them written as "rotation.*".
func eventTypes(a *Ask, values []string) error {
	var exact, families []string
	for _, v := range values {
		if family, ok := strings.CutSuffix(v, "*"); ok && strings.HasSuffix(family, ".") {
			families = append(families, family)
		} else {
			exact = append(exact, v)
		}
	}
	if families == nil {
		return is(annal.Action)(a, exact)
	}
	a.late = append(a.late, func(c *Call, a *Ask) error {
		known, more, err := c.Values(c.ctx, annal.Query{Since: a.Since, Until: a.Until}, annal.Action, annal.MaxGroups)
		if err != nil {
			return err
		}
		if more {
			return annal.Invalid("event_type", "names a family, of more than %d event types in those times; name single ones or a shorter time", annal.MaxGroups)
		}
		for _, n := range known {
			for _, family := range families {
				if strings.HasPrefix(n.Value, family) {
					exact = append(exact, n.Value)
				}
			}
		}
		if err := is(annal.Action)(a, exact); err != nil {
			return annal.Invalid("event_type", "%s", err.Error())
		}
		return nil
	})
	return nil
}

// certifySystem is the actor of what nobody asked for.
const certifySystem = "system"

// certifyActor matches an actor by name, id or address; all that the system
// does by itself has the actor "system".
func certifyActor(a *Ask, v string) error {
	fields := []annal.Field{annal.ActorID, annal.ActorName, annal.ActorEmail}
	if v == certifySystem {
		fields = append(fields, annal.ActorType)
		a.Where = append(a.Where, annal.Filter{Fields: fields, Values: []string{v}})
		return nil
	}
	if most := annal.Fields[annal.ActorID].Max; len(v) > most {
		return fmt.Errorf("must be at most %d bytes", most)
	}
	a.Where = append(a.Where, annal.Filter{Fields: fields, Values: []string{v}})
	return nil
}

// clampedLimit reads how many entries a page has, brought within 1 to MaxPage.
func clampedLimit(a *Ask, v string) error {
	n, err := brought(v, 1, annal.MaxPage)
	a.Limit = int(n)
	return err
}

// clampedOffset reads how many entries lie before the page; less than none is
// none.
func clampedOffset(a *Ask, v string) (err error) {
	a.offset, err = brought(v, 0, 1<<63)
	return err
}

// brought reads a whole number and brings it within bounds.
func brought(v string, least, most uint64) (uint64, error) {
	digits := strings.TrimLeft(v, "+-")
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case len(v)-len(digits) > 1 || err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errors.New("must be a whole number")
	case v[0] == '-':
		return least, nil
	}
	return min(max(n, least), most), nil
}

// certifyShape is the page of the list. Its envelope is a guess: the original
// shows entries only.
func certifyShape() pageShape {
	return pageShape{
		paging: []string{"limit", "offset"},
		offset: func(a *Ask) uint64 { return a.offset },
		open: func(w *writer, _ *numbered) {
			w.open('{')
			w.name("entries")
			w.open('[')
		},
		entry: func(c *Call, e *annal.Event) { appendCertifyEntry(&c.out, e) },
		close: func(w *writer, p *numbered) {
			w.close(']')
			w.uintMember("total", p.total)
			w.intMember("limit", int64(p.Limit))
			w.uintMember("offset", p.offset)
			w.close('}')
		},
	}
}

// appendCertifyEntry writes one entry.
func appendCertifyEntry(w *writer, e *annal.Event) {
	actor, resource := certifyNames(e)
	w.open('{')
	w.textMember("id", certifyID(e))
	w.timeMember("timestamp", e.Time, certifyDigits)
	w.textMember("event_type", e.Action)
	w.name("actor")
	w.open('{')
	w.textMember("type", actor.Type)
	w.textMember("id", actor.ID)
	w.textMember("name", actor.Name)
	w.close('}')
	w.name("resource")
	w.open('{')
	w.textMember("type", resource.Type)
	w.textMember("id", resource.ID)
	w.close('}')
	w.textMember("description", e.Message)
	w.name("details")
	w.raw(cmp.Or(e.Extra, "{}"))
	w.textMember("severity", e.Severity.String())
	w.textMember("ip_address", e.Source.IP)
	w.textMember("user_agent", e.Source.UserAgent)
	w.close('}')
}

func certifyID(e *annal.Event) string { return "audit-" + e.ID.UUID() }

// certifyNames are e's actor and resource with what other dialects leave out
// filled in from what they give: a name for each actor, an id for each resource.
func certifyNames(e *annal.Event) (annal.Actor, annal.Resource) {
	actor, resource := e.Actor, e.Resource
	if actor.Type == "" && actor.ID == certifySystem {
		actor.Type = certifySystem
	}
	if actor.Name == "" && actor.Type == certifySystem {
		actor.Name = certifySystem
	}
	actor.Name = cmp.Or(actor.Name, actor.Email, actor.ID)
	resource.ID = cmp.Or(resource.ID, resource.Path, resource.Name)
	return actor, resource
}

// certifyFail writes CertifyClouds's error: what kind it is in words, what is
// wrong, and a code.
func certifyFail(b []byte, f *Failure) []byte {
	detail := f.Message
	if len(f.Problems) > 0 {
		all := annal.InvalidError{Problems: f.Problems, More: f.More}
		detail = all.Error()
	}
	w := &writer{b}
	w.open('{')
	w.textMember("error", cmp.Or(http.StatusText(f.Status), "Error"))
	w.textMember("detail", detail)
	w.textMember("code", f.Code)
	w.close('}')
	return w.b
}

// CertifyCookie holds the token of a login in a browser.
const CertifyCookie = "annal_token"

// certifyCredential takes the token from the Authorization header, else from
// the cookie that a login sets.
func certifyCredential(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" {
		return header
	}
	if cookie, err := r.Cookie(CertifyCookie); err == nil && cookie.Value != "" {
		return "Bearer " + cookie.Value
	}
	return ""
}
