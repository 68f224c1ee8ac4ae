package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"annal"
)

// Limits of one Append; larger ones are the caller's to split.
const (
	MaxBatchEvents = 10_000
	MaxBatchBytes  = 16 << 20
)

// A Result says what became of a batch.
type Result struct {
	Accepted   int
	Duplicates int // were there before
	Events     []annal.Receipt
}

// Append stores the events durably, all of them or none. The log assigns what
// belongs to it (ID, Position, Seq, Received, Salt); these are not sent.
func (c *Client) Append(ctx context.Context, events []annal.Event) (Result, error) {
	var body []byte
	for i := range events {
		body = AppendInput(body, &events[i])
		body = append(body, '\n')
	}
	return c.AppendNDJSON(ctx, body, NewKey())
}

// AppendNDJSON stores native events, one a line. A call that is repeated with
// the same key and body stores nothing twice within 24 hours.
func (c *Client) AppendNDJSON(ctx context.Context, body []byte, key string) (Result, error) {
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	answer, err := c.whole(ctx, call{
		method: "POST", path: "/v1/events", accept: "application/json", header: header, body: body,
	})
	if err != nil {
		return Result{}, err
	}
	return readResult(answer)
}

func readResult(answer []byte) (Result, error) {
	var wire struct {
		Accepted   int `json:"accepted"`
		Duplicates int `json:"duplicates"`
		Events     []struct {
			ID        string `json:"id"`
			Seq       uint64 `json:"seq"`
			Position  uint64 `json:"position"`
			Duplicate bool   `json:"duplicate"`
		} `json:"events"`
	}
	if err := json.Unmarshal(answer, &wire); err != nil {
		return Result{}, fmt.Errorf("read the answer to an append: %w", err)
	}
	r := Result{Accepted: wire.Accepted, Duplicates: wire.Duplicates, Events: make([]annal.Receipt, len(wire.Events))}
	for i, e := range wire.Events {
		id, ok := annal.ParseID(e.ID)
		if !ok {
			return Result{}, fmt.Errorf("read the answer to an append: event %d has no id", i)
		}
		r.Events[i] = annal.Receipt{ID: id, Seq: e.Seq, Position: e.Position, Duplicate: e.Duplicate}
	}
	return r, nil
}

// timeMember is how the canonical form ends: time is its last member, and its
// nine digits make it as long for every event.
const timeMember = `,"time":"2006-01-02T15:04:05.000000000Z"}`

// AppendInput appends e as the native API reads it: the canonical form. An event
// without a time (or Untimed) leaves it to the server.
func AppendInput(b []byte, e *annal.Event) []byte {
	b = e.AppendCanonical(b)
	if e.Untimed || e.Time.IsZero() {
		b = append(b[:len(b)-len(timeMember)], '}')
	}
	return b
}
