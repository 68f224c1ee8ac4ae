package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"annal"
)

// streamChunk is how much of a stream is gathered before it is sent.
const streamChunk = 128 << 10

// streamRoom is the room that a stream takes: one chunk is sent while the next is
// gathered.
const streamRoom = 320 << 10

// largeChunk is the size from which a piece takes more than its part of streamRoom.
const largeChunk = streamRoom - streamChunk

// An encoding spells events one after another.
type encoding struct {
	mediaType string
	begin     func(b []byte) []byte
	add       func(b []byte, e *annal.Event) []byte
	end       func(b []byte) []byte // of a document, where it has one
}

// ndjson is one event a line.
func ndjson() encoding {
	return encoding{
		mediaType: "application/x-ndjson",
		begin:     func(b []byte) []byte { return b },
		add:       func(b []byte, e *annal.Event) []byte { return append(e.AppendJSON(b), '\n') },
	}
}

// table is CSV (RFC 4180): what the log assigned, the time, then a column for
// each of [annal.Fields].
func table() encoding {
	return encoding{mediaType: "text/csv; charset=utf-8; header=present", begin: appendHeading, add: appendRow}
}

func appendHeading(b []byte) []byte {
	b = append(b, "id,position,seq,received,time"...)
	for _, f := range annal.Fields {
		b = append(append(b, ','), f.Name...)
	}
	return append(b, '\r', '\n')
}

func appendRow(b []byte, e *annal.Event) []byte {
	b = append(e.ID.AppendTo(b), ',')
	b = append(strconv.AppendUint(b, e.Position, 10), ',')
	b = append(strconv.AppendUint(b, e.Seq, 10), ',')
	b = append(annal.AppendTime(b, e.Received, 6), ',')
	b = annal.AppendTime(b, e.Time, 9)
	for f := range annal.NumTexts {
		b = appendCell(append(b, ','), *e.Text(f))
	}
	b = append(append(b, ','), e.Outcome.String()...)
	b = append(append(b, ','), e.Severity.String()...)
	b = strconv.AppendInt(append(b, ','), int64(e.Request.Status), 10)
	b = annal.AppendNumber(append(b, ','), annal.Milliseconds(e.Request.Duration))
	return append(b, '\r', '\n')
}

// appendCell quotes a text where that is needed. Text that a spreadsheet would
// run as a formula gets an apostrophe in front.
func appendCell(b []byte, v string) []byte {
	if v == "" {
		return b
	}
	guarded := strings.IndexByte("=+-@\t\r\n", v[0]) >= 0
	if !guarded && !strings.ContainsAny(v, ",\"\r\n") && v[0] != ' ' {
		return append(b, v...)
	}
	b = append(b, '"')
	if guarded {
		b = append(b, '\'')
	}
	for i := range len(v) {
		if v[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, v[i])
	}
	return append(b, '"')
}

// stream answers with every event that the question selects, without holding
// more than a chunk of them.
func stream(p Params, enc encoding) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		return c.pour(a.Query, enc)
	}
}

// pour sends every event that q selects.
func (c *Call) pour(q annal.Query, enc encoding) error {
	if !c.answer(streamRoom) {
		return annal.ErrBusy
	}
	ctx, cancel := context.WithTimeout(c.Context(), c.s.StreamTimeout)
	defer cancel()
	c.mediaType = enc.mediaType
	c.out.b = enc.begin(c.out.b)
	err := c.Scan(ctx, q, func(e *annal.Event) error {
		c.out.b = enc.add(c.out.b, e)
		return c.pass()
	})
	if err != nil {
		return err
	}
	if enc.end != nil {
		c.out.b = enc.end(c.out.b)
	}
	return c.finish()
}

// byAccept chooses among offers, of which the first is the default, by the
// Accept header.
func byAccept(offers ...offer) Verb {
	return func(c *Call) error {
		c.w.Header().Set("Vary", "Accept")
		best, most := -1, 0.0
		for i := range offers {
			if q := offers[i].quality(c.Header.Values("Accept")); q > most {
				best, most = i, q
			}
		}
		if best < 0 {
			return &fault{status: http.StatusNotAcceptable, code: "not_acceptable", message: "the answer can be " + mediaTypes(offers)}
		}
		return offers[best].do(c)
	}
}

// An offer is one form that an answer can take.
type offer struct {
	mediaTypes []string // the first is its name, the others are taken for it
	do         Verb
}

func mediaTypes(offers []offer) string {
	var names []string
	for _, o := range offers {
		names = append(names, o.mediaTypes[0])
	}
	return strings.Join(names, ", ")
}

// quality returns how much the Accept headers want o, 0 to 1.
func (o *offer) quality(accept []string) float64 {
	if strings.Trim(strings.Join(accept, ""), " ") == "" {
		return 1
	}
	most := 0.0
	for _, header := range accept {
		for _, part := range strings.Split(header, ",") {
			mediaType, params, _ := strings.Cut(part, ";")
			if q := weight(params); q > most && o.takes(strings.ToLower(strings.TrimSpace(mediaType))) {
				most = q
			}
		}
	}
	return most
}

func (o *offer) takes(mediaType string) bool {
	for _, m := range o.mediaTypes {
		family, _, _ := strings.Cut(m, "/")
		if mediaType == m || mediaType == "*/*" || mediaType == family+"/*" {
			return true
		}
	}
	return false
}

// weight reads the q of a media range; 1 when it has none or none that makes
// sense.
func weight(params string) float64 {
	for _, p := range strings.Split(params, ";") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(v, 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}
