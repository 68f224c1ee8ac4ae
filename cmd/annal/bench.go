package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"annal/internal/bench"
)

type benchCmd struct {
	Events int    `default:"10000000" help:"How many events to bring in."`
	JSON   string `name:"json" placeholder:"FILE" help:"Also write the figures to this file, as one JSON object."`

	Binary  string `placeholder:"FILE" help:"Start this annal instead of this one itself; not with --server."`
	Again   string `placeholder:"FILE" help:"Bring nothing in: ask again about the log of the run that wrote this file with --json. The log is that of --server or, without one, the one in --data."`
	Compare string `placeholder:"FILE" help:"Also compare with the figures in this file, which an earlier run wrote."`

	Table []string `sep:"none" placeholder:"FILE" help:"Measure nothing: write the figures of this file, which an earlier run wrote, as Markdown; given several times, side by side."`

	Server string `placeholder:"URL" help:"Measure this server, whose log keeps the events for ever. Unset, also where ANNAL_SERVER is set: start one of this binary with a new log, and kill it to see it recover."`
	Token  string `env:"ANNAL_TOKEN" placeholder:"TOKEN" help:"The token for it."`
	PID    int    `name:"pid" help:"Its process on this machine, to read CPU time and memory from."`
	Data   string `placeholder:"DIR" help:"With --server, its data folder, to read sizes from; else where to keep the new log."`

	Seed       uint64   `default:"1" help:"Which events: the same seed makes the same ones."`
	Tenants    int      `default:"1" help:"How many tenants they belong to."`
	Identities int      `help:"How many identities act; 0: 10,000."`
	Shuffled   bool     `help:"Send them in random order of time instead of nearly sorted."`
	Singles    int      `help:"Events to send one a request; 0: a twentieth, at most 200,000."`
	ServeArg   []string `sep:"none" placeholder:"ARG" help:"A further argument of the serve command that is started."`
}

// Help says what is measured.
func (benchCmd) Help() string {
	return `Measures durable ingest, questions, streaming, size on disk, memory and recovery over loopback HTTP, and compares a
sample of the answers with a slow reference. A wrong answer fails the run.

Examples:
  annal bench --events 1000000
  annal bench --events 10000000 --json figures.json
  annal bench --events 10000000 --compare figures.json
  annal bench --data DIR --json first.json
  annal bench --data DIR --again first.json --compare first.json
  annal bench --table first.json --table second.json`
}

// Run measures and prints the table.
func (b *benchCmd) Run(ctx context.Context, e *env) error {
	if len(b.Table) > 0 {
		return b.writeTable(e)
	}
	if b.Events < 1 {
		return usage("--events %d: bring in 1 event or more", b.Events)
	}
	ctx, stop := untilLeft(ctx)
	defer stop()
	cfg := bench.Config{
		Mix:    bench.Mix{Seed: b.Seed, Events: b.Events, Identities: b.Identities, Tenants: b.Tenants, Shuffled: b.Shuffled},
		Server: b.Server, Token: b.Token, PID: b.PID, Singles: b.Singles, ServeArgs: b.ServeArg, Progress: e.err,
	}
	if err := b.choose(&cfg); err != nil {
		return err
	}
	if b.Again != "" {
		log, err := readLog(b.Again)
		if err != nil {
			return err
		}
		cfg.Again = &log
	}
	report, err := bench.Run(ctx, cfg)
	if err := report.WriteTable(e.out); err != nil {
		return err
	}
	return errors.Join(err, b.use(e, &report))
}

// untilLeft returns a context that ends also when nobody reads the output any
// more, or the terminal is gone: the server under test must end, and what was
// written for it.
func untilLeft(ctx context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, signals...)
}

// choose says which server is measured.
func (b *benchCmd) choose(cfg *bench.Config) (err error) {
	switch {
	case b.Server != "" && b.Binary != "":
		return usage("--binary starts a server and --server names one that runs: give only one of them")
	case b.Server != "":
		cfg.Data = b.Data
		return nil
	}
	cfg.Binary, cfg.Dir, cfg.Token = b.Binary, b.Data, ""
	if cfg.Binary == "" {
		cfg.Binary, err = os.Executable()
	}
	return err
}

// writeTable shows the figures of earlier runs side by side.
func (b *benchCmd) writeTable(e *env) error {
	var reports [][]byte
	for _, name := range b.Table {
		report, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		reports = append(reports, report)
	}
	return bench.WriteMarkdown(e.out, reports...)
}

// readLog reads from a report which events its run left behind.
func readLog(name string) (bench.Log, error) {
	report, err := os.ReadFile(name)
	if err != nil {
		return bench.Log{}, err
	}
	log, err := bench.ReadLog(report)
	if err != nil {
		return log, fmt.Errorf("%s: %w", name, err)
	}
	return log, nil
}

// use saves the figures, and compares them with earlier ones.
func (b *benchCmd) use(e *env, report *bench.Report) error {
	figures, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	if b.Compare != "" {
		earlier, err := os.ReadFile(b.Compare)
		if err != nil {
			return err
		}
		changes, err := bench.Compare(earlier, figures)
		if err != nil {
			return err
		}
		if err := bench.WriteChanges(e.out, changes); err != nil {
			return err
		}
	}
	if b.JSON == "" {
		return nil
	}
	return os.WriteFile(b.JSON, append(figures, '\n'), 0o644)
}
