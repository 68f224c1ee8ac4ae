package api

import (
	"errors"
	"mime"
	"net/url"
	"unicode/utf8"

	"annal"
	"annal/internal/identity"
)

type grantBody struct {
	GrantType    string `json:"grant_type"`
	Username     string `json:"username"`
	Password     string `json:"password"`
	Provider     string `json:"provider"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
}

// grantToken signs somebody in. The tenant is the one that the request names,
// else the one that knows the name.
func grantToken(c *Call) error {
	var b grantBody
	if err := c.readGrant(&b); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	login := identity.Login{Tenant: c.loginTenant(), Remote: c.RemoteAddr}
	var g identity.Grant
	var err error
	switch b.GrantType {
	case "password":
		login.Name, login.Secret = b.Username, b.Password
		g, err = c.s.Directory.GrantPassword(c.ctx, login)
	case "client_credentials":
		login.Name, login.Secret = b.ClientID, b.ClientSecret
		g, err = c.s.Directory.GrantClient(c.ctx, login)
	default:
		g, err = c.s.Directory.GrantRefresh(b.RefreshToken, c.RemoteAddr, 0)
	}
	c.noteLogin(&b, &g, err)
	if err != nil {
		return err
	}
	w := &c.out
	w.open('{')
	w.textMember("accessToken", g.Access)
	w.textMember("tokenType", "bearer")
	w.intMember("expiresIn", int64(g.Lifetime.Seconds()))
	w.textMember("refreshToken", g.Refresh)
	w.close('}')
	return nil
}

// readGrant reads JSON, or a form as OAuth has it.
func (c *Call) readGrant(b *grantBody) error {
	mediaType, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return c.readLoose(b)
	}
	body, err := c.smallBody()
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !utf8.Valid(body) {
		return annal.Invalid("", "the body is not a form")
	}
	*b = grantBody{
		GrantType: form.Get("grant_type"), Username: form.Get("username"), Password: form.Get("password"), Provider: form.Get("provider"),
		ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"), RefreshToken: form.Get("refresh_token"),
	}
	return nil
}

// check says which members are missing.
func (b *grantBody) check() error {
	var bad annal.InvalidError
	need := func(field, value string) {
		if value == "" {
			bad.Add(-1, field, "is required")
		}
	}
	switch b.GrantType {
	case "password":
		need("username", b.Username)
		need("password", b.Password)
		if b.Provider != "" && b.Provider != "local" {
			bad.Add(-1, "provider", "unable to find authentication provider")
		}
	case "client_credentials":
		need("client_id", b.ClientID)
		need("client_secret", b.ClientSecret)
	case "refresh_token":
		need("refresh_token", b.RefreshToken)
	default:
		bad.Add(-1, "grant_type", "must be password, client_credentials or refresh_token")
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}

// noteLogin records who signed in, or tried to: a refusal has the status 0, as
// DSV has it.
func (c *Call) noteLogin(b *grantBody, g *identity.Grant, err error) {
	ch := Change{Tenant: g.Tenant, Resource: annal.Resource{Type: "token", ID: g.TokenID, Path: "token"}, New: map[string]any{"grant": b.GrantType}}
	who, home := g.Subject, ""
	switch b.GrantType {
	case "client_credentials":
		who, home = identity.KindClient+":"+b.ClientID, c.s.Directory.HomeOfClient(c.loginTenant(), b.ClientID)
		ch.Actor = annal.Actor{Type: "service_account", ID: who, Name: g.Subject}
	case "password":
		who, home = identity.Subject(identity.KindUser, b.Username), c.s.Directory.HomeOf(c.loginTenant(), b.Username)
		fallthrough
	default:
		ch.Actor = annal.Actor{Type: "user", ID: who}
	}
	if err == nil {
		ch.Message = "login succeeded"
		c.note(ch)
		return
	}
	if refusedAgain(err) {
		return
	}
	var refused interface{ AuthCode() string }
	if errors.As(err, &refused) {
		ch.ErrorCode = refused.AuthCode()
	}
	ch.Action, ch.Status, ch.Outcome, ch.Tenant, ch.Message = eventLoginFailed, NoStatus, annal.Failure, home, "user attempting login: "+who
	c.note(ch)
	var locking interface{ JustLocked() bool }
	if errors.As(err, &locking) && locking.JustLocked() {
		ch.Action, ch.Message = eventLocked, "locked after repeated failures: "+who
		c.note(ch)
	}
}
