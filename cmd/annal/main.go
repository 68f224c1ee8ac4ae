// Command annal is the audit log: the server, and everything that people and
// scripts do with it. Each command is one file, and one line of cli.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"annal/internal/server"
)

// version is what bin/annal calls itself; the linker sets it.
var version = "dev"

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Append  appendCmd  `cmd:"" help:"Bring events in from files or standard input."`
	Query   queryCmd   `cmd:"" help:"Show the events that fulfil every condition."`
	Summary summaryCmd `cmd:"" help:"Count events by action, identity and resource."`
	Tail    tailCmd    `cmd:"" help:"Show the newest events, and follow the log."`
	Token   tokenCmd   `cmd:"" help:"Make, list and revoke tokens."`
	Tenant  tenantCmd  `cmd:"" help:"Make, list, change and delete tenants, and say who administers them."`
	Bench   benchCmd   `cmd:"" help:"Measure a server, and check its answers."`
	Check   checkCmd   `cmd:"" help:"Verify every byte of a data folder that no server uses."`
	Version versionCmd `cmd:"" help:"Say which annal this is."`
}

const description = `An audit log: events go in durably, audit answers come out at once.

First steps:
  annal serve --data ./annal-data
  export ANNAL_TOKEN=$(cat ./annal-data/admin-token)
  annal append vault_audit.log
  annal query --outcome denied --from -7d
  annal tail -f

Exit codes: 0 done; 1 failed, unsound, or some events refused; 2 wrong usage or configuration;
3 the server cannot be reached; 4 the server denies it (token, scope or tenant); 130 interrupted.`

// An env is what commands have of the world.
type env struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // err is a terminal
	server   server.Deps
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	e := &env{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	code := run(ctx, e, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is annal without the process around it.
func run(ctx context.Context, e *env, args []string) (code int) {
	settings := &settings{}
	exited := false
	var c cli
	c.Query.Plugins, c.Tail.Plugins = filterFlags(&c.Query.filters), filterFlags(&c.Tail.filters)
	parser, err := kong.New(&c,
		kong.Name("annal"), kong.Description(description),
		kong.Writers(e.out, e.err),
		kong.Exit(func(status int) { exited, code = true, status }),
		kong.UsageOnError(), kong.WithHyphenPrefixedParameters(true),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Resolvers(settings),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(e, settings),
	)
	if err != nil {
		panic(err) // a mistake in cli's tags
	}
	parsed, err := parser.Parse(args)
	if exited {
		return code // --help
	}
	if err == nil {
		err = parsed.Run()
	} else {
		err = usage("%w\nRun \"annal %s--help\" to see what there is.", err, commandOf(err))
	}
	return e.report(err)
}

// commandOf names the command that a parse error is about, with a space behind
// it, or returns "".
func commandOf(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected().Path() + " "
	}
	return ""
}

// report tells the person what went wrong and the caller's script how it ended.
func (e *env) report(err error) int {
	if err == nil {
		return exitDone
	}
	code, advice := judge(err)
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(e.err, "annal: %v\n", err)
	}
	if advice != "" {
		fmt.Fprintf(e.err, "%s\n", advice)
	}
	return code
}
