package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"annal"
)

// A run is one benchmark on its way.
type run struct {
	cfg     Config
	gen     *Generator
	server  *daemon
	report  Report
	stored  uint64 // events 0 ≤ i < stored are in the log, and no others
	pending []*kept
}

// Run measures an annal as cfg says. It fails when the server does, and when
// an answer differs from the reference; what was measured is returned anyway.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Report{}, err
	}
	r := newRun(cfg)
	if cfg.Binary != "" && cfg.Dir == "" {
		if r.cfg.Dir, err = os.MkdirTemp("", "annal-bench-"); err != nil {
			return Report{}, err
		}
		defer os.RemoveAll(r.cfg.Dir)
	}
	err = r.all(ctx)
	if err == nil {
		r.report.Stored = r.stored
	}
	if err == nil && len(r.report.Wrong) > 0 {
		err = fmt.Errorf("bench: %d answers were wrong; the first: %s", len(r.report.Wrong), r.report.Wrong[0])
	}
	return r.report, err
}

// newRun prepares the events of a run, or those that an earlier one left.
func newRun(cfg Config) *run {
	r := &run{cfg: cfg}
	if cfg.Again != nil {
		r.gen = NewGenerator(cfg.Again.Mix)
		r.stored = cfg.Again.Stored
		r.report.Log = *cfg.Again
		return r
	}
	mix := cfg.Mix
	mix.Events += cfg.Singles + mixedEvents(&cfg) + crashEvents(&cfg)
	r.gen = NewGenerator(mix)
	r.report.Log = Log{Mix: r.gen.Mix(), Events: cfg.Mix.Events}
	return r
}

// crashEvents is how many events are sent while the server is killed.
func crashEvents(cfg *Config) int {
	if cfg.Binary == "" {
		return 0
	}
	return min(cfg.Mix.Events/crashShare, maxCrashEvents)
}

func (r *run) all(ctx context.Context) error {
	if err := r.open(ctx); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go r.server.watch(ctx)
	defer r.close()
	for _, phase := range r.phases() {
		fmt.Fprintf(r.cfg.Progress, "%s …\n", phase.name)
		r.server.watched.begin(int(r.server.pid.Load()))
		if err := phase.do(ctx); err != nil {
			return fmt.Errorf("bench: %s: %w", phase.name, err)
		}
		if phase.key != "" {
			r.addPhaseMemory(phase.key)
		}
	}
	r.addMemory()
	return nil
}

// A phase is one part of a run.
type phase struct {
	key  string // its figures of memory end so; "": it asks nothing of the server
	name string
	do   func(context.Context) error
}

// phases returns the parts of the run in order; those that change the log are
// left out when it belongs to an earlier run.
func (r *run) phases() []phase {
	look := []phase{
		{"", "look at the disk", r.measureDisk},
		{"ask", "ask", r.ask},
		{"stream", "stream", r.stream},
	}
	check := phase{"", "check the answers", r.verify}
	cold := phase{"cold", "ask with cold caches", r.cold}
	if r.cfg.Again != nil {
		return append(look, check, cold)
	}
	list := append([]phase{
		{"ingest_batched", "ingest in batches", r.ingestBatched},
		{"ingest_single", "ingest one by one", r.ingestSingle},
	}, look...)
	return append(list,
		phase{"mixed", "ingest and ask at once", r.mixed},
		check,
		phase{"crash", "kill and restart", r.crash},
		cold)
}

// open starts the server, or finds the one that runs, and looks at its log.
func (r *run) open(ctx context.Context) error {
	if err := r.connect(ctx); err != nil {
		return err
	}
	err := r.checkLog(ctx)
	if err != nil {
		r.close()
	}
	return err
}

// checkLog checks that the log holds what answers are compared with: nothing of
// the mix's first tenant yet or, when there was an earlier run, its events.
func (r *run) checkLog(ctx context.Context) error {
	n, err := r.total(ctx, r.gen.tenants[0])
	switch {
	case err != nil:
		return err
	case r.cfg.Again == nil && n > 0:
		return fmt.Errorf("the tenant %s of the server has %d events already; measure with an empty one", r.gen.tenants[0], n)
	case r.cfg.Again == nil || len(r.gen.tenants) > 1 && n > 0: // how many each has is not known
		return nil
	case n != r.stored:
		return fmt.Errorf("the tenant %s of the server has %d events, want the %d of the earlier run", r.gen.tenants[0], n, r.stored)
	}
	return nil
}

func (r *run) connect(ctx context.Context) (err error) {
	if r.cfg.Binary != "" {
		if err := os.MkdirAll(r.cfg.Dir, 0o755); err != nil {
			return err
		}
		if r.server, err = newDaemon(&r.cfg); err != nil {
			return err
		}
		_, err = r.server.start(ctx)
		return err
	}
	r.server = &daemon{data: r.cfg.Data}
	r.server.pid.Store(int64(r.cfg.PID))
	r.server.target, err = newTarget(r.cfg.Server, r.cfg.Token)
	return err
}

