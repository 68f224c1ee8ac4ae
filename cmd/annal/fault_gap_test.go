//go:build integration

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"annal"
	"annal/client"
)

// The command line warns of what is missing from its answers, on the error
// output; what it prints and how it exits stay as they are.
func TestTheCommandLineWarnsOfWhatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	fill(t, dir, 13)
	found, err := filepath.Glob(filepath.Join(dir, "segments", "*.col"))
	if err != nil || len(found) < 3 {
		t.Fatalf("segments: %v, %v", found, err)
	}
	if err := os.Remove(found[1]); err != nil {
		t.Fatal(err)
	}
	p := launch{dir: dir, size: small}.serve(t)
	const said = "annal: this answer is incomplete, for a part of the server's log is lost: positions 200-399 are missing\n"
	for _, tt := range []struct {
		args []string
		out  string
		said string
	}{
		{[]string{"query"}, "user:fill-12", said},
		{[]string{"query", "--all", "--json"}, `"position":400,`, said},
		{[]string{"query", "--all", "--format", "csv"}, "id,position,seq", said},
		{[]string{"query", "--from", "2026-04-24"}, "TIME", ""},
		{[]string{"query", "--to", "2026-04-22"}, "TIME", ""},
		{[]string{"summary"}, "events  450", said},
		{[]string{"summary", "--json"}, `"total_events":450`, said},
		{[]string{"tail", "-n", "3"}, "user:fill-12", said},
	} {
		var out, errs strings.Builder
		code := run(context.Background(), &env{out: &out, err: &errs}, append(tt.args, "--server", p.url, "--token", p.token))
		if code != exitDone || !strings.Contains(out.String(), tt.out) || errs.String() != tt.said {
			t.Errorf("%v exits with %d, prints\n%.400s\nand warns %q, want %q", tt.args, code, out.String(), errs.String(), tt.said)
		}
	}
	if n, missing := p.metric(t, "annal_log_events"), p.metric(t, "annal_missing_positions"); n != "450" || missing != "200" {
		t.Errorf("the metrics count %s events and %s missing positions", n, missing)
	}
	if code, checked := check(dir + "/../data"); code != exitFailed || !strings.Contains(checked, "in use") {
		t.Errorf("check exits with %d: %s", code, checked)
	}
	p.stop(t)
	if code, checked := check(dir); code != exitFailed || !strings.Contains(checked, filepath.Base(strings.TrimSuffix(found[1], ".col"))+" was set aside: positions 200 to 399 are not served") {
		t.Errorf("check exits with %d: %s", code, checked)
	}
}

// Whatever is lost of the end of the log: no position, and no number of a tenant,
// is given a second time; a tail that has seen what is lost sees what comes next;
// and an event that is lost is not said to be unknown.
func TestLostNumbersAreNotGivenAgain(t *testing.T) {
	prepared := filepath.Join(t.TempDir(), "prepared")
	l := fill(t, prepared, 13)
	var newest annal.Receipt
	for _, r := range l.acked {
		if r.Position >= newest.Position {
			newest = r
		}
	}
	for name, pattern := range map[string]string{"its files": "wal/wal-0*", "the folder": "wal/*", "the newest file": "wal/wal-0*600-*"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			copyDir(t, prepared, dir)
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			if len(files) == 0 { // where it begins depends on how fast the log was sealed
				if files, err = filepath.Glob(filepath.Join(dir, "wal/wal-0*")); err != nil {
					t.Fatal(err)
				}
				files = files[len(files)-1:]
			}
			for _, f := range files {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				p := launch{dir: dir, size: small}.serve(t)
				l.judgeNumbers(t, p, newest)
				p.kill()
			}
			if code, said := check(dir); code != exitFailed || !reported(said, newest.Position) {
				t.Errorf("check exits with %d: %s", code, said)
			}
		})
	}
}

func (l *ledger) judgeNumbers(t *testing.T, p *process, newest annal.Receipt) {
	t.Helper()
	l.interrogate(t, p)
	c := p.client(t, -1)
	events := batch("beside", 6)
	for i := range events {
		events[i].EventID = ""
	}
	res, err := c.Append(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	tenants := map[string]string{}
	for id := range l.acked {
		i := strings.LastIndexByte(id, '-')
		tenants[id] = batch(id[:i], 50)[ordinal(t, id[i+1:])].Tenant
	}
	for i, r := range res.Events {
		for id, old := range l.acked {
			if r.Position == old.Position || r.Seq == old.Seq && tenants[id] == events[i].Tenant {
				t.Errorf("an event of %s is at %d with seq %d; %s was there", events[i].Tenant, r.Position, r.Seq, id)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []uint64
	var said annal.Gaps
	after := newest.Position
	_ = c.Tail(ctx, client.Tail{After: &after, Query: client.Query{Incomplete: func(g annal.Gaps) { said = g }}}, func(native json.RawMessage) error {
		e, err := client.ParseEvent(native)
		if seen = append(seen, e.Position); e.Position >= res.Events[len(events)-1].Position {
			cancel()
		}
		return err
	})
	if !slices.Contains(seen, res.Events[0].Position) || len(said) == 0 {
		t.Errorf("a tail behind %d sees %v, and is told that %q", after, seen, said)
	}
	if status, body := p.fetch(t, "/v1/events/"+newest.ID.String()); status != 500 || !strings.Contains(body, "log_damaged") {
		t.Errorf("a lost event is answered with %d %s", status, body)
	}
}

// ordinal is the place of an event in its batch.
func ordinal(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
