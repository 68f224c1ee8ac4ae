package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/alecthomas/kong"

	"annal"
	"annal/client"
)

type queryCmd struct {
	remote
	filters
	kong.Plugins

	From   when   `placeholder:"TIME" help:"Only events at or after this: ISO 8601, a date, now, today, or -90m, -24h, -7d, -2w."`
	To     when   `placeholder:"TIME" help:"Only events at or before this; a date includes its whole day."`
	Order  string `default:"newest" enum:"newest,oldest" help:"Which come first: ${enum}."`
	Limit  int    `default:"100" short:"n" help:"At most so many events."`
	All    bool   `help:"All there are, whatever --limit says."`
	Format string `default:"table" enum:"table,json,csv" help:"table, json (one native event a line) or csv (a column for each field)."`
	JSON   bool   `name:"json" help:"The same as --format json."`
}

// Help shows examples.
func (queryCmd) Help() string {
	return `Examples:
  annal query --outcome denied --from -7d
  annal query --actor.id user:ada --actor.id user:bob --path-prefix environments/production
  annal query --request.id req_xyz --json | jq .extra
  annal query --all --from 2026-01-01 --to 2026-03-31 --format csv > quarter.csv`
}

// Run asks and prints.
func (q *queryCmd) Run(ctx context.Context, e *env) error {
	if q.Limit < 1 {
		return usage("--limit %d: ask for 1 event or more, or for --all", q.Limit)
	}
	if err := inOrder(&q.From, &q.To); err != nil {
		return err
	}
	c, err := q.client(e)
	if err != nil {
		return err
	}
	question := q.query()
	question.From, question.To, question.Oldest, question.Limit = q.From.at, q.To.end(), q.Order == "oldest", q.Limit
	if q.All {
		question.Limit = 0
	}
	question.Incomplete = e.incomplete()
	out := bufio.NewWriter(e.out)
	if err := q.answer(ctx, c, question, out); err != nil {
		_ = out.Flush() // what came so far is worth seeing
		return err
	}
	return out.Flush()
}

func (q *queryCmd) answer(ctx context.Context, c *client.Client, question client.Query, w io.Writer) error {
	switch {
	case q.JSON || q.Format == "json":
		return show(c.Query(ctx, question), jsonPrinter{w})
	case q.Format == "csv":
		return c.Stream(ctx, question, client.CSV, w)
	}
	return show(c.Query(ctx, question), newTable(w))
}

// show prints events until there are no more or one cannot be had.
func show(events iter.Seq2[json.RawMessage, error], p printer) error {
	for event, err := range events {
		if err == nil {
			err = p.event(event)
		}
		if err != nil {
			return errors.Join(err, p.end(false))
		}
	}
	return p.end(true)
}

// A printer shows events, given as native JSON.
type printer interface {
	event(native []byte) error
	end(whole bool) error // whole: all events were shown
}

type jsonPrinter struct{ w io.Writer }

func (p jsonPrinter) event(native []byte) error {
	_, err := p.w.Write(append(native[:len(native):len(native)], '\n'))
	return err
}

func (p jsonPrinter) end(bool) error { return nil }

// A table is for people: the columns that are asked about most.
// A question that fails before the first event leaves no table behind.
type table struct {
	w     *tabwriter.Writer
	begun bool
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

func (t *table) begin() {
	if !t.begun {
		fmt.Fprintln(t.w, "TIME\tOUTCOME\tACTION\tACTOR\tRESOURCE\tFROM\tERROR")
	}
	t.begun = true
}

func (t *table) event(native []byte) error {
	e, err := client.ParseEvent(native)
	if err != nil {
		return err
	}
	t.begin()
	_, err = fmt.Fprintln(t.w, strings.Join(cells(&e), "\t"))
	return err
}

func (t *table) end(whole bool) error {
	if whole {
		t.begin()
	}
	return t.w.Flush()
}

// cells are the columns of one event.
func cells(e *annal.Event) []string {
	row := []string{
		annal.FormatTime(e.Time, 3), e.Outcome.String(), e.Action,
		firstOf(e.Actor.ID, e.Actor.Name), firstOf(e.Resource.Path, e.Resource.Name, e.Resource.ID),
		e.Source.IP, e.ErrorCode,
	}
	for i := range row {
		row[i] = printable(row[i], maxCell)
	}
	return row
}

// maxCell keeps one long value from making a table unreadable.
const maxCell = 72

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// printable keeps what an emitter wrote from steering the terminal, and cuts it
// to a number of characters.
func printable(s string, limit int) string {
	if s == "" {
		return "-"
	}
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s))
	if len(runes) > limit {
		runes = append(runes[:limit-1], '…')
	}
	return string(runes)
}
