package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// A Tenant is somebody with a log of their own.
type Tenant struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`    // for people
	Partner string `json:"partner,omitempty"` // who looks after it
	Profile string `json:"profile,omitempty"` // scaivault, dsv, certifyclouds or scaikey
	Created string `json:"created,omitempty"` // as the server writes it
}

// Tenants lists the tenants that the caller has rights over.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	var answer struct {
		Tenants []Tenant `json:"tenants"`
	}
	err := c.json(ctx, call{method: "GET", path: "/v1/tenants"}, &answer)
	return answer.Tenants, err
}

// Tenant returns one tenant.
func (c *Client) Tenant(ctx context.Context, id string) (Tenant, error) {
	var t Tenant
	err := c.json(ctx, call{method: "GET", path: tenantPath(id)}, &t)
	return t, err
}

// CreateTenant makes a tenant.
func (c *Client) CreateTenant(ctx context.Context, t Tenant) (Tenant, error) {
	return c.sendTenant(ctx, "POST", "/v1/tenants", t)
}

// ChangeTenant gives a tenant t's Name, Partner and Profile.
func (c *Client) ChangeTenant(ctx context.Context, t Tenant) (Tenant, error) {
	return c.sendTenant(ctx, "PUT", tenantPath(t.ID), t)
}

// DeleteTenant forgets a tenant. Its events remain until their retention ends.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	_, err := c.whole(ctx, call{method: "DELETE", path: tenantPath(id)})
	return err
}

// A Standing is what a user may do apart from policies.
type Standing struct {
	Standing string `json:"standing"` // auditor, admin or ""
	Reach    string `json:"reach"`    // partner, all, or "" for the user's own tenant
}

// RankUser gives a user of a tenant a standing.
func (c *Client) RankUser(ctx context.Context, tenant, user string, s Standing) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = c.whole(ctx, call{method: "PUT", path: tenantPath(tenant) + "/standings/" + url.PathEscape(user), body: body, header: jsonBody()})
	return err
}

func (c *Client) sendTenant(ctx context.Context, method, path string, t Tenant) (Tenant, error) {
	t.Created = ""
	body, err := json.Marshal(t)
	if err != nil {
		return Tenant{}, err
	}
	var kept Tenant
	err = c.json(ctx, call{method: method, path: path, body: body, once: true, header: jsonBody()}, &kept)
	return kept, err
}

func jsonBody() http.Header { return http.Header{"Content-Type": {"application/json"}} }

func tenantPath(id string) string { return "/v1/tenants/" + url.PathEscape(id) }
