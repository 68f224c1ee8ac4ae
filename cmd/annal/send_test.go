package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annal"
	"annal/client"
)

// picky is a server that takes a batch only when every event is good. It says
// which are bad, at most so many at a time, or nothing at all.
type picky struct {
	names int
	taken []string
}

func (p *picky) AppendNDJSON(_ context.Context, body []byte, _ string) (client.Result, error) {
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	refusal := &client.Error{Status: 422}
	bad := 0
	for i, l := range lines {
		if !strings.HasPrefix(l, "bad") {
			continue
		}
		if bad++; bad <= p.names {
			refusal.Problems = append(refusal.Problems, annal.Problem{Index: i, Field: "f", Problem: "bad"})
		}
	}
	if bad > 0 {
		return client.Result{}, refusal
	}
	p.taken = append(p.taken, lines...)
	return client.Result{Accepted: len(lines)}, nil
}

// Whatever the server says about a refused batch, the good events get in, in
// order, and the bad ones are counted and named.
func TestSenderGetsTheGoodEventsIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		server := &picky{names: rapid.IntRange(0, 3).Draw(t, "problems named")}
		bad := rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(t, "bad")
		var complaints strings.Builder
		s := &sender{client: server, complain: &complaints}
		var lines []line
		var want []string
		wrong := 0
		for i, b := range bad {
			text := fmt.Sprintf("good %d", i)
			if b {
				text = fmt.Sprintf("bad %d", i)
				wrong++
			} else {
				want = append(want, text)
			}
			lines = append(lines, line{json: []byte(text), file: "f", order: i + 1})
		}
		if err := s.send(t.Context(), lines); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(server.taken, ","); got != strings.Join(want, ",") {
			t.Errorf("got in: %s\nwant: %s", got, strings.Join(want, ","))
		}
		if want := (tally{accepted: len(want), refused: wrong}); s.tally != want {
			t.Errorf("got %v, want %v", s.tally, want)
		}
		for i, b := range bad {
			if named := strings.Contains(complaints.String(), fmt.Sprintf("f: event %d (): refused", i+1)); named != b {
				t.Errorf("line %d: complained about: %v, want %v", i+1, named, b)
			}
		}
	})
}

// denying refuses everybody.
type denying struct{}

func (denying) AppendNDJSON(context.Context, []byte, string) (client.Result, error) {
	return client.Result{}, &client.Error{Status: 403}
}

func TestSenderStopsWhenItIsDenied(t *testing.T) {
	s := &sender{client: denying{}, complain: io.Discard}
	if err := s.send(t.Context(), []line{{json: []byte("{}")}}); err == nil || s.tally.refused != 0 {
		t.Errorf("got %v, %v, want an error and nothing counted as refused", err, s.tally)
	}
}
