package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"annal"
	"annal/client"
)

type tailCmd struct {
	remote
	filters
	kong.Plugins

	Follow bool `short:"f" help:"Go on with events as they are stored, until interrupted."`
	Lines  int  `short:"n" default:"10" help:"Show so many of the newest events first."`
	JSON   bool `name:"json" help:"One native event a line."`
}

// Help shows examples.
func (tailCmd) Help() string {
	return `Examples:
  annal tail -f
  annal tail -f -n 0 --outcome denied --json | jq -c '[.time, .actor.id, .resource.path]'`
}

// Run shows the newest events and follows the log.
func (t *tailCmd) Run(ctx context.Context, e *env) error {
	if t.Lines < 0 || t.Lines > annal.MaxPage {
		return usage("--lines %d is not within 0 to %d", t.Lines, annal.MaxPage)
	}
	c, err := t.client(e)
	if err != nil {
		return err
	}
	f := follower{client: c, query: t.query(), lines: t.Lines, print: printLine(e.out, t.JSON)}
	f.query.Incomplete = e.incomplete()
	if !t.Follow {
		return f.newest(ctx)
	}
	// What is wrong from the start shows at once, before the patient client follows.
	if _, err := c.Summary(ctx, time.Now(), time.Now()); err != nil {
		return err
	}
	patient, err := t.clientTrying(e, followRetries)
	if err != nil {
		return err
	}
	err = patient.Tail(ctx, client.Tail{Query: f.query, Connected: func() error { return f.newest(ctx) }}, f.event)
	if errors.Is(err, context.Canceled) {
		return nil // interrupting is how following ends
	}
	return err
}

// A follower shows the newest events once the server follows the log for it, so
// that nothing falls between the two; shown keeps an event of both from being
// shown twice.
type follower struct {
	client *client.Client
	query  client.Query
	lines  int
	print  func(native []byte) error
	shown  map[uint64]bool // positions of the newest events
}

func (f *follower) newest(ctx context.Context) error {
	if f.lines == 0 {
		return nil
	}
	question := f.query
	question.Limit = f.lines
	var newest [][]byte
	f.shown = map[uint64]bool{}
	for event, err := range f.client.Query(ctx, question) {
		if err != nil {
			return err
		}
		newest = append(newest, slices.Clone(event))
		p, err := positionOf(event)
		if err != nil {
			return err
		}
		f.shown[p] = true
	}
	for _, event := range slices.Backward(newest) {
		if err := f.print(event); err != nil {
			return err
		}
	}
	return nil
}

// event shows one event of the followed log.
func (f *follower) event(native json.RawMessage) error {
	if len(f.shown) > 0 {
		p, err := positionOf(native)
		if err != nil {
			return err
		}
		if f.shown[p] {
			return nil
		}
	}
	return f.print(native)
}

func positionOf(native []byte) (uint64, error) {
	var e struct {
		Position uint64 `json:"position"`
	}
	err := json.Unmarshal(native, &e)
	return e.Position, err
}

// printLine shows one event a line, at once.
func printLine(w io.Writer, asJSON bool) func(native []byte) error {
	if asJSON {
		return jsonPrinter{w}.event
	}
	return func(native []byte) error {
		e, err := client.ParseEvent(native)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, strings.Join(cells(&e), "  "))
		return err
	}
}
