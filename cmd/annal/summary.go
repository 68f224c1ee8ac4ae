package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"annal/client"
)

type summaryCmd struct {
	remote
	From when `placeholder:"TIME" help:"Only events at or after this: ISO 8601, a date, now, today, or -90m, -24h, -7d, -2w."`
	To   when `placeholder:"TIME" help:"Only events at or before this; a date includes its whole day."`
	JSON bool `name:"json" help:"As ScaiVault's audit API shows it."`
}

// Help shows examples.
func (summaryCmd) Help() string {
	return `Examples:
  annal summary --from -30d
  annal summary --from 2026-04-01 --to 2026-04-30 --json | jq .total_events`
}

// Run asks and prints.
func (s *summaryCmd) Run(ctx context.Context, e *env) error {
	if err := inOrder(&s.From, &s.To); err != nil {
		return err
	}
	c, err := s.client(e)
	if err != nil {
		return err
	}
	sum, err := c.Summary(ctx, s.From.at, s.To.end())
	if err != nil {
		return err
	}
	if len(sum.Incomplete) > 0 {
		e.incomplete()(sum.Incomplete)
	}
	if s.JSON {
		_, err = fmt.Fprintf(e.out, "%s\n", sum.JSON)
		return err
	}
	return printSummary(e, &sum)
}

func printSummary(e *env, sum *client.Summary) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "events\t%d\t\nsuccessful\t%d\t\nfailed\t%d\t\n", sum.Total, sum.Successful, sum.Failed)
	actions := make([]row, 0, len(sum.Actions))
	for name, n := range sum.Actions {
		actions = append(actions, row{name, n})
	}
	slices.SortFunc(actions, func(a, b row) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	identities := make([]row, len(sum.Identities))
	for i, c := range sum.Identities {
		identities[i] = row{c.ID, c.Count}
	}
	resources := make([]row, len(sum.Resources))
	for i, c := range sum.Resources {
		resources[i] = row{c.Path, c.Count}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		rows  []row
	}{{"ACTIONS", actions}, {"TOP IDENTITIES", identities}, {"TOP RESOURCES", resources}} {
		if err := printRows(e, part.title, part.rows); err != nil {
			return err
		}
	}
	return nil
}

// A row is one counted value.
type row struct {
	name string
	n    uint64
}

func printRows(e *env, title string, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(e.out, "\n%s\n", title); err != nil {
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(e.out, "%10d  %s\n", r.n, printable(r.name, 2*maxCell)); err != nil {
			return err
		}
	}
	return nil
}
