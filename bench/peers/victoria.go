package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"annal"
)

// victoriaPeer is VictoriaLogs over HTTP. It acknowledges before it syncs: what
// came in within the last seconds is lost with the machine.
type victoriaPeer struct {
	binary string
	cmd    *exec.Cmd
	http   http.Client
}

func newVictoria(binary string) *victoriaPeer { return &victoriaPeer{binary: binary} }

func (p *victoriaPeer) name() string    { return "victorialogs" }
func (p *victoriaPeer) available() bool { return p.binary != "" }
func (p *victoriaPeer) durable() bool   { return false }

const victoriaAddress = "127.0.0.1:19429"

func (p *victoriaPeer) start(ctx context.Context, dir string) error {
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd = exec.Command(p.binary, "-storageDataPath", filepath.Join(dir, "data"), "-httpListenAddr", victoriaAddress,
		"-retentionPeriod", "400d", "-search.maxQueryDuration", "5m", "-loggerLevel", "WARN")
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.http.Transport = &http.Transport{MaxIdleConnsPerHost: singleWriters, DisableCompression: true}
	for {
		if _, err := p.get(ctx, "/health", nil, nil); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *victoriaPeer) insert(ctx context.Context, b batch) error {
	var body []byte
	for i := b.first; i < b.last; i++ {
		body = b.gen.AppendNative(body, i)
	}
	request, err := http.NewRequestWithContext(ctx, "POST",
		"http://"+victoriaAddress+"/insert/jsonline?_time_field=time&_msg_field=action&_stream_fields=tenant", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("insert: %s: %s", answer.Status, said)
	}
	return err
}

// get asks and hands on the answer's lines; it returns how many there were.
func (p *victoriaPeer) get(ctx context.Context, path string, v url.Values, line func([]byte) error) (n int, err error) {
	request, err := http.NewRequestWithContext(ctx, "POST", "http://"+victoriaAddress+path, strings.NewReader(v.Encode()))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := p.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		said, _ := io.ReadAll(answer.Body)
		return 0, fmt.Errorf("%s: %s: %s", path, answer.Status, said)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); n++ {
		if line == nil {
			continue
		}
		if err := line(lines.Bytes()); err != nil {
			return n, err
		}
	}
	return n, lines.Err()
}

func (p *victoriaPeer) query(ctx context.Context, text string, line func([]byte) error) (int, error) {
	return p.get(ctx, "/select/logsql/query", url.Values{"query": {text}}, line)
}

var victoriaField = map[annal.Field]string{
	annal.Action: "_msg", annal.ActorID: "actor.id", annal.ResourcePath: "resource.path", annal.RequestID: "request.id",
}

// selection writes a query as LogsQL.
func selection(q *annal.Query) string {
	parts := []string{"*"}
	if !q.Since.IsZero() || !q.Until.IsZero() {
		since, until := "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
		if !q.Since.IsZero() {
			since = annal.FormatTime(q.Since, 9)
		}
		if !q.Until.IsZero() {
			until = annal.FormatTime(q.Until, 9)
		}
		parts = append(parts, "_time:["+since+", "+until+")")
	}
	for _, f := range q.Where {
		switch {
		case f.Fields[0] == annal.ResultOutcome:
			parts = append(parts, "outcome:*") // it is written for failures only
		case f.Prefix:
			parts = append(parts, strconv.Quote(victoriaField[f.Fields[0]])+":="+strconv.Quote(f.Values[0]+"/")+"*")
		default:
			parts = append(parts, strconv.Quote(victoriaField[f.Fields[0]])+":="+strconv.Quote(f.Values[0]))
		}
	}
	for _, word := range annal.Words(q.Text) {
		var any []string
		for _, field := range []string{"resource.path", "actor.id", "message", "source.user_agent", "extra.ticket", "extra.mount", "extra.rotation_reason"} {
			any = append(any, strconv.Quote(field)+":i("+strconv.Quote(word)+")")
		}
		parts = append(parts, "("+strings.Join(any, " or ")+")")
	}
	return strings.Join(parts, " ")
}

func (p *victoriaPeer) page(ctx context.Context, q *annal.Query) (int, error) {
	return p.query(ctx, fmt.Sprintf("%s | sort by (_time desc) limit %d", selection(q), q.Limit), nil)
}

func (p *victoriaPeer) export(ctx context.Context, limit int) (int, error) {
	return p.query(ctx, fmt.Sprintf("* | limit %d", limit), nil)
}

func (p *victoriaPeer) sum(ctx context.Context, q *annal.Query, by []annal.Field) (total uint64, err error) {
	_, err = p.query(ctx, selection(q)+` | stats count() n, count() if (outcome:*) failed`, func(line []byte) error {
		_, rest, _ := bytes.Cut(line, []byte(`"n":"`))
		digits, _, _ := bytes.Cut(rest, []byte(`"`))
		total, err = strconv.ParseUint(string(digits), 10, 64)
		return err
	})
	for _, f := range by {
		if err != nil {
			return total, err
		}
		_, err = p.query(ctx, fmt.Sprintf("%s | stats by (%q) count() n, max(_time) last | sort by (n desc) limit 25", selection(q), victoriaField[f]), nil)
	}
	return total, err
}

func (p *victoriaPeer) dropIndexes(context.Context) error { return nil }
func (p *victoriaPeer) makeIndexes(context.Context) error { return nil }

// victoriaDelay is how long it takes, at most, until what was acknowledged can
// be found and is on disk.
const victoriaDelay = 8 * time.Second

func (p *victoriaPeer) finish(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(victoriaDelay):
		return nil
	}
}

func (p *victoriaPeer) cpu() float64 { return treeCPU(p.cmd.Process.Pid) }

func (p *victoriaPeer) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.cmd.Wait()
}
