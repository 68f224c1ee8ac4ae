//go:build integration

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"annal"
	"annal/client"
	"annal/internal/annaltest"
)

// maxResident is what a server may take of memory, whatever is asked of it.
const maxResident = 800 << 20

// resident is the most memory that the process ever had.
func (p *process) resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the process's status has no VmHWM")
	return 0
}

// raceMemory is how many times more memory a process takes in which the race
// detector looks on: it notes who touched each word last.
const raceMemory = 5

// checkResident holds the process to most bytes of resident memory.
func (p *process) checkResident(t *testing.T, most int64) {
	t.Helper()
	got := p.resident(t)
	if annaltest.Raced {
		most *= raceMemory
	}
	t.Logf("%d MiB resident at most", got>>20)
	if got > most {
		t.Errorf("%d MiB were resident, at most %d are allowed", got>>20, most>>20)
	}
}

// holdings are what a server must give back: descriptors and goroutines.
func (p *process) holdings(t *testing.T) (descriptors, goroutines int) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	goroutines, err = strconv.Atoi(p.metric(t, "go_goroutines"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries), goroutines
}

// A crowd is everybody who is connected at once.
type crowd struct {
	t       *testing.T
	p       *process
	ctx     context.Context
	wg      sync.WaitGroup
	stored  atomic.Int64 // events
	closed  atomic.Bool  // nothing more is stored or asked
	scanned atomic.Int64 // questions
	tailed  atomic.Int64 // events, by all tails
	slowest atomic.Int64 // append, ns
}

// add has n members do something until the crowd goes.
func (c *crowd) add(n int, member func(i int)) {
	for i := range n {
		c.wg.Go(func() { member(i) })
	}
}

// dial opens a connection that ends with the crowd.
func (c *crowd) dial() (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.p.url, "http://"))
	if err != nil {
		c.t.Error(err)
		return nil, err
	}
	context.AfterFunc(c.ctx, func() { _ = conn.Close() })
	return conn, nil
}

func (c *crowd) header(method, path, accept string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + c.p.token + "\r\nAccept: " + accept + "\r\n"
}

// rest keeps a connection open that asks once and then says nothing more.
func (c *crowd) rest(int) {
	conn, err := c.dial()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, c.header("GET", "/v1/health", "*/*")+"\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); c.ctx.Err() == nil && !strings.Contains(line, " 200 ") {
		c.t.Errorf("health answers %q, %v", line, err)
	}
	<-c.ctx.Done()
}

// writeSlowly sends a batch a few bytes at a time.
func (c *crowd) writeSlowly(int) {
	conn, err := c.dial()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, c.header("POST", "/v1/events", "*/*")+"Content-Type: application/x-ndjson\r\nContent-Length: 1000000\r\n\r\n")
	for c.ctx.Err() == nil {
		if _, err := io.WriteString(conn, "      "); err != nil {
			return
		}
		c.sleep(50 * time.Millisecond)
	}
}

// readSlowly asks for the whole log and takes a little at a time.
func (c *crowd) readSlowly(int) {
	conn, err := c.dial()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, c.header("GET", "/v1/events", "application/x-ndjson")+"\r\n")
	b := make([]byte, 512)
	for c.ctx.Err() == nil {
		if _, err := conn.Read(b); err != nil {
			return
		}
		c.sleep(100 * time.Millisecond)
	}
}

