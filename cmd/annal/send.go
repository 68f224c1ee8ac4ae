package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"annal"
	"annal/client"
)

// Limits of one batch; below the server's own, so that a batch never comes back
// for its size alone.
const (
	batchEvents = 1000
	batchBytes  = 4 << 20 // but for an event that is larger by itself
)

// A line is one event to send and where it stands.
type line struct {
	json  []byte
	file  string
	order int    // among the file's events, from 1
	id    string // its event_id
}

// A tally counts what became of the events.
type tally struct{ accepted, duplicates, refused int }

// String is the last line of "annal append", which scripts read.
func (t tally) String() string {
	return fmt.Sprintf("accepted=%d duplicates=%d refused=%d", t.accepted, t.duplicates, t.refused)
}

// A sender sends events in batches. What the server refuses it names and leaves
// out, so that the good events of a batch get in.
type sender struct {
	client interface {
		AppendNDJSON(ctx context.Context, body []byte, key string) (client.Result, error)
	}
	complain io.Writer

	tally tally
}

// all sends batches until there are no more or one cannot be sent.
func (s *sender) all(ctx context.Context, batches <-chan []line) error {
	for batch := range batches {
		if err := s.send(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// send brings in all of lines that the server takes. Every event carries its own
// id, so that sending one again is harmless and the batch needs no key.
func (s *sender) send(ctx context.Context, lines []line) error {
	for len(lines) > 0 {
		res, err := s.client.AppendNDJSON(ctx, join(lines), "")
		var refusal *client.Error
		switch {
		case err == nil:
			s.tally.duplicates += res.Duplicates
			s.tally.accepted += len(lines) - res.Duplicates
			return nil
		case !errors.As(err, &refusal) || !aboutEvents(refusal.Status):
			return err
		}
		rest := s.drop(lines, refusal.Problems)
		if len(rest) == len(lines) { // the answer does not say which: halve until it is one
			if len(lines) == 1 {
				s.refuse(lines[0], refusal.Error())
				return nil
			}
			if err := s.send(ctx, lines[:len(lines)/2]); err != nil {
				return err
			}
			rest = lines[len(lines)/2:]
		}
		lines = rest
	}
	return nil
}

// aboutEvents reports whether a status refuses what the events are, rather than
// who sends them or the time.
func aboutEvents(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// drop refuses the lines that problems name and returns the others.
func (s *sender) drop(lines []line, problems []annal.Problem) []line {
	bad := map[int]bool{}
	for _, p := range problems {
		if p.Index < 0 || p.Index >= len(lines) {
			continue
		}
		if bad[p.Index] {
			fmt.Fprintf(s.complain, "%s: also: %s\n", where(lines[p.Index]), reasonOf(p))
			continue
		}
		bad[p.Index] = true
		s.refuse(lines[p.Index], reasonOf(p))
	}
	rest := make([]line, 0, len(lines)-len(bad))
	for i, l := range lines {
		if !bad[i] {
			rest = append(rest, l)
		}
	}
	return rest
}

func (s *sender) refuse(l line, reason string) {
	s.tally.refused++
	fmt.Fprintf(s.complain, "%s: refused: %s\n", where(l), reason)
}

func where(l line) string { return fmt.Sprintf("%s: event %d (%s)", l.file, l.order, l.id) }

func reasonOf(p annal.Problem) string {
	if p.Field == "" {
		return p.Problem
	}
	return p.Field + ": " + p.Problem
}

func join(lines []line) []byte {
	n := 0
	for _, l := range lines {
		n += len(l.json) + 1
	}
	body := make([]byte, 0, n)
	for _, l := range lines {
		body = append(append(body, l.json...), '\n')
	}
	return body
}
