package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"annal"
	"annal/internal/identity"
)

// certifySession is how long a login of CertifyClouds lasts.
const certifySession = 8 * time.Hour

// A PasswordAuth signs people in by name and password.
type PasswordAuth interface {
	// GrantPassword signs a user in. Its refusals have a method AuthCode()
	// string; those that ask to wait have RetryAfter() time.Duration too.
	GrantPassword(ctx context.Context, l identity.Login) (identity.Grant, error)
	// EndSession voids a refresh token and all that follow from its login.
	EndSession(refresh string) error
	// EndToken voids the token of a login before it expires; other tokens stay.
	EndToken(header string) error
	// HomeOf returns the tenant that a login concerns: the named one if there is
	// such a tenant, else the only one that knows the user, or "".
	HomeOf(tenant, user string) string
}

// Events of signing in and out, as CertifyClouds names them.
const (
	eventLogin       = "auth.login.success"
	eventLoginFailed = "auth.login.failed"
	eventLogout      = "auth.logout"
	eventLocked      = "auth.account.locked"
)

// certifyLoginBody is what POST /auth/login takes.
type certifyLoginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// certifyLogin signs a user in: the answer carries the token, and a cookie that
// scripts cannot read brings it along from browsers.
func certifyLogin(c *Call) error {
	var body certifyLoginBody
	if err := c.readSmall(&body); err != nil {
		return err
	}
	if body.Username == "" || body.Password == "" {
		return annal.Invalid("", "username and password are required")
	}
	grant, err := c.s.Auth.GrantPassword(c.ctx, identity.Login{
		Tenant: c.loginTenant(), Name: body.Username, Secret: body.Password, Remote: c.RemoteAddr, Lifetime: certifySession,
	})
	who := annal.Actor{Type: "user", ID: identity.KindUser + ":" + strings.TrimPrefix(strings.ToLower(body.Username), identity.KindUser+":"), Name: body.Username}
	if err != nil {
		c.noteFailedLogin(c.s.Auth.HomeOf(c.loginTenant(), body.Username), who, err)
		return err
	}
	// Nobody renews these sessions: the token is all there is.
	if err := c.s.Auth.EndSession(grant.Refresh); err != nil {
		return err
	}
	who.ID = grant.Subject
	c.note(Change{Tenant: grant.Tenant, Actor: who, Message: "User logged in", New: map[string]any{"username": body.Username, "token_id": grant.TokenID}})
	c.setCookie(grant.Access, int(grant.Lifetime/time.Second))
	w := &c.out
	w.open('{')
	w.textMember("access_token", grant.Access)
	w.textMember("token_type", "bearer")
	w.intMember("expires_in", int64(grant.Lifetime/time.Second))
	w.close('}')
	return nil
}

// loginTenant is whose user wants in, when the request says.
func (c *Call) loginTenant() string {
	if c.tenant != "" {
		return c.tenant
	}
	return c.Header.Get("X-Tenant-ID")
}

// refusedAgain reports whether err is one of a flood of refusals, whose first was
// recorded.
func refusedAgain(err error) bool {
	var flood interface{ RefusedAgain() bool }
	return errors.As(err, &flood) && flood.RefusedAgain()
}

// noteFailedLogin records who was refused and why, and that the account is
// locked now if this did it.
func (c *Call) noteFailedLogin(home string, who annal.Actor, err error) {
	if refusedAgain(err) {
		return
	}
	var refused interface{ AuthCode() string }
	reason := "error"
	if errors.As(err, &refused) {
		reason = refused.AuthCode()
	}
	facts := map[string]any{"username": fit(annal.ActorName, who.Name), "reason": reason}
	c.note(Change{Action: eventLoginFailed, Tenant: home, Actor: who, Outcome: annal.Denied, ErrorCode: reason, Message: "Failed login attempt", New: facts})
	var locked interface{ JustLocked() bool }
	if errors.As(err, &locked) && locked.JustLocked() {
		c.note(Change{Action: eventLocked, Tenant: home, Actor: who, Outcome: annal.Denied, ErrorCode: reason, Message: "Account locked after failures", New: facts})
	}
}

// certifyLogout ends the token of a login and takes the cookie away. A token
// that is no login's stays.
func certifyLogout(c *Call) error {
	caller, err := c.s.Auth.Authenticate(c.ctx, c.credential())
	if err != nil {
		return err
	}
	c.Caller = caller
	if err := c.s.Auth.EndToken(c.credential()); err != nil {
		return err
	}
	c.note(Change{Message: "User logged out"})
	c.setCookie("", -1)
	c.out.open('{')
	c.out.textMember("status", "ok")
	c.out.close('}')
	return nil
}

// setCookie keeps token in the browser: away from scripts and from other sites.
// Behind a proxy that ends TLS, only over TLS.
func (c *Call) setCookie(token string, seconds int) {
	secure := c.TLS != nil || strings.EqualFold(c.Header.Get("X-Forwarded-Proto"), "https")
	http.SetCookie(c.w, &http.Cookie{
		Name: CertifyCookie, Value: token, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	})
}
