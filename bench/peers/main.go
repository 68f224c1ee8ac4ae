// Command peers asks other stores to do annal's work: the events and questions
// of annal's benchmark, one store after another on the same machine.
//
// The one idea: nothing differs but the store. Every peer gets the generator's
// events in the same batches, over as many connections, acknowledges them only
// when they are durable (or the table says that it cannot), and is asked the
// same questions with the same values. Their answers are compared by size, and
// a store that answers otherwise than the first is reported.
//
// Slow stores are cut short and the table says where: ingest is timed for a while
// and finished without indexes, a question is repeated for a while.
//
//	bench/peers/run bin/annal --events 1000000 --out peers.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"annal/internal/bench"
)

type options struct {
	events, singles int
	dir, out        string
	annal, victoria string
	postgres        string
	only            string

	ingestTime, askTime time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.events, "events", 1_000_000, "events to store")
	flag.IntVar(&o.singles, "singles", 2_000, "further events sent one by one")
	flag.StringVar(&o.dir, "dir", "", "where the stores keep their data; default: a temporary folder")
	flag.StringVar(&o.out, "out", "", "file for the table as Markdown; default: standard output")
	flag.StringVar(&o.annal, "annal", "", "the annal to measure beside them")
	flag.StringVar(&o.victoria, "victorialogs", "", "the victoria-logs to measure")
	flag.StringVar(&o.postgres, "postgres", "/usr/lib/postgresql/15/bin", "folder of PostgreSQL's programs; empty: leave it out")
	flag.StringVar(&o.only, "only", "", "measure only these, separated by commas: annal, sqlite, duckdb, postgresql, victorialogs")
	flag.DurationVar(&o.ingestTime, "ingest-time", 30*time.Second, "how long ingest is timed at most; what is left is stored untimed")
	flag.DurationVar(&o.askTime, "ask-time", 5*time.Second, "how long a question is repeated at most; one that takes six times as long is given up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "annal-peers-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		// PostgreSQL runs as another user and must get through.
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
		o.dir = dir
	}
	mix := bench.Mix{Seed: 1, Events: o.events + o.singles, End: time.Now()}
	var results []result
	if o.wants("annal") && o.annal != "" {
		r, err := measureAnnal(ctx, o, mix)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	for _, p := range o.peers() {
		fmt.Fprintln(os.Stderr, p.name(), "…")
		r, err := measure(ctx, p, filepath.Join(o.dir, p.name()), mix, o)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return errors.New("nothing to measure")
	}
	return writeTable(o, results)
}

func (o *options) wants(name string) bool {
	if o.only == "" {
		return true
	}
	for part := range strings.SplitSeq(o.only, ",") {
		if part == name {
			return true
		}
	}
	return false
}

// peers returns those that can be measured here.
func (o *options) peers() []peer {
	var list []peer
	for _, p := range []peer{newSQLite(), newDuckDB(), newPostgres(o.postgres), newVictoria(o.victoria)} {
		switch {
		case !o.wants(p.name()):
		case p.available():
			list = append(list, p)
		default:
			fmt.Fprintln(os.Stderr, p.name(), "is left out: its programs are not here")
		}
	}
	return list
}

// measureAnnal runs annal's own benchmark over HTTP and takes its figures.
func measureAnnal(ctx context.Context, o options, mix bench.Mix) (result, error) {
	fmt.Fprintln(os.Stderr, "annal …")
	mix.Events = o.events
	report, err := bench.Run(ctx, bench.Config{
		Mix: mix, Binary: o.annal, Dir: filepath.Join(o.dir, "annal"), Singles: o.singles, Checks: 1,
	})
	if err != nil {
		return result{}, err
	}
	r := result{name: "annal (HTTP)", figures: map[string]float64{}, notes: map[string]string{}}
	for _, f := range report.Figures {
		r.figures[f.Key] = f.Value
	}
	if r.figures["disk_bytes_per_event"] == 0 {
		r.note("disk_bytes_per_event", "nothing is sealed yet")
	}
	return r, nil
}
