package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"annal"
	"annal/client"
	"annal/internal/server"
	"annal/internal/vfs"
)

// The exit codes, which scripts depend on.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitDenied      = 4
	exitInterrupted = 130
)

// errSaid fails a command that has told the reason already.
var errSaid = errors.New("failed")

// A usageError is the caller's mistake on the command line or in a file.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// judge returns the exit code for err, and what to do next.
func judge(err error) (code int, advice string) {
	var (
		wrong       *usageError
		setting     *server.SettingError
		unreachable *client.UnreachableError
		refusal     *client.Error
	)
	switch {
	case errors.As(err, &wrong), errors.As(err, &setting):
		return exitUsage, ""
	case errors.Is(err, context.Canceled):
		return exitInterrupted, ""
	case errors.As(err, &unreachable):
		return exitUnreachable, adviseUnreachable(unreachable)
	case errors.As(err, &refusal):
		return judgeRefusal(refusal)
	case errors.Is(err, vfs.ErrLocked):
		return exitFailed, "One server at a time uses a data folder: stop that process, or give this one a folder of its own with --data."
	}
	return exitFailed, ""
}

func adviseUnreachable(err *client.UnreachableError) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "Is annal running? Start it with \"annal serve\", or name another server with --server or ANNAL_SERVER."
	}
	return "Is " + err.Server + " the right address? Name another with --server or ANNAL_SERVER."
}

func judgeRefusal(e *client.Error) (int, string) {
	switch e.Status {
	case http.StatusUnauthorized:
		return exitDenied, "Give a valid token with --token or ANNAL_TOKEN, or --data DIR to use the admin token of a data folder on this machine."
	case http.StatusForbidden:
		return exitDenied, "The token lacks the scope or the tenant; \"annal token create --scope …\" makes one that has it."
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return exitUsage, ""
	}
	switch {
	case e.Detail == annal.ErrUnavailable.Error():
		return exitFailed, "The server refuses writes until its disk works again; its log and the metric annal_write_alarm say why."
	case e.Code == "":
		return exitFailed, "This is no answer of annal's. Is the address right? Name another with --server or ANNAL_SERVER."
	}
	return exitFailed, ""
}
