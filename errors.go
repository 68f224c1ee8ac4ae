package annal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	// ErrNotFound: there is no such thing, or the caller must not know of it.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the log refuses writes until its disk works again.
	ErrUnavailable = errors.New("the log cannot be written to at present")
	// ErrClosed: the log is shut.
	ErrClosed = errors.New("the log is closed")
	// ErrBusy: there are as many questions, or as much of them is held in memory,
	// as is allowed.
	ErrBusy = errors.New("the server has as much to do as it may; try again later")
	// ErrDamaged: what is asked for needs a part of the log that is damaged.
	ErrDamaged = errors.New("a part of the log that this needs is damaged")
	// ErrTooCostly: a query ran into its deadline or its memory bound.
	ErrTooCostly = errors.New("the query needs more time or memory than is allowed; narrow its times or filters")
)

// A Pause, in place of an error, is how the fn of a scan has it wait until Ready is
// closed: the scan then does not hold up others.
type Pause struct{ Ready <-chan struct{} }

// Error says what it is.
func (*Pause) Error() string { return "the scan shall wait" }

// A Problem is one thing wrong with an input.
type Problem struct {
	Index   int    // which event of a batch, or line of a body; -1 when it is about the whole
	Field   string // which member or parameter; "" when it is about the whole
	Problem string // what was wrong and what is allowed
}

// An InvalidError says why an input was refused. It never quotes values that
// may be secret.
type InvalidError struct {
	Problems []Problem // at least one, at most MaxProblems
	More     int       // problems beyond those listed
}

// MaxProblems bounds the problems that one answer lists.
const MaxProblems = 100

// Invalid returns an InvalidError about one field.
func Invalid(field, format string, args ...any) *InvalidError {
	return &InvalidError{Problems: []Problem{{-1, field, fmt.Sprintf(format, args...)}}}
}

// Add notes one more problem.
func (e *InvalidError) Add(index int, field, problem string) {
	if len(e.Problems) == MaxProblems {
		e.More++
		return
	}
	e.Problems = append(e.Problems, Problem{index, field, problem})
}

// Error lists the problems.
func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Index >= 0 {
			b.WriteString("event " + strconv.Itoa(p.Index) + ": ")
		}
		if p.Field != "" {
			b.WriteString(p.Field + ": ")
		}
		b.WriteString(p.Problem)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	return b.String()
}

// A ConflictError says that an id or key was used before with other content.
type ConflictError struct {
	Index int    // which event; -1 when it is the key of the whole batch
	Field string // "event_id" or "Idempotency-Key"
}

func (e *ConflictError) Error() string {
	if e.Index < 0 {
		return e.Field + " was used before with other content"
	}
	return fmt.Sprintf("event %d: %s was used before with other content", e.Index, e.Field)
}

// A ForbiddenError says what the caller may not do.
type ForbiddenError struct {
	Index  int // which event of a batch; -1: the request as a whole
	Reason string
}

func (e *ForbiddenError) Error() string { return e.Reason }
