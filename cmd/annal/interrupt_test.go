package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// An idle input calls asked when it is read, and has nothing until it is closed.
type idle struct {
	asked  func()
	closed chan struct{}
}

func (i idle) Read([]byte) (int, error) {
	i.asked()
	<-i.closed
	return 0, io.EOF
}

// Interrupting ends a command at once, whatever it waits for, with the code that
// says so.
func TestInterruptedWhileWaiting(t *testing.T) {
	t.Run("for input", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := idle{cancel, make(chan struct{})}
		defer close(in.closed)
		var out, errs strings.Builder
		if code := run(ctx, &env{in: in, out: &out, err: &errs}, []string{"append"}); code != exitInterrupted {
			t.Errorf("got %d, %s; want %d", code, errs.String(), exitInterrupted)
		}
	})
	t.Run("for a server", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var out strings.Builder
		errs := told{cancel}
		if code := run(ctx, &env{in: strings.NewReader(""), out: &out, err: errs}, []string{"query", "--server", "http://127.0.0.1:1"}); code != exitInterrupted {
			t.Errorf("got %d, want %d", code, exitInterrupted)
		}
	})
}

// told calls a function when something is written, such as that it is tried again.
type told struct{ then func() }

func (w told) Write(b []byte) (int, error) {
	w.then()
	return len(b), nil
}
