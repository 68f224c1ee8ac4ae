package api

import (
	"cmp"
	"errors"

	"github.com/go-json-experiment/json"

	"annal"
	"annal/internal/identity"
)

// maxSmallBody bounds the bodies of requests that are not events.
const maxSmallBody = 64 << 10

// tokenBody is what POST /v1/tokens takes.
type tokenBody struct {
	ID      string   `json:"id"` // ignored: the server chooses it
	Subject string   `json:"subject"`
	Tenant  string   `json:"tenant"`
	Partner string   `json:"partner"`
	Scopes  []string `json:"scopes"`
	Expires string   `json:"expires"` // ISO 8601; "": never

	Standing identity.Standing `json:"standing"`
}

// createToken makes a token and shows its secret, once.
func createToken(c *Call) error {
	var body tokenBody
	if err := c.readSmall(&body); err != nil {
		return err
	}
	spec := TokenSpec{Subject: body.Subject, Tenant: body.Tenant, Partner: body.Partner, Scopes: body.Scopes, Standing: body.Standing}
	if body.Expires != "" {
		t, _, err := readTime(body.Expires)
		if err != nil {
			return bodyError{annal.Invalid("expires", "%s", err.Error())}
		}
		spec.Expires = t
	}
	t, secret, err := c.s.Auth.CreateToken(&c.Caller, spec)
	if err != nil {
		return asBodyError(err)
	}
	c.note(Change{Tenant: t.concerns(), Resource: tokenResource(&t), New: t.facts()})
	c.showToken(&t, secret)
	return nil
}

// listTokens shows the tokens that the caller may manage.
func listTokens(c *Call) error {
	tokens, err := c.s.Auth.Tokens(&c.Caller)
	if err != nil {
		return err
	}
	c.out.open('{')
	c.out.name("tokens")
	c.out.open('[')
	for i := range tokens {
		c.showToken(&tokens[i], "")
	}
	c.out.close(']')
	c.out.close('}')
	return nil
}

// revokeToken ends a token.
func revokeToken(c *Call) error {
	t, err := c.s.Auth.RevokeToken(&c.Caller, c.PathValue("id"))
	if err != nil {
		return asNotFound(err, "token")
	}
	c.note(Change{Tenant: t.concerns(), Resource: tokenResource(&t), Old: t.facts()})
	c.showToken(&t, "")
	return nil
}

// concerns is whose log a token is an event of: one that is no tenant's reaches
// further than any of them.
func (t *Token) concerns() string { return cmp.Or(t.Tenant, OwnTenant) }

func tokenResource(t *Token) annal.Resource {
	return annal.Resource{Type: "token", ID: t.ID, Path: "tokens:" + t.ID, Name: t.Subject}
}

// facts is what an event says of a token.
func (t *Token) facts() map[string]any {
	facts := map[string]any{"subject": t.Subject, "scopes": t.Scopes}
	for name, v := range map[string]string{"tenant": t.Tenant, "partner": t.Partner, "standing": string(t.Standing)} {
		if v != "" {
			facts[name] = v
		}
	}
	if !t.Expires.IsZero() {
		facts["expires"] = annal.FormatTime(t.Expires, 0)
	}
	return facts
}

func (c *Call) showToken(t *Token, secret string) {
	w := &c.out
	w.open('{')
	w.textMember("id", t.ID)
	w.given("token", secret)
	w.textMember("subject", t.Subject)
	w.given("tenant", t.Tenant)
	w.given("partner", t.Partner)
	w.name("scopes")
	w.open('[')
	for _, scope := range t.Scopes {
		w.text(scope)
	}
	w.close(']')
	w.timeMember("created", t.Created, 6)
	w.timeMember("expires", t.Expires, 6)
	w.timeMember("revoked", t.Revoked, 6)
	w.timeMember("last_used", t.LastUsed, 0)
	w.given("standing", string(t.Standing))
	w.close('}')
}

// readSmall reads a JSON body into v, strictly.
func (c *Call) readSmall(v any) error {
	if err := checkMediaType(c.Header.Get("Content-Type")); err != nil {
		return err
	}
	b, err := c.smallBody()
	if err != nil {
		return err
	}
	err = json.Unmarshal(b, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	bad := annal.Invalid("", "the body is not the JSON object that is expected here")
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && semantic.JSONPointer != "" {
		bad = annal.Invalid(shortened(string(semantic.JSONPointer[1:])), "is not a member here, or not of this type")
	}
	return bodyError{bad}
}
