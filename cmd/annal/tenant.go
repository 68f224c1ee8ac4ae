package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"annal/client"
)

type tenantCmd struct {
	Create tenantCreateCmd `cmd:"" help:"Make a tenant."`
	List   tenantListCmd   `cmd:"" help:"List the tenants that you have rights over."`
	Show   tenantShowCmd   `cmd:"" help:"Show one tenant as JSON."`
	Change tenantChangeCmd `cmd:"" help:"Give a tenant another name, partner or profile."`
	Delete tenantDeleteCmd `cmd:"" help:"Forget a tenant: its people, policies and tokens end; its events stay until their retention ends."`
	Rank   tenantRankCmd   `cmd:"" help:"Make a user an admin or an auditor, or ordinary again."`
}

type tenantCreateCmd struct {
	remote
	ID      string `arg:"" help:"What its events name it."`
	Name    string `help:"What people call it."`
	Partner string `placeholder:"ID" help:"Who looks after it."`
	Profile string `enum:",scaivault,dsv,certifyclouds,scaikey" default:"" help:"Whose defaults it follows: scaivault, dsv, certifyclouds or scaikey."`
}

// Help shows an example.
func (tenantCreateCmd) Help() string {
	return `Example:
  annal tenant create acme --name "Acme Inc." --partner northwind --profile certifyclouds`
}

// Run makes the tenant.
func (t *tenantCreateCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	made, err := c.CreateTenant(ctx, client.Tenant{ID: t.ID, Name: t.Name, Partner: t.Partner, Profile: t.Profile})
	if err != nil {
		return err
	}
	return printJSON(e, made)
}

type tenantListCmd struct {
	remote
	JSON bool `name:"json" help:"One tenant a line as JSON."`
}

// Run lists the tenants.
func (t *tenantListCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	tenants, err := c.Tenants(ctx)
	if err != nil {
		return err
	}
	if t.JSON {
		for _, tenant := range tenants {
			if err := printJSON(e, tenant); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tPARTNER\tPROFILE\tCREATED")
	for _, x := range tenants {
		fmt.Fprintln(w, strings.Join([]string{
			printable(x.ID, maxCell), printable(x.Name, maxCell), printable(x.Partner, maxCell), printable(x.Profile, maxCell), x.Created,
		}, "\t"))
	}
	return w.Flush()
}

type tenantShowCmd struct {
	remote
	ID string `arg:"" help:"The tenant's id."`
}

// Run shows the tenant.
func (t *tenantShowCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	tenant, err := c.Tenant(ctx, t.ID)
	if err != nil {
		return err
	}
	return printJSON(e, tenant)
}

type tenantChangeCmd struct {
	remote
	ID      string  `arg:"" help:"The tenant's id."`
	Name    *string `help:"What people call it."`
	Partner *string `placeholder:"ID" help:"Who looks after it; empty for nobody."`
	Profile *string `help:"Whose defaults it follows: scaivault, dsv, certifyclouds or scaikey; empty for none."`
}

// Run changes what was given and leaves the rest.
func (t *tenantChangeCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	tenant, err := c.Tenant(ctx, t.ID)
	if err != nil {
		return err
	}
	for _, change := range []struct{ into, value *string }{{&tenant.Name, t.Name}, {&tenant.Partner, t.Partner}, {&tenant.Profile, t.Profile}} {
		if change.value != nil {
			*change.into = *change.value
		}
	}
	if tenant, err = c.ChangeTenant(ctx, tenant); err != nil {
		return err
	}
	return printJSON(e, tenant)
}

type tenantDeleteCmd struct {
	remote
	ID string `arg:"" help:"The tenant's id."`
}

// Run forgets the tenant.
func (t *tenantDeleteCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	if err := c.DeleteTenant(ctx, t.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.err, "tenant %s is deleted\n", t.ID)
	return err
}

type tenantRankCmd struct {
	remote
	ID       string `arg:"" help:"The tenant that the user belongs to."`
	User     string `arg:"" help:"The user's name."`
	Standing string `required:"" enum:"auditor,admin,ordinary" help:"auditor reads everything, admin may do everything, ordinary leaves it to policies."`
	Reach    string `enum:"tenant,partner,all" default:"tenant" help:"How far that goes: the tenant, all of its partner's tenants, or all there are."`
}

// Run gives the user the standing.
func (t *tenantRankCmd) Run(ctx context.Context, e *env) error {
	c, err := t.client(e)
	if err != nil {
		return err
	}
	s := client.Standing{Standing: t.Standing, Reach: t.Reach}
	if s.Standing == "ordinary" {
		s.Standing = ""
	}
	if s.Reach == "tenant" {
		s.Reach = ""
	}
	if err := c.RankUser(ctx, t.ID, t.User, s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.err, "%s of %s is %s\n", t.User, t.ID, t.Standing)
	return err
}
