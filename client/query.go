package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"time"

	"annal"
)

// A Query selects events, as the parameters of GET /v1/events do. All that is
// set must hold.
type Query struct {
	From  time.Time                // From ≤ time; zero: from the beginning
	To    time.Time                // time ≤ To, this very instant included; zero: without end
	Where map[annal.Field][]string // the field has one of the values
	Under string                   // resource.path is this or lies below it
	Text  string                   // words that must occur

	Oldest bool // oldest first, else newest first
	Limit  int  // events in all; 0: all there are

	// Incomplete is told, before the events come, when a part of the server's log
	// is lost from which events may be missing in the answer, and again when that
	// changes on the way; nil: nobody is.
	Incomplete func(missing annal.Gaps)
}

// tell tells q's caller what is missing, unless that was said before.
func (q *Query) tell(missing annal.Gaps, said *annal.Gaps) {
	if q.Incomplete != nil && len(missing) > 0 && !slices.Equal(missing, *said) {
		q.Incomplete(missing)
	}
	*said = missing
}

func (q *Query) values() url.Values {
	v := url.Values{}
	if !q.From.IsZero() {
		v.Set("from", annal.FormatTime(q.From, 9))
	}
	if !q.To.IsZero() {
		v.Set("to", annal.FormatTime(q.To, 9))
	}
	for f, values := range q.Where {
		v[f.String()] = values
	}
	if q.Under != "" {
		v.Set("path_prefix", q.Under)
	}
	if q.Text != "" {
		v.Set("text", q.Text)
	}
	if q.Oldest {
		v.Set("order", "asc")
	}
	return v
}

// maxLine bounds one event in an answer: the event itself, and what the log and
// the escaping of its strings add.
const maxLine = 2*annal.MaxEventBytes + 64<<10

// Query returns the events that q selects, in its order, page by page: native
// JSON, valid until the next one. It ends after an error.
func (c *Client) Query(ctx context.Context, q Query) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		params := q.values()
		left := q.Limit
		var said annal.Gaps
		for {
			params.Set("limit", strconv.Itoa(pageSize(left)))
			page, err := c.page(ctx, params)
			if err != nil {
				yield(nil, err)
				return
			}
			q.tell(page.missing, &said)
			for _, e := range page.Events {
				if !yield(e, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if !page.HasMore || page.Cursor == "" {
				return
			}
			params.Set("cursor", page.Cursor)
		}
	}
}

// pageSize returns how many events to ask for when left are wanted; 0 and less
// are all.
func pageSize(left int) int {
	if left <= 0 {
		return annal.MaxPage
	}
	return min(left, annal.MaxPage)
}

type page struct {
	Events  []json.RawMessage `json:"events"`
	Cursor  string            `json:"cursor"`
	HasMore bool              `json:"has_more"`

	missing annal.Gaps
}

func (c *Client) page(ctx context.Context, params url.Values) (page, error) {
	var p page
	body, missing, err := c.counted(ctx, call{method: "GET", path: "/v1/events", query: params, accept: "application/json"})
	if err == nil {
		err = json.Unmarshal(body, &p)
	}
	p.missing = missing
	return p, err
}

// Stream copies every event that q selects to w in one answer: as NDJSON or, on
// request, as CSV with a header line. It asks once: what broke off is an error,
// since w has part of it already.
func (c *Client) Stream(ctx context.Context, q Query, format Format, w io.Writer) error {
	params := q.values()
	if q.Limit > 0 {
		params.Set("limit", strconv.Itoa(q.Limit))
	}
	resp, err := c.do(ctx, call{method: "GET", path: "/v1/events", query: params, accept: string(format)})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	q.tell(missingFrom(resp), new(annal.Gaps))
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read the stream of events: %w", err)
	}
	return nil
}

// A Format is a media type that the server streams events in.
type Format string

// The formats of a stream.
const (
	NDJSON Format = "application/x-ndjson"
	CSV    Format = "text/csv"
)

// lines yields the lines of r, which are valid until the next one.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := bufio.NewScanner(r)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			if !yield(s.Bytes(), nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// A Summary counts the events between two times as ScaiVault's audit API does.
type Summary struct {
	Total      uint64            `json:"total_events"`
	Successful uint64            `json:"successful_events"`
	Failed     uint64            `json:"failed_events"`
	Actions    map[string]uint64 `json:"actions_breakdown"`
	Identities []struct {
		ID    string `json:"identity_id"`
		Count uint64 `json:"count"`
	} `json:"top_identities"`
	Resources []struct {
		Path  string `json:"path"`
		Count uint64 `json:"count"`
	} `json:"top_resources"`

	JSON json.RawMessage `json:"-"` // the answer as it came

	// Incomplete: events at these positions of the log are lost, and every count is
	// the least that it can be. Empty: nothing is missing.
	Incomplete annal.Gaps `json:"-"`
}

// Summary counts the events with from ≤ time ≤ to; a zero time leaves that end
// open.
func (c *Client) Summary(ctx context.Context, from, to time.Time) (Summary, error) {
	var s Summary
	q := Query{From: from, To: to}
	body, missing, err := c.counted(ctx, call{method: "GET", path: "/v1/audit/summary", query: q.values(), accept: "application/json"})
	if err != nil {
		return s, err
	}
	s.JSON, s.Incomplete = body, missing
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("read a summary: %w", err)
	}
	return s, nil
}
