package ingest

import (
	"strconv"
	"strings"

	"annal"
	"annal/internal/strictjson"
)

// k8sSource reads events of audit.k8s.io/v1. The stages of a request share an
// auditID and become one event, that of the last stage.
type k8sSource struct {
	d       *decoder
	waiting *window[*original]
}

func newK8sSource(d *decoder) *k8sSource { return &k8sSource{d: d, waiting: newWindow[*original]()} }

// Stages after which none follows.
const (
	stageComplete = "ResponseComplete"
	stagePanic    = "Panic"
)

func (s *k8sSource) record(raw []byte) error {
	v, err := parseOriginal(raw)
	if err != nil {
		return err
	}
	id, stage := v.Str("auditID"), v.Str("stage")
	if id == "" {
		return annal.Invalid("auditID", "is required")
	}
	s.waiting.take(id)
	o := &original{raw: raw, value: v}
	if stage == stageComplete || stage == stagePanic {
		return s.event(o)
	}
	s.waiting.hold(id, o, len(raw))
	return s.drain(false)
}

func (s *k8sSource) flush() error { return s.drain(true) }

func (s *k8sSource) drain(all bool) error {
	for {
		o, ok := s.waiting.overflow(all)
		if !ok {
			return nil
		}
		if err := s.event(o); err != nil {
			return err
		}
	}
}

func (s *k8sSource) event(o *original) error {
	v := &o.value
	e := annal.Event{
		EventID:   stableID(v.Str("auditID"), k8sSuffix(v.Str("stage")), o.raw),
		Action:    v.Str("verb"),
		ErrorCode: v.Str("responseStatus", "reason"),
		Message:   v.Str("responseStatus", "message"),
		Source:    annal.Source{IP: lastText(v.Get("sourceIPs")), UserAgent: v.Str("userAgent")},
		Request:   annal.Request{ID: v.Str("auditID")},
	}
	if e.Action == "" {
		e.Action = otherAction
	}
	k8sTimes(&e, v)
	e.Actor, e.Behalf = k8sActor(v.Get("user")), k8sActor(v.Get("impersonatedUser"))
	if e.Actor.ID == "" {
		e.Actor.ID = nobody
	}
	k8sResource(&e, v)
	k8sOutcome(&e, v)
	return s.d.finish(&e, k8sSecrets(v), *o)
}

// k8sSuffix tells a stage that was not the last from the event of the whole
// request, which may be loaded later.
func k8sSuffix(stage string) string {
	if stage == stageComplete || stage == stagePanic {
		return ""
	}
	return "-" + stage
}

func k8sTimes(e *annal.Event, v *strictjson.Value) {
	e.Time = timeOf(v, "requestReceivedTimestamp")
	end := timeOf(v, "stageTimestamp")
	switch {
	case e.Time.IsZero() && end.IsZero():
		e.Untimed = true
	case e.Time.IsZero():
		e.Time = end
	case !end.IsZero():
		e.Request.Duration = plausible(end.Sub(e.Time))
	}
}

// lastText returns the last text of an array. Of the addresses that a request
// came through, the last is the one that the server saw itself; those before
// it are what the client claims.
func lastText(v *strictjson.Value) string {
	if v == nil || v.Kind != strictjson.Array || len(v.Items) == 0 {
		return ""
	}
	return v.Items[len(v.Items)-1].Text
}

func k8sActor(v *strictjson.Value) annal.Actor {
	id := v.Str("username")
	a := annal.Actor{ID: id}
	switch {
	case id == "":
	case strings.HasPrefix(id, "system:serviceaccount:"):
		a.Type = "service_account"
	case strings.HasPrefix(id, "system:"):
		a.Type = "system"
	default:
		a.Type = "user"
	}
	return a
}

// k8sResource names the object as namespace/resource/name/subresource; a request
// for none has the path of its URL.
func k8sResource(e *annal.Event, v *strictjson.Value) {
	ref := v.Get("objectRef")
	if ref.Str("resource") == "" {
		e.Resource.Type = "url"
		e.Resource.Path, _, _ = strings.Cut(v.Str("requestURI"), "?")
		return
	}
	var path []string
	for _, name := range []string{"namespace", "resource", "name", "subresource"} {
		if s := ref.Str(name); s != "" {
			path = append(path, s)
		}
	}
	e.Resource = annal.Resource{Type: ref.Str("resource"), ID: ref.Str("uid"), Name: ref.Str("name"), Path: strings.Join(path, "/")}
	if sub := ref.Str("subresource"); sub != "" {
		e.Resource.Type += "/" + sub
	}
}

// k8sOutcome applies the rules for outcomes: 401 and 403 are denials, further
// codes from 400 on failures; without a code the end is unknown.
func k8sOutcome(e *annal.Event, v *strictjson.Value) {
	code := v.Get("responseStatus", "code")
	if code == nil || code.Kind != strictjson.Number {
		e.Outcome = annal.Error
		return
	}
	if n, err := strconv.ParseInt(code.Text, 10, 32); err == nil {
		e.Request.Status = int32(n)
	}
	e.Outcome = guessOutcome(e.Request.Status, "")
	if e.Outcome == annal.Success {
		e.ErrorCode, e.Message = "", ""
	}
}

// k8sSecrets removes the values of Secret objects, which no member name
// announces, and returns the flags that say so.
func k8sSecrets(v *strictjson.Value) []string {
	if v.Str("objectRef", "resource") != "secrets" {
		return nil
	}
	var flags []string
	for _, name := range []string{"requestObject", "responseObject"} {
		if o := v.Get(name); o != nil {
			flags = k8sSecret(o, "extra."+name, flags)
		}
	}
	return flags
}

// lastApplied is the annotation in which kubectl keeps the object it applied.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// k8sSecret removes the values of a Secret, of a list of them, or of a patch.
func k8sSecret(o *strictjson.Value, path string, flags []string) []string {
	for i := range o.Items { // a JSON patch
		flags = blank(o.Items[i].Get("value"), path+"["+strconv.Itoa(i)+"].value", flags)
	}
	for _, name := range []string{"data", "stringData"} {
		flags = blank(o.Get(name), path+"."+name, flags)
	}
	flags = blank(o.Get("metadata", "annotations", lastApplied), path+".metadata.annotations."+lastApplied, flags)
	if items := o.Get("items"); items != nil {
		for i := range items.Items {
			flags = k8sSecret(&items.Items[i], path+".items["+strconv.Itoa(i)+"]", flags)
		}
	}
	return flags
}

// blank removes every text and number at and below v.
func blank(v *strictjson.Value, path string, flags []string) []string {
	if v == nil {
		return flags
	}
	switch v.Kind {
	case strictjson.String, strictjson.Number:
		if v.Text == "" || strings.HasPrefix(v.Text, redactedMark) {
			return flags
		}
		*v = strictjson.Text(kindSecret.mark())
		return append(flags, annal.FlagRedacted+cutText(path, maxFlagPath))
	case strictjson.Array:
		for i := range v.Items {
			flags = blank(&v.Items[i], path+"["+strconv.Itoa(i)+"]", flags)
		}
	case strictjson.Object:
		for i := range v.Members {
			flags = blank(&v.Members[i].Value, path+"."+v.Members[i].Name, flags)
		}
	}
	return flags
}
