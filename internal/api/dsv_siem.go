package api

import (
	"annal"
	"annal/internal/identity"
)

// DSV's SIEM endpoints.

func dsvSIEMs() []Route {
	routes := dsvBoth(
		Route{"POST /v1/config/siem", "audit:admin", 201, createSIEM},
		Route{"GET /v1/config/siem", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[Destination], error) {
			return c.s.Destinations.Search(tenant, q)
		}, func(w *writer, d *Destination) { appendSIEM(w, d, false) })},
	)
	return append(routes,
		Route{"GET /v1/config/siem/{name}", "audit:admin", 200, readSIEM},
		Route{"PUT /v1/config/siem/{name}", "audit:admin", 200, updateSIEM},
		Route{"DELETE /v1/config/siem/{name}", "audit:admin", 200, deleteSIEM},
	)
}

type siemBody struct {
	Kind            string `json:"siemType"`
	Name            string `json:"name"`
	Host            string `json:"host"`
	Port            *int   `json:"port"`
	Protocol        string `json:"protocol"`
	Endpoint        string `json:"endpoint"`
	Format          string `json:"loggingFormat"`
	AuthMethod      string `json:"authMethod"`
	Auth            string `json:"auth"`
	SendToEngine    bool   `json:"sendToEngine"`
	Pool            string `json:"pool"`
	AllowSelfSigned bool   `json:"allowSelfSigned"`
}

// destination reads the body; what is missing shows when it is checked, but a
// port of 0 is legal.
func (c *Call) destination() (Destination, error) {
	var b siemBody
	if err := c.readLoose(&b); err != nil {
		return Destination{}, err
	}
	if b.Port == nil {
		missing := -1
		b.Port = &missing
	}
	return Destination{
		Kind: b.Kind, Name: b.Name, Host: b.Host, Port: *b.Port, Protocol: b.Protocol, Endpoint: b.Endpoint, Format: b.Format,
		AuthMethod: b.AuthMethod, Auth: b.Auth, SendToEngine: b.SendToEngine, Pool: b.Pool, AllowSelfSigned: b.AllowSelfSigned,
	}, nil
}

func createSIEM(c *Call) error {
	d, err := c.destination()
	if err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	if d, err = c.s.Destinations.Create(c.administered(), d); err != nil {
		return dsvError(err, takenSIEM)
	}
	c.noteSIEM(nil, &d)
	appendSIEM(&c.out, &d, true)
	return nil
}

// readSIEM shows what authenticates too, as the original does. That somebody
// looked is recorded.
func readSIEM(c *Call) error {
	d, err := c.s.Destinations.Destination(c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	c.note(Change{Tenant: c.administered(), Resource: siemResource(&d)})
	appendSIEM(&c.out, &d, true)
	return nil
}

func updateSIEM(c *Call) error {
	d, err := c.destination()
	if err != nil {
		return err
	}
	d.Name = c.values[0]
	if _, err := c.s.Destinations.Destination(c.administered(), d.Name); err != nil {
		return dsvError(err, "")
	}
	before, after, err := c.s.Destinations.Update(c.administered(), d)
	if err != nil {
		return dsvError(err, "")
	}
	c.noteSIEM(&before, &after)
	appendSIEM(&c.out, &after, true)
	return nil
}

func deleteSIEM(c *Call) error {
	d, err := c.s.Destinations.Delete(c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	c.noteSIEM(&d, nil)
	return nil
}

func siemResource(d *Destination) annal.Resource {
	return annal.Resource{Type: "siem", ID: d.ID, Name: d.Name}
}

// noteSIEM records what a destination was and is, without what authenticates to
// it: only that this has changed.
func (c *Call) noteSIEM(old, is *Destination) {
	ch := Change{Tenant: c.administered()}
	if old != nil {
		ch.Resource, ch.Old = siemResource(old), siemFacts(old)
	}
	if is != nil {
		facts := siemFacts(is)
		facts["credential_changed"] = old == nil || old.Auth != is.Auth
		ch.Resource, ch.New = siemResource(is), facts
	}
	c.note(ch)
}

func siemFacts(d *Destination) map[string]any {
	return map[string]any{
		"kind": d.Kind, "host": d.Host, "port": d.Port, "protocol": d.Protocol, "endpoint": d.Endpoint, "format": d.Format,
		"send_to_engine": d.SendToEngine, "pool": d.Pool, "allow_self_signed": d.AllowSelfSigned,
	}
}

func appendSIEM(w *writer, d *Destination, whole bool) {
	w.open('{')
	w.textMember("id", d.ID)
	w.textMember("siemType", d.Kind)
	w.textMember("name", d.Name)
	w.textMember("host", d.Host)
	w.intMember("port", int64(d.Port))
	w.textMember("protocol", d.Protocol)
	w.textMember("endpoint", d.Endpoint)
	w.textMember("loggingFormat", d.Format)
	w.textMember("authMethod", d.AuthMethod)
	if whole {
		w.textMember("auth", d.Auth)
	}
	w.boolMember("sendToEngine", d.SendToEngine)
	w.textMember("pool", d.Pool)
	w.boolMember("allowSelfSigned", d.AllowSelfSigned)
	w.boolMember("failed", d.Failed)
	w.intMember("failedEvents", int64(d.FailedEvents))
	w.close('}')
}