func (r *run) close() {
	if r.server.ours() && r.server.pid.Load() != 0 {
		r.server.kill()
	}
}

// unknownTenant reports whether a refusal says that there is no such tenant.
func unknownTenant(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused) && (refused.status == 403 || refused.status == 404)
}

// total asks how many events a tenant has; "" is all tenants. A tenant that
// does not exist yet has none.
func (r *run) total(ctx context.Context, tenant string) (uint64, error) {
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer w.close()
	body, err := w.do(r.server.target.appendHead(nil, "GET", "/v1/audit/summary", tenant, "application/json", 0))
	if tenant != "" && unknownTenant(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		return 0, fmt.Errorf("read a summary: %w", err)
	}
	return d.TotalEvents, nil
}

func (r *run) ingestBatched(ctx context.Context) error {
	return r.ingest(ctx, "ingest_batched", load{
		first: 0, end: uint64(r.cfg.Mix.Events), batch: r.cfg.Batch, connections: r.cfg.Connections,
	})
}

func (r *run) ingestSingle(ctx context.Context) error {
	if r.cfg.Singles == 0 {
		return nil
	}
	return r.ingest(ctx, "ingest_single", load{
		first: r.stored, end: r.stored + uint64(r.cfg.Singles), batch: 1, connections: r.cfg.Writers,
	})
}

const million = 1e6

// ingest sends a load and waits until the server has digested it: its CPU time
// counts, whenever it was spent.
func (r *run) ingest(ctx context.Context, key string, l load) error {
	server, client := r.server.cpu(), ownCPU()
	s, err := r.server.target.send(ctx, r.gen, l)
	client = ownCPU() - client
	if err != nil {
		return err
	}
	r.stored = l.end
	r.report.add(key+"_events_per_s", s.rate())
	r.report.addLatencies(key, s.latencies)
	if err := r.server.settle(ctx); err != nil {
		return err
	}
	n := float64(s.acknowledged)
	if r.server.measured() {
		r.report.add(key+"_server_cpu_s_per_million", (r.server.cpu()-server)*million/n)
	}
	if client > 0 {
		r.report.add(key+"_client_cpu_s_per_million", client*million/n)
	}
	return nil
}

// ownCPU returns the CPU seconds of this process, 0 when unknown.
func ownCPU() float64 {
	s, err := cpuSeconds(os.Getpid())
	if err != nil {
		return 0
	}
	return s
}

const mib = 1 << 20

func (r *run) measureDisk(context.Context) error {
	if r.server.data == "" {
		return nil
	}
	d, err := readDisk(r.server.data)
	if err != nil {
		return err
	}
	if d.sealedEvents > 0 {
		r.report.add("disk_bytes_per_event", float64(d.sealedBytes)/float64(d.sealedEvents))
	}
	r.report.add("sealed_events", float64(d.sealedEvents))
	r.report.add("wal_size_mib", float64(d.walBytes)/mib)
	return nil
}

// stream reads the newest events as one answer, and keeps its beginning to
// check it.
func (r *run) stream(ctx context.Context) error {
	tenant := ""
	if r.gen.mix.Tenants == 1 {
		tenant = r.gen.tenants[0]
	}
	path := "/v1/events?limit=" + strconv.Itoa(r.cfg.Stream)
	w, err := r.server.target.dial(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	lines, size := 0, 0
	var head []byte
	server, began := r.server.cpu(), time.Now()
	err = w.stream(r.server.target.appendHead(nil, "GET", path, tenant, ndjson, 0), func(part []byte) error {
		lines += bytes.Count(part, []byte{'\n'})
		size += len(part)
		if len(head) < streamHead {
			head = append(head, part...)
		}
		return nil
	})
	took := time.Since(began).Seconds()
	if err != nil {
		return err
	}
	r.report.add("stream_events_per_s", float64(lines)/took)
	r.report.add("stream_mib_per_s", float64(size)/mib/took)
	if r.server.measured() && lines > 0 {
		r.report.add("stream_server_cpu_s_per_million", (r.server.cpu()-server)*million/float64(lines))
	}
	if tenant == "" {
		return nil // there may be events of others among them
	}
	want := &probe{query: annal.Query{Tenants: []string{tenant}}, keep: min(pageLimit, r.cfg.Stream)}
	p := newPicker(r.gen, r.stored)
	r.keep("stream", []byte("{}"), ask{
		path: path, probes: []*probe{want},
		check: func(a *answer) error {
			return firstError(
				same("streamed lines", uint64(lines), min(want.total, uint64(r.cfg.Stream))),
				a.checkPage(p, want, firstLines(head, min(pageLimit, r.cfg.Stream)), nativeEvent))
		},
	})
	return nil
}

const streamHead = 256 << 10 // bytes of a stream that are kept

// firstLines returns at most n whole lines.
func firstLines(b []byte, n int) []json.RawMessage {
	var lines []json.RawMessage
	for len(lines) < n {
		line, rest, ok := bytes.Cut(b, []byte{'\n'})
		if !ok {
			break
		}
		lines = append(lines, line)
		b = rest
	}
	return lines
}
