package api

import (
	"net/http"

	"annal"
)

// An answer from which events may be missing, because a part of the log is lost,
// says so. That is nobody's to forget: whatever a verb asks goes through a Reader
// that notes what is missing from the answer, and the header of the answer names
// it, in every dialect, as bodies there are not annal's to change. A count in
// such an answer is the least that it can be.
//
// Positions of the whole log say no more of other tenants than those that annal's
// own dialect shows with each event, and whose events are missing nobody knows.

// IncompleteHeader is the header that names what is missing from an answer, in
// the words of [annal.Gaps].
const IncompleteHeader = "Annal-Incomplete"

// noteMissing notes what is missing from what q selects.
func (c *Call) noteMissing(g annal.Gaps) {
	if len(g) > 0 {
		c.missing = c.missing.With(g)
	}
}

// tellMissing puts into the header of an answer, which begins with it, what is
// missing from the answer.
func (c *Call) tellMissing(status int) {
	if len(c.missing) > 0 && status < http.StatusMultipleChoices {
		c.w.Header().Set(IncompleteHeader, c.missing.String())
	}
}

// appendMissing writes the native member "incomplete" of an answer from which
// something is missing.
func (c *Call) appendMissing() {
	if len(c.missing) == 0 {
		return
	}
	w := &c.out
	w.name("incomplete")
	w.open('{')
	w.name("positions")
	w.open('[')
	for _, g := range c.missing {
		w.open('{')
		w.uintMember("first", g.From)
		w.uintMember("last", g.To-1)
		w.close('}')
	}
	w.close(']')
	w.close('}')
}
