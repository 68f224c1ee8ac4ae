package ingest

import (
	"strings"
	"time"

	"annal"
	"annal/internal/strictjson"
)

// otherAction is the action of records that name none.
const otherAction = "other"

// nobody is the actor of records that name none.
const nobody = "anonymous"

// vaultSource reads the audit log of HashiCorp Vault and OpenBao. A request
// line and a response line with the same request.id make one event; lines
// without such an id are one each.
type vaultSource struct {
	d       *decoder
	waiting *window[vaultPair]
}

// A vaultPair is a request, its response, or both.
type vaultPair struct{ request, response *original }

func newVaultSource(d *decoder) *vaultSource {
	return &vaultSource{d: d, waiting: newWindow[vaultPair]()}
}

func (s *vaultSource) record(raw []byte) error {
	v, err := parseOriginal(raw)
	if err != nil {
		return err
	}
	o := &original{raw: raw, value: v}
	var p vaultPair
	switch v.Str("type") {
	case "request":
		o.name, p.request = "request_entry", o
	case "response":
		o.name, p.response = "response_entry", o
	default:
		return annal.Invalid("type", "must be request or response")
	}
	id := v.Str("request", "id")
	if id == "" {
		return s.event(p)
	}
	first, ok := s.waiting.take(id)
	switch {
	case !ok:
		s.waiting.hold(id, p, len(raw))
		return s.drain(false)
	case first.request != nil && p.response != nil:
		p.request = first.request
	case first.response != nil && p.request != nil:
		p.response = first.response
	default: // the same line again: the later one counts
		s.waiting.hold(id, p, len(raw))
		return nil
	}
	return s.event(p)
}

func (s *vaultSource) flush() error { return s.drain(true) }

func (s *vaultSource) drain(all bool) error {
	for {
		p, ok := s.waiting.overflow(all)
		if !ok {
			return nil
		}
		if err := s.event(p); err != nil {
			return err
		}
	}
}

// event emits what a pair says. The response knows more than the request.
func (s *vaultSource) event(p vaultPair) error {
	var list []original
	var raw [][]byte
	for _, o := range []*original{p.request, p.response} {
		if o != nil {
			list = append(list, *o)
			raw = append(raw, o.raw)
		}
	}
	v := &list[len(list)-1].value
	id := v.Str("request", "id")
	e := annal.Event{
		EventID:  stableID(id, vaultSuffix(id, p), raw...),
		Action:   v.Str("request", "operation"),
		Resource: annal.Resource{Type: v.Str("request", "mount_type"), Path: v.Str("request", "namespace", "path") + v.Str("request", "path")},
		Source:   annal.Source{IP: v.Str("request", "remote_address"), UserAgent: firstText(v.Get("request", "headers", "user-agent"))},
		Request:  annal.Request{ID: id},
	}
	if e.Action == "" {
		e.Action = otherAction
	}
	vaultTimes(&e, list)
	vaultActor(&e, p)
	vaultOutcome(&e, p)
	return s.d.finish(&e, nil, list...)
}

// vaultSuffix tells the halves of a pair that were not joined from the event of
// the whole, which may be loaded later.
func vaultSuffix(id string, p vaultPair) string {
	switch {
	case id == "" || p.request != nil && p.response != nil:
		return ""
	case p.request != nil:
		return "-request"
	}
	return "-response"
}

// vaultTimes takes the first line's time for the event's and the way to the
// second for its duration.
func vaultTimes(e *annal.Event, list []original) {
	e.Time = timeOf(&list[0].value, "time")
	if e.Time.IsZero() {
		e.Untimed = true
		return
	}
	if last := timeOf(&list[len(list)-1].value, "time"); !last.IsZero() {
		e.Request.Duration = plausible(last.Sub(e.Time))
	}
}

// timeOf returns the time that names lead to, or zero.
func timeOf(v *strictjson.Value, names ...string) time.Time {
	t, _, _ := annal.ParseTime(v.Str(names...))
	return t
}

// plausible returns d where it can be how long a request took, else 0.
func plausible(d time.Duration) time.Duration {
	if d < 0 || d > annal.MaxDuration {
		return 0
	}
	return d
}

// firstText returns a text, or the first one of an array.
func firstText(v *strictjson.Value) string {
	if v != nil && v.Kind == strictjson.Array && len(v.Items) > 0 {
		v = &v.Items[0]
	}
	if v == nil || v.Kind != strictjson.String {
		return ""
	}
	return v.Text
}

// vaultActor finds who acted: who was authenticated, else who has just logged
// in. Many actors share the display names "approle" and "token"; their role,
// entity or accessor tells them apart.
func vaultActor(e *annal.Event, p vaultPair) {
	var auth *strictjson.Value
	for _, o := range []*original{p.response, p.request} {
		if o == nil {
			continue
		}
		for _, a := range []*strictjson.Value{o.value.Get("auth"), o.value.Get("response", "auth")} {
			if auth == nil && (a.Str("display_name") != "" || a.Str("entity_id") != "") {
				auth = a
			}
		}
	}
	e.Actor = annal.Actor{ID: nobody}
	if auth == nil {
		return
	}
	name := auth.Str("display_name")
	e.Actor.Name, e.Actor.ID, e.Session = name, name, auth.Str("accessor")
	e.Actor.Type = vaultActorType(name)
	if role := auth.Str("metadata", "role_name"); name == "approle" && role != "" {
		e.Actor.ID = name + ":" + role
		return
	}
	if name == "" || name == "approle" || name == "token" {
		for _, id := range []string{auth.Str("entity_id"), auth.Str("accessor")} {
			if id != "" {
				e.Actor.ID = strings.TrimPrefix(name+":"+id, ":")
				return
			}
		}
	}
}

// vaultActorType guesses from the login method, with which display names
// begin, whether a person or a program acts.
func vaultActorType(display string) string {
	method, _, _ := strings.Cut(display, "-")
	switch method {
	case "userpass", "ldap", "oidc", "okta", "github", "radius", "saml":
		return "user"
	case "approle", "kubernetes", "aws", "gcp", "azure", "alicloud", "oci", "cf", "cert", "jwt":
		return "service_account"
	}
	return ""
}

// vaultOutcome applies the rules for outcomes: the error of either line decides,
// then that of the response's data; a request that was never answered and has
// no error may have done anything.
func vaultOutcome(e *annal.Event, p vaultPair) {
	var text string
	var data *strictjson.Value
	for _, o := range []*original{p.request, p.response} {
		if o == nil {
			continue
		}
		if s := o.value.Str("error"); s != "" {
			text = s
		}
		data = o.value.Get("response", "data", "error")
	}
	switch {
	case strings.Contains(text, "permission denied"):
		e.Outcome = annal.Denied
	case text != "" || data != nil && data.Kind != strictjson.Null:
		e.Outcome = annal.Failure
	case p.response == nil:
		e.Outcome = annal.Error
	}
	e.Message = strings.TrimSpace(text)
	e.ErrorCode = vaultErrorCode(text)
}

// vaultErrorCode returns the first of the errors that Vault lists as
// "1 error occurred:\n\t* permission denied\n\n", or the plain text.
func vaultErrorCode(text string) string {
	if _, list, ok := strings.Cut(text, "\n\t* "); ok {
		text, _, _ = strings.Cut(list, "\n")
	}
	return cutText(strings.TrimSpace(text), annal.Fields[annal.ErrorCode].Max)
}
