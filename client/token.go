package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// A Token describes a token that the server knows. Times are as the server
// writes them; "" stands for never.
type Token struct {
	ID       string   `json:"id"`
	Subject  string   `json:"subject"`
	Tenant   string   `json:"tenant,omitempty"`
	Partner  string   `json:"partner,omitempty"`
	Scopes   []string `json:"scopes"`
	Created  string   `json:"created,omitempty"`
	Expires  string   `json:"expires,omitempty"`
	Revoked  string   `json:"revoked,omitempty"`
	LastUsed string   `json:"last_used,omitempty"`
	Standing string   `json:"standing,omitempty"` // auditor, or ""
	Secret   string   `json:"token,omitempty"`    // what callers send; shown by CreateToken, never again
}

// CreateToken makes a token from t's Subject, Tenant or Partner, Scopes and
// Expires.
func (c *Client) CreateToken(ctx context.Context, t Token) (Token, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return Token{}, err
	}
	var made Token
	err = c.json(ctx, call{method: "POST", path: "/v1/tokens", body: body, once: true, header: http.Header{
		"Content-Type": {"application/json"},
	}}, &made)
	return made, err
}

// Tokens lists the tokens that the caller may manage.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var answer struct {
		Tokens []Token `json:"tokens"`
	}
	err := c.json(ctx, call{method: "GET", path: "/v1/tokens"}, &answer)
	return answer.Tokens, err
}

// RevokeToken ends a token at once and for good.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.whole(ctx, call{method: "DELETE", path: "/v1/tokens/" + url.PathEscape(id)})
	return err
}

func (c *Client) json(ctx context.Context, call call, into any) error {
	call.accept = "application/json"
	body, err := c.whole(ctx, call)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", call.method, call.path, err)
	}
	return nil
}