func (c *crowd) sleep(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// scan asks what no index answers.
func (c *crowd) scan(i int) {
	asker := c.p.client(c.t, -1)
	for n := 0; !c.closed.Load() && c.ctx.Err() == nil; n++ {
		for _, err := range asker.Query(c.ctx, client.Query{Text: fmt.Sprintf("nowhere%d%d", i, n), Limit: 1}) {
			if err != nil && c.ctx.Err() == nil {
				c.t.Errorf("a question: %v", err)
			}
		}
		c.scanned.Add(1)
	}
}

// store appends batches of 200 events as fast as it may.
func (c *crowd) store(i int) {
	writer := c.p.client(c.t, -1)
	for n := 0; !c.closed.Load() && c.ctx.Err() == nil; n++ {
		events := batch(fmt.Sprintf("load-%d-%d", i, n), 200)
		start := time.Now()
		_, err := writer.Append(context.Background(), events)
		if err != nil {
			c.t.Errorf("append under load: %v", err)
			return
		}
		c.stored.Add(int64(len(events)))
		took := int64(time.Since(start))
		for old := c.slowest.Load(); took > old && !c.slowest.CompareAndSwap(old, took); old = c.slowest.Load() {
		}
	}
}

// A thousand connections at once, of which some read slowly, some write slowly,
// a hundred follow the log and some ask for all there is, while events come in:
// these keep coming, memory stays bounded, those who follow have seen each event
// once in the end, and when all are gone nothing of them is left.
func TestCrowdsAreBorne(t *testing.T) {
	p := serve(t, t.TempDir())
	if _, err := p.client(t, -1).Append(t.Context(), batch("first", 100)); err != nil {
		t.Fatal(err)
	}
	descriptors, goroutines := p.holdings(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	c := &crowd{t: t, p: p, ctx: ctx}
	var writers, tails sync.WaitGroup
	for i := range 4 {
		writers.Go(func() { c.store(i) })
	}
	c.await("stores", &c.stored, 10_000)
	for i, f := range c.tailings(100) {
		tails.Go(func() { f.run(c, i) })
	}
	c.add(100, c.readSlowly)
	c.add(100, c.writeSlowly)
	c.add(4, c.scan)
	c.add(700, c.rest)
	began, before := time.Now(), c.stored.Load()
	time.Sleep(time.Duration(number(t, "ANNAL_CROWD_SECONDS", 6)) * time.Second)
	c.await("stores", &c.stored, before+10_000)
	c.await("scans", &c.scanned, 1)
	c.await("follows", &c.tailed, 100)
	rate := float64(c.stored.Load()-before) / time.Since(began).Seconds()
	c.closed.Store(true)
	writers.Wait()
	if _, err := p.client(t, -1).Append(t.Context(), batch(lastWords, 3)); err != nil {
		t.Fatal(err)
	}
	tails.Wait()
	leave()
	c.wg.Wait()
	t.Logf("%.0f events/s beside the crowd; slowest append %v; %d scans, %d events tailed",
		rate, time.Duration(c.slowest.Load()), c.scanned.Load(), c.tailed.Load())
	p.checkResident(t, maxResident)
	d, g := 0, 0
	if !annaltest.Comes(func() bool {
		d, g = p.holdings(t)
		return d <= descriptors+16 && g <= goroutines+16 // a few connections of this test's own may rest
	}) {
		t.Errorf("%d descriptors and %d goroutines are left, of %d and %d before", d, g, descriptors, goroutines)
	}
	p.stop(t)
}

// await waits until enough was done of what somebody does.
func (c *crowd) await(what string, done *atomic.Int64, enough int64) {
	c.t.Helper()
	if !annaltest.Comes(func() bool { return done.Load() >= enough }) {
		c.t.Errorf("who %s is starved: it was done %d times, want %d", what, done.Load(), enough)
	}
}

// Data that is made to hurt is refused, or kept and counted rightly, in bounded
// memory. ANNAL_HOSTILE multiplies it.
func TestHostileDataIsBorne(t *testing.T) {
	times := number(t, "ANNAL_HOSTILE", 1)
	p := serve(t, t.TempDir())
	c := p.client(t, -1)
	stored := 0
	send := func(n int, line func(i int) string) {
		t.Helper()
		const size = 1000
		for from := 0; from < n; from += size {
			var body strings.Builder
			for i := from; i < min(from+size, n); i++ {
				body.WriteString(line(i) + "\n")
			}
			if _, err := c.AppendNDJSON(t.Context(), []byte(body.String()), ""); err != nil {
				t.Fatal(err)
			}
		}
		stored += n
	}
	count := func(name string, q client.Query, want int) {
		t.Helper()
		var out lineCounter
		if err := c.Stream(t.Context(), q, client.NDJSON, &out); err != nil || int(out) != want {
			t.Errorf("%s: %d events come back, want %d; %v", name, out, want, err)
		}
	}
	const half = 1 << 19 // of a megabyte
	for name, deep := range map[string]string{
		"arrays": strings.Repeat("[", half) + strings.Repeat("]", half), "objects": strings.Repeat(`{"a":`, half/3) + "1" + strings.Repeat("}", half/3),
		"arrays that never end": strings.Repeat("[", 2*half), "objects that never end": strings.Repeat(`{"a":`, 2*half/5),
	} {
		body := `{"action":"read","actor":{"id":"user:a"},"extra":{"a":` + deep + `}}` // nothing else is wrong with it
		if _, err := c.AppendNDJSON(t.Context(), []byte(body), ""); err == nil || !strings.Contains(err.Error(), "answered 4") || !strings.Contains(err.Error(), "nests too deeply") {
			t.Errorf("a megabyte of nested %s: got %v, want a refusal for it", name, err)
		}
		if _, err := c.AppendNDJSON(t.Context(), []byte(deep), ""); err == nil || !strings.Contains(err.Error(), "answered 4") {
			t.Errorf("a megabyte of nested %s and nothing else: got %v, want a refusal", name, err)
		}
	}
	one := func(member string) func(int) string {
		return func(i int) string { return `{"action":"read",` + fmt.Sprintf(member, i) + `}` }
	}
	send(100_000*times, one(`"actor":{"id":"user:crowd"},"tenant":"tenant-%d"`))
	count("one event in each tenant", client.Query{Where: map[annal.Field][]string{annal.ActorID: {"user:crowd"}}}, 100_000*times)
	count("one of many tenants", client.Query{Where: map[annal.Field][]string{annal.Tenant: {"tenant-77"}}}, 1)
	send(200_000*times, one(`"actor":{"id":"user:%d"},"tenant":"whale"`))
	count("one of many identities", client.Query{Where: map[annal.Field][]string{annal.ActorID: {"user:4711"}}}, 1)
	send(20_000, one(`"actor":{"id":"user:instant"},"time":"2020-02-02T02:02:02.000000002Z","session":"s%d"`))
	instant := time.Date(2020, 2, 2, 2, 2, 2, 2, time.UTC)
	count("all at one nanosecond", client.Query{From: instant, To: instant}, 20_000)
	count("none a nanosecond later", client.Query{From: instant.Add(1), To: instant.Add(1)}, 0)
	send(9999, func(i int) string {
		return fmt.Sprintf(`{"action":"age","actor":{"id":"user:old"},"time":"%04d-01-01T00:00:00.000000001Z"}`, 9999-i)
	})
	checkYears(t, c)
	s, err := c.Summary(t.Context(), time.Time{}, time.Time{})
	if err != nil || s.Total != uint64(stored) {
		t.Errorf("the summary counts %d events of %d, %v", s.Total, stored, err)
	}
	p.checkResident(t, maxResident)
	p.stop(t)
}

// checkYears expects the events of the years 1 to 9999, each in its place. Those
// that annal.TimeKey cannot tell apart stand at the ends, in order of arrival.
func checkYears(t *testing.T, c *client.Client) {
	t.Helper()
	const least, most = 1677, 2262
	var near []int
	seen := map[int]bool{}
	aged := map[annal.Field][]string{annal.Action: {"age"}}
	for native, err := range c.Query(t.Context(), client.Query{Where: aged, Oldest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := client.ParseEvent(native)
		if err != nil {
			t.Fatal(err)
		}
		year := e.Time.Year()
		seen[year] = true
		switch {
		case year > least && year <= most:
			near = append(near, year)
		case (year <= least) != (len(near) == 0):
			t.Fatalf("year %d comes after %d nearer ones", year, len(near))
		}
	}
	if len(seen) != 9999 || len(near) != most-least || !slices.IsSorted(near) {
		t.Errorf("got %d years, %d of them near, want 9999 and %d in order", len(seen), len(near), most-least)
	}
	for _, year := range []int{2, 1677, 1678, 1969, 1970, 2038, 2261, 2263, 9998} {
		q := client.Query{Where: aged, From: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)}
		n := 0
		for _, err := range c.Query(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("year %d: got %d events, want 1", year, n)
		}
	}
}

// A lineCounter counts the lines that are written to it.
type lineCounter int

func (n *lineCounter) Write(p []byte) (int, error) {
	*n += lineCounter(strings.Count(string(p), "\n"))
	return len(p), nil
}
