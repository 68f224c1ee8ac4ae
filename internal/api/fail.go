package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"annal"
	"annal/internal/identity"
)

// A Failure is what went wrong, as dialects get to spell it.
type Failure struct {
	Status    int
	Code      string // for programs, in ScaiVault's words
	Message   string // for people
	RequestID string
	Problems  []annal.Problem // with the input, if that was it
	More      int             // problems beyond those

	details    []detail // the same, as ScaiKey says it
	allow      string   // methods, for 405
	retryAfter int      // seconds; 0: not said
}

// A fault is an error of the HTTP layer itself.
type fault struct {
	status  int
	code    string
	message string
	allow   string
	retry   int
}

func (f *fault) Error() string { return f.message }

// A goneError is an answer that could not be sent to its end.
type goneError struct{ error }

func (e goneError) Unwrap() error { return e.error }

// bodyError marks problems with a body rather than with parameters.
type bodyError struct{ *annal.InvalidError }

func (e bodyError) Unwrap() error { return e.InvalidError }

// malformedError marks a body that is not even JSON.
type malformedError struct{ *annal.InvalidError }

func (e malformedError) Unwrap() error { return e.InvalidError }

var (
	errNoRoute       = &fault{status: http.StatusNotFound, code: "not_found", message: "there is nothing at this path"}
	errInvalidPath   = &fault{status: http.StatusBadRequest, code: "invalid_path", message: "the path is empty, too long or not UTF-8"}
	errInvalidCursor = &fault{status: http.StatusBadRequest, code: "invalid_cursor", message: "the cursor is not one that this query returned; begin again without it"}
)

// damagedMessage says to the caller what they can do, and to the operator what is
// theirs to do. Which file it is stands in the server's log alone.
const damagedMessage = "a part of the log that this question needs is damaged; other questions are answered. Narrow this one, or have the operator look for the request id in the server's log and run annal check"

// issuerUnavailable is the code of tokens that cannot be checked at present.
const issuerUnavailable = "issuer_unavailable"

// Seconds that a client is told to wait before it tries again.
const (
	retryUnavailable = 5
	retryBusy        = 2
	retryTails       = 15
)

// notFound says that there is no such thing.
func notFound(thing string) error {
	return &fault{status: http.StatusNotFound, code: thing + "_not_found", message: "there is no such " + thing}
}

// asNotFound says what it is that was not found.
func asNotFound(err error, thing string) error {
	if errors.Is(err, annal.ErrNotFound) {
		return notFound(thing)
	}
	return err
}

// statusOf is the only translation from errors to HTTP.
func statusOf(err error, d *Dialect) Failure {
	var (
		own     *fault
		refused interface{ AuthCode() string }
		tooFast interface {
			AuthCode() string
			RetryAfter() time.Duration
		}
		broken   malformedError
		body     bodyError
		invalid  *annal.InvalidError
		conflict *annal.ConflictError
		denied   *annal.ForbiddenError
		detailed *unprocessable
	)
	switch {
	case errors.As(err, &own):
		return Failure{Status: own.status, Code: own.code, Message: own.message, allow: own.allow, retryAfter: own.retry}
	case errors.As(err, &tooFast):
		seconds := int((tooFast.RetryAfter() + time.Second - 1) / time.Second)
		f := Failure{Status: http.StatusTooManyRequests, Code: tooFast.AuthCode(), Message: err.Error(), retryAfter: max(1, seconds)}
		if f.Code == issuerUnavailable {
			f.Status = http.StatusServiceUnavailable
		}
		return f
	case errors.As(err, &refused):
		return Failure{Status: http.StatusUnauthorized, Code: refused.AuthCode(), Message: err.Error()}
	case errors.As(err, &detailed):
		return Failure{Status: http.StatusUnprocessableEntity, Code: "validation_error", Message: detailed.Error(), details: detailed.details}
	case errors.As(err, &broken):
		f := inputFailure(http.StatusBadRequest, broken.InvalidError)
		f.Code = "invalid_request"
		return f
	case errors.As(err, &body):
		return bodyFailure(body.InvalidError)
	case errors.As(err, &invalid):
		return inputFailure(d.BadParam, invalid)
	case errors.As(err, &conflict):
		return Failure{
			Status: http.StatusConflict, Code: "conflict", Message: conflict.Error(),
			Problems: []annal.Problem{{Index: conflict.Index, Field: conflict.Field, Problem: "was used before with other content"}},
		}
	case errors.As(err, &denied):
		return deniedFailure(denied)
	case errors.Is(err, identity.ErrExists):
		return Failure{Status: http.StatusConflict, Code: "conflict", Message: identity.ErrExists.Error()}
	case errors.Is(err, annal.ErrNotFound):
		return Failure{Status: http.StatusNotFound, Code: "not_found", Message: "there is no such thing"}
	case errors.Is(err, annal.ErrUnavailable), errors.Is(err, annal.ErrClosed):
		return Failure{Status: http.StatusServiceUnavailable, Code: "service_unavailable", Message: annal.ErrUnavailable.Error(), retryAfter: retryUnavailable}
	case errors.Is(err, annal.ErrBusy):
		return Failure{Status: http.StatusServiceUnavailable, Code: "service_unavailable", Message: annal.ErrBusy.Error(), retryAfter: retryBusy}
	case errors.Is(err, annal.ErrDamaged):
		return Failure{Status: http.StatusInternalServerError, Code: "log_damaged", Message: damagedMessage}
	case errors.Is(err, annal.ErrTooCostly):
		return Failure{Status: http.StatusUnprocessableEntity, Code: "query_too_costly", Message: annal.ErrTooCostly.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return Failure{Status: http.StatusGatewayTimeout, Code: "timeout", Message: "the request took longer than is allowed; narrow its times or filters"}
	}
	return Failure{Status: http.StatusInternalServerError, Code: "internal_error", Message: "something went wrong on the server; its log has the request id"}
}

// bodyFailure tells a body that is not of the right shape from one whose events
// have wrong members.
func bodyFailure(e *annal.InvalidError) Failure {
	for _, p := range e.Problems {
		if p.Field == "" {
			f := inputFailure(http.StatusBadRequest, e)
			f.Code = "invalid_request"
			return f
		}
	}
	return inputFailure(http.StatusUnprocessableEntity, e)
}

func inputFailure(status int, e *annal.InvalidError) Failure {
	return Failure{Status: status, Code: "validation_error", Message: firstProblem(e), Problems: e.Problems, More: e.More}
}

// firstProblem puts the first of e's problems into a sentence.
func firstProblem(e *annal.InvalidError) string {
	if len(e.Problems) == 0 {
		return "the input is not valid"
	}
	first := annal.InvalidError{Problems: e.Problems[:1], More: e.More + len(e.Problems) - 1}
	return first.Error()
}

func deniedFailure(e *annal.ForbiddenError) Failure {
	f := Failure{Status: http.StatusForbidden, Code: "tenant_access_denied", Message: e.Reason}
	if e.Index >= 0 {
		f.Message = "event " + strconv.Itoa(e.Index) + ": " + e.Reason
		f.Problems = []annal.Problem{{Index: e.Index, Field: annal.Tenant.String(), Problem: e.Reason}}
	}
	return f
}
