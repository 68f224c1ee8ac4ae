//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"annal/client"
)

// lastWords is who acts in the last event of each tenant.
const lastWords = "last-words"

// A tailing is one of a crowd who follows the log from a place on: all of it or
// one tenant's. Both are numbered densely, so that each event that is missing,
// there twice, out of place or another's shows at once.
type tailing struct {
	client *client.Client
	tenant string // "": all
	number string // the member that counts
	after  uint64 // position of the latest event that was seen
	count  uint64 // its number
	seen   int
	cut    int // cuts the connection after so many events; 0: never
}

// tailings makes n of them, who all begin where the log ends now. A third see all
// of it, a third break off and go on, all have tokens of their own.
func (c *crowd) tailings(n int) []*tailing {
	end, err := strconv.ParseFloat(c.p.metric(c.t, "annal_log_events"), 64)
	if err != nil {
		c.t.Fatal(err)
	}
	out, admin := make([]*tailing, n), c.p.client(c.t, -1)
	for i := range out {
		f := &tailing{number: "position", after: uint64(end) - 1, count: uint64(end) - 1}
		if i%3 > 0 {
			f.tenant, f.number = fmt.Sprintf("t%d", i%3), "seq"
		}
		if i/3%3 == 0 {
			f.cut = 1000 + 100*i
		}
		made, err := admin.CreateToken(c.ctx, client.Token{Subject: fmt.Sprint("follower-", i), Tenant: f.tenant, Scopes: []string{"audit:read"}})
		if err != nil {
			c.t.Fatal(err)
		}
		if f.client, err = client.New(client.Config{Server: c.p.url, Token: made.Secret}); err != nil {
			c.t.Fatal(err)
		}
		out[i] = f
	}
	return out
}

// What ends a tailing's connection.
var (
	errCut   = errors.New("cut")
	errLast  = errors.New("all events are seen")
	errWrong = errors.New("not the event that comes next")
)

// run follows the log until the last event.
func (f *tailing) run(c *crowd, i int) {
	for {
		after := f.after
		err := f.client.Tail(c.ctx, client.Tail{After: &after}, func(e json.RawMessage) error {
			c.tailed.Add(1)
			return f.event(e)
		})
		switch {
		case errors.Is(err, errCut):
		case errors.Is(err, errLast):
			return
		default:
			c.t.Errorf("tail %d, of tenant %q, behind position %d: %v", i, f.tenant, f.after, err)
			return
		}
	}
}

// event takes the event that comes next.
func (f *tailing) event(e json.RawMessage) error {
	position, err := member(e, "position")
	if err != nil {
		return err
	}
	count, err := member(e, f.number)
	if err != nil {
		return err
	}
	others := f.tenant != "" && !bytes.Contains(e, []byte(`"tenant":"`+f.tenant+`"`))
	if others || position <= f.after || count != f.count+1 && (f.seen > 0 || f.tenant == "") {
		return fmt.Errorf("%w, behind %s %d: %s", errWrong, f.number, f.count, e)
	}
	f.after, f.count = position, count
	f.seen++
	switch {
	case bytes.Contains(e, []byte(`"user:`+lastWords+`"`)) && (f.tenant != "" || bytes.Contains(e, []byte(`"tenant":"t2"`))):
		return errLast
	case f.cut > 0 && f.seen%f.cut == 0:
		return errCut
	}
	return nil
}

// member is the number that is called name. Millions of events are looked at: it
// does not read the others.
func member(e []byte, name string) (uint64, error) {
	_, rest, found := bytes.Cut(e, []byte(`"`+name+`":`))
	if !found {
		return 0, fmt.Errorf("an event without %s: %s", name, e)
	}
	end := bytes.IndexAny(rest, ",}")
	return strconv.ParseUint(string(rest[:max(end, 0)]), 10, 64)
}
