package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"annal"
	"annal/internal/ingest"
)

type appendCmd struct {
	remote
	Files  []string `arg:"" optional:"" placeholder:"FILE" help:"Files to read, also compressed with gzip; - or none is standard input."`
	Format string   `default:"auto" enum:"auto,annal,scaivault,vault,cloudtrail,k8s" help:"What the files hold: ${enum}. auto looks at the first record; vault is OpenBao too."`
	Quiet  bool     `short:"q" help:"Show no progress."`
}

// Help shows examples and says what may be relied on.
func (appendCmd) Help() string {
	return `Reads events, one a line or as an array, and stores them durably. Records of Vault, Kubernetes and CloudTrail keep
their own ids; a native event without event_id gets one made of its content. So a file can be brought in again within 24
hours, after a crash or a correction, and what is there already counts as a duplicate.

What cannot be stored is named with its file and record, and left out. The last line is
accepted=N duplicates=N refused=N; the exit code is 1 when anything was refused.

Examples:
  annal append --format vault /var/log/vault_audit.log
  journalctl -u app -o cat | annal append --format annal
  annal append --tenant acme cloudtrail/*.json.gz`
}

// batchesAhead is how many batches are read while one is on its way.
const batchesAhead = 2

// Run reads the files and sends what is in them.
func (a *appendCmd) Run(ctx context.Context, e *env) error {
	if len(a.Files) == 0 {
		a.Files = []string{"-"}
	}
	size, err := sizeOf(a.Files)
	if err != nil {
		return err
	}
	c, err := a.client(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	send := &sender{client: c, complain: e.err}
	read := &reader{
		format: a.Format, complain: e.err, batches: make(chan []line, batchesAhead), seen: map[uint64]uint32{},
		progress: newProgress(e, size, a.Quiet),
	}
	sent := make(chan error, 1)
	go func() {
		err := send.all(ctx, read.batches)
		cancel() // nobody takes further batches
		sent <- err
	}()
	err = read.files(ctx, e, a.Files)
	if sendErr := <-sent; sendErr != nil {
		err = sendErr // what the reader met then follows from it
	}
	read.progress.end()
	total := send.tally
	total.refused += read.refused
	if _, printErr := fmt.Fprintln(e.out, total); err == nil {
		err = printErr
	}
	if err == nil && total.refused > 0 {
		return errSaid
	}
	return err
}

// sizeOf adds up the sizes of files, and reports those that cannot be read. It
// returns 0 when there is a stream among them.
func sizeOf(files []string) (total int64, err error) {
	stream := false
	for _, name := range files {
		if name == "-" {
			stream = true
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return 0, &usageError{err}
		case info.IsDir():
			return 0, usage("%s is a folder; name the files in it", name)
		case !info.Mode().IsRegular():
			stream = true
		}
		total += info.Size()
	}
	if stream {
		return 0, nil
	}
	return total, nil
}

// A reader turns files into batches of events.
type reader struct {
	format   string
	complain io.Writer
	batches  chan []line
	seen     map[uint64]uint32 // how often an event without an id of its own was seen, by its content
	progress *progress

	refused int // records that are no events
	lines   []line
	bytes   int
}

// files reads all files and closes batches.
func (r *reader) files(ctx context.Context, e *env, files []string) error {
	defer close(r.batches)
	for _, name := range files {
		if err := r.file(ctx, e, name); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

func (r *reader) file(ctx context.Context, e *env, name string) error {
	var in io.Reader
	if name == "-" {
		in = interruptible(ctx, e.in)
	} else {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	events := 0
	counts, err := ingest.Decode(r.format, r.progress.watch(in), func(event *annal.Event) error {
		events++
		r.progress.event()
		return r.event(ctx, event, name, events)
	})
	r.refused += counts.Refused
	for _, p := range counts.Problems.Problems {
		fmt.Fprintf(r.complain, "%s:%d: refused: %s\n", name, p.Index+1, reasonOf(p))
	}
	if n := counts.Problems.More; n > 0 {
		fmt.Fprintf(r.complain, "%s: and %d more problems\n", name, n)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// interruptible returns in, but reading ends when ctx does: a terminal or a pipe
// may have nothing for long, and a read of it cannot be called off.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(w, in)
		w.CloseWithError(err)
	}()
	return r
}

// event adds an event, which is lent for the call, to the batch.
func (r *reader) event(ctx context.Context, e *annal.Event, file string, order int) error {
	if e.EventID == "" {
		e.EventID = r.idOf(e)
	}
	native := ingest.AppendNative(nil, e)
	if len(r.lines) == batchEvents || len(r.lines) > 0 && r.bytes+len(native) > batchBytes {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.lines = append(r.lines, line{json: native, file: file, order: order, id: e.EventID})
	r.bytes += len(native) + 1
	return nil
}

func (r *reader) flush(ctx context.Context) error {
	if len(r.lines) == 0 {
		return nil
	}
	batch := r.lines
	r.lines, r.bytes = make([]line, 0, batchEvents), 0
	select {
	case r.batches <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A progress bar tells a person how far reading has come.
type progress struct {
	w      io.Writer // nil: nobody watches
	size   int64     // of all files; 0: not known
	read   int64
	events int
	shown  int64 // percent, or thousands of events when the size is not known
}

func newProgress(e *env, size int64, quiet bool) *progress {
	p := &progress{size: size, shown: -1}
	if e.terminal && !quiet {
		p.w = e.err
	}
	return p
}

// watch counts what is read from in.
func (p *progress) watch(in io.Reader) io.Reader {
	return bufio.NewReader(readerFunc(func(b []byte) (int, error) {
		n, err := in.Read(b)
		p.read += int64(n)
		return n, err
	}))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

const barWidth = 30

func (p *progress) event() {
	p.events++
	if p.w == nil {
		return
	}
	now := int64(p.events / 1000)
	if p.size > 0 {
		now = p.read * 100 / p.size
	}
	if now == p.shown {
		return
	}
	p.shown = now
	p.draw()
}

func (p *progress) draw() {
	if p.size == 0 {
		fmt.Fprintf(p.w, "\r%d events", p.events)
		return
	}
	done := int(min(p.read*barWidth/p.size, barWidth))
	fmt.Fprintf(p.w, "\r[%-*s] %3d %%  %d events", barWidth, "=============================="[:done], p.read*100/p.size, p.events)
}

// end leaves the line to what comes next.
func (p *progress) end() {
	if p.w != nil && p.events > 0 {
		p.draw()
		fmt.Fprintln(p.w)
	}
}
