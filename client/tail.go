package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"annal"
)

// A Tail is what to follow.
type Tail struct {
	Query Query   // which events; its times, order and limit do not apply, its Incomplete does at each connection
	After *uint64 // begin behind this position; nil: with what comes next
	// Connected is called once, when the server has begun to follow the log and
	// before the first event; nil: nothing is.
	Connected func() error
}

// Tail passes to fn every event that what selects as it is stored, in order of
// position. It goes on through dropped connections and restarts of the server,
// without gaps or repetitions, until ctx ends, fn returns an error or the server
// refuses for good. (Without After there is no place to go on from until the
// first event has come: until then a new connection begins with what comes next.)
func (c *Client) Tail(ctx context.Context, what Tail, fn func(json.RawMessage) error) error {
	params := what.Query.values()
	for _, name := range []string{"order", "from", "to"} {
		params.Del(name)
	}
	t := tail{fn: fn, connected: what.Connected, query: &what.Query}
	if what.After != nil {
		t.last = strconv.FormatUint(*what.After, 10)
	}
	for {
		err := c.follow(ctx, params, &t)
		var stop *stopError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &stop):
			return stop.err
		case err != nil:
			return err
		}
		if err := c.cfg.Sleep(ctx, firstWait); err != nil {
			return err
		}
	}
}

// tail remembers where a tail has come to.
type tail struct {
	last      string // id of the last message that fn has seen
	connected func() error
	fn        func(json.RawMessage) error
	query     *Query
	missing   annal.Gaps // as the caller was told
}

// stopError marks an error of the caller's own function.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow reads one connection to its end. It returns nil when the connection
// broke off and it is worth going on behind t.last.
func (c *Client) follow(ctx context.Context, params map[string][]string, t *tail) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{}
	if t.last != "" {
		header["Last-Event-ID"] = []string{t.last}
	}
	resp, err := c.do(ctx, call{
		method: "GET", path: "/v1/events/tail", query: params, accept: "text/event-stream", header: header,
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	t.query.tell(missingFrom(resp), &t.missing)
	if t.connected != nil {
		if err := t.connected(); err != nil {
			return &stopError{err}
		}
		t.connected = nil
	}
	// The server sends a heartbeat when it has nothing to say; silence means that it is gone.
	idle := time.AfterFunc(idleTimeout, cancel)
	defer idle.Stop()
	return t.read(resp.Body, func() { idle.Reset(idleTimeout) })
}

// read takes server-sent events from r and calls alive for each line.
func (t *tail) read(r io.Reader, alive func()) error {
	var id string
	var data []byte
	for line, err := range lines(r) {
		if err != nil {
			return nil // broken off
		}
		alive()
		if len(line) > 0 {
			id, data = field(line, id, data)
			continue
		}
		if len(data) > 1 {
			if err := t.fn(data[:len(data)-1]); err != nil {
				return &stopError{err}
			}
		}
		if id != "" {
			t.last = id
		}
		id, data = "", data[:0]
	}
	return nil
}

// field adds one line of a server-sent event to its id and data, each line of
// which ends with a line feed.
func field(line []byte, id string, data []byte) (string, []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		id = string(value)
	case "data":
		data = append(append(data, value...), '\n')
	}
	return id, data
}
