package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"annal"
)

// maxErrorBytes bounds how much of a refusal is read.
const maxErrorBytes = 1 << 20

// An Error is a refusal by the server.
type Error struct {
	Status     int
	Code       string          // short and stable, such as "invalid_cursor"; may be ""
	Detail     string          // for people
	RequestID  string          // to find the request in the server's log
	Problems   []annal.Problem // what is wrong with which event or parameter
	More       int             // problems beyond those listed
	RetryAfter time.Duration   // how long the server asks to be left alone
}

// Error says what the server said.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the server answered %d", e.Status)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	} else if t := http.StatusText(e.Status); t != "" {
		b.WriteString(" " + t)
	}
	if len(e.Problems) > 0 {
		listed := annal.InvalidError{Problems: e.Problems, More: e.More}
		if s := listed.Error(); !strings.Contains(e.Detail, s) {
			b.WriteString(": " + s)
		}
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable:
		return true
	}
	return false
}

// An UnreachableError says that the server could not be spoken to.
type UnreachableError struct {
	Server string
	Err    error
}

// Error names the server and the cause.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot reach %s: %v", e.Server, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// problem is a refusal: application/problem+json (RFC 9457) as annal's own API
// fills it, or the envelope of ScaiVault's.
type problem struct {
	Envelope struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	} `json:"error"`
	Type      string `json:"type"`
	Title     string `json:"title"`
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	More      int    `json:"more"`
	Problems  []struct {
		Index   *int   `json:"index"`
		Field   string `json:"field"`
		Problem string `json:"problem"`
	} `json:"problems"`
}

// readError turns a refusal into an Error. What is no problem document, such as
// a proxy's page, is left out but for its status.
func readError(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-ID"), RetryAfter: retryAfter(resp.Header)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	var p problem
	if err != nil || json.Unmarshal(body, &p) != nil {
		return e
	}
	e.Code, e.More = cmp.Or(p.Code, p.Envelope.Code), p.More
	e.Detail = cmp.Or(p.Detail, p.Envelope.Message, p.Title)
	e.RequestID = cmp.Or(p.RequestID, p.Envelope.RequestID, e.RequestID)
	for _, q := range p.Problems {
		index := -1
		if q.Index != nil {
			index = *q.Index
		}
		e.Problems = append(e.Problems, annal.Problem{Index: index, Field: q.Field, Problem: q.Problem})
	}
	return e
}
