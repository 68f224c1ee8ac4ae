package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"annal"
	"annal/client"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, this once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once and for good."`
}

type tokenCreateCmd struct {
	remote
	Subject    string   `required:"" help:"Whom the token is for; annal's log names them."`
	Scope      []string `default:"audit:read" help:"What it may do: audit:read, audit:write, audit:export, audit:admin."`
	ForTenant  string   `placeholder:"ID" help:"Bind it to this tenant." xor:"bound"`
	ForPartner string   `placeholder:"ID" help:"Bind it to this partner's tenants." xor:"bound"`
	Expires    string   `placeholder:"TIME" help:"When it ends: a time, or a period such as 90d or 12h. Unset: never."`
	Standing   string   `enum:",auditor" default:"" help:"auditor: it may also ask what is for admins and auditors alone."`
	JSON       bool     `name:"json" help:"Print the token and what is known of it as JSON."`
}

// Help shows examples.
func (tokenCreateCmd) Help() string {
	return `Examples:
  annal token create --subject sa:shipper --scope audit:write --for-tenant acme
  annal token create --subject user:ada --scope audit:read,audit:export --expires 90d`
}

// Run makes the token.
func (t *tokenCreateCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	expires, err := parseExpiry(t.Expires, time.Now())
	if err != nil {
		return err
	}
	made, err := c.CreateToken(ctx, client.Token{
		Subject: t.Subject, Tenant: t.ForTenant, Partner: t.ForPartner, Scopes: t.Scope, Expires: expires, Standing: t.Standing,
	})
	if err != nil {
		return err
	}
	if t.JSON {
		return printJSON(e, made)
	}
	fmt.Fprintf(e.err, "token %s for %s: %s. It is shown this once:\n", made.ID, made.Subject, strings.Join(made.Scopes, ", "))
	_, err = fmt.Fprintln(e.out, made.Secret)
	return err
}

// parseExpiry reads a time, or a period from now on.
func parseExpiry(s string, now time.Time) (string, error) {
	if s == "" {
		return "", nil
	}
	if d, ok := parseAgo("-" + s); ok {
		return annal.FormatTime(now.Add(d), 0), nil
	}
	at, _, ok := annal.ParseTime(s)
	if !ok {
		return "", usage("--expires %q is no time: write 2027-01-01, or a period such as 90d or 12h", s)
	}
	return annal.FormatTime(at, 0), nil
}

type tokenListCmd struct {
	remote
	JSON bool `name:"json" help:"One token a line as JSON."`
}

// Run lists the tokens.
func (t *tokenListCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	if t.JSON {
		for _, token := range tokens {
			if err := printJSON(e, token); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSUBJECT\tBOUND TO\tSCOPES\tEXPIRES\tREVOKED\tLAST USED")
	for _, token := range tokens {
		fmt.Fprintln(w, strings.Join([]string{
			token.ID, printable(token.Subject, maxCell), printable(bound(token), maxCell), strings.Join(token.Scopes, ","),
			printable(token.Expires, maxCell), printable(token.Revoked, maxCell), printable(token.LastUsed, maxCell),
		}, "\t"))
	}
	return w.Flush()
}

func bound(t client.Token) string {
	switch {
	case t.Tenant != "":
		return "tenant " + t.Tenant
	case t.Partner != "":
		return "partner " + t.Partner
	}
	return "nothing (all tenants)"
}

type tokenRevokeCmd struct {
	remote
	ID string `arg:"" help:"The token's id, as \"annal token list\" shows it."`
}

// Run revokes the token.
func (t *tokenRevokeCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	if err := c.RevokeToken(ctx, t.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.err, "token %s is revoked\n", t.ID)
	return err
}
