package api

import (
	"net/http"
	"time"

	"annal"
)

// trailWindow is how far back the summary of a trail looks.
const trailWindow = 30 * 24 * time.Hour

// list shows a page of events.
func list(p Params, show func(c *Call, q *annal.Query, page *annal.Page)) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		page, err := c.page(a.Query)
		if err != nil {
			return err
		}
		show(c, &a.Query, &page)
		return nil
	}
}

// page returns the page that q asks for, or as much of it as MaxPageBytes and the
// room for answers let through: the next one goes on behind that.
func (c *Call) page(q annal.Query) (annal.Page, error) {
	page, err := c.Search(c.ctx, q)
	size := 0
	for i := range page.Events {
		size += textBytes(&page.Events[i])
	}
	most := MaxPageBytes
	if !c.answer(timesText * min(size, most)) {
		most = freeAnswer / timesText
	}
	size = 0
	for i := range page.Events {
		if size += textBytes(&page.Events[i]); size > most && i > 0 {
			last := &page.Events[i-1]
			c.rows.Add(int64(i - len(page.Events)))
			page.Events = page.Events[:i]
			page.Next = &annal.Mark{Time: annal.TimeKey(last.Time), Position: last.Position}
			break
		}
	}
	return page, err
}

// timesText is how many times larger an answer is than its texts, about.
const timesText = 2

// textBytes returns about how large e is when shown.
func textBytes(e *annal.Event) (n int) {
	for f := range annal.NumTexts {
		n += len(*e.Text(f))
	}
	return n
}

// get shows the event whose id is in the path. One that may not be seen is as
// unknown as one that is not there.
func get(show func(c *Call, e *annal.Event)) Verb { return lookUp("event", "id", show) }

// lookUp is get where an event is called thing and its id another name.
func lookUp(thing, wildcard string, show func(c *Call, e *annal.Event)) Verb {
	return func(c *Call) error {
		id, ok := annal.ParseID(c.PathValue(wildcard))
		if !ok {
			return notFound(thing)
		}
		e, err := c.Event(c.ctx, nil, id)
		if err != nil {
			return asNotFound(err, thing)
		}
		show(c, &e)
		return nil
	}
}

// trail shows the events with one value of f, taken from the path, together
// with a summary of the last 30 days, whatever else the question says.
func trail(p Params, wildcard string, f annal.Field, agg annal.Aggregation, show func(*Call, *annal.Query, *annal.Page, *annal.Summary)) Verb {
	return func(c *Call) error {
		value := c.PathValue(wildcard)
		if value == "" || len(value) > annal.Fields[f].Max {
			return errInvalidPath
		}
		own := annal.Filter{Fields: []annal.Field{f}, Values: []string{value}}
		a, err := p.read(c, own)
		if err != nil {
			return err
		}
		page, err := c.page(a.Query)
		if err != nil {
			return err
		}
		now := c.s.Now()
		month := annal.Query{Since: now.Add(-trailWindow), Until: now.Add(annal.ClockSkewAhead), Where: []annal.Filter{own}}
		summary, err := c.Summarize(c.ctx, month, agg)
		if err != nil {
			return err
		}
		show(c, &a.Query, &page, &summary)
		return nil
	}
}

// summarize counts what the question selects.
func summarize(p Params, agg annal.Aggregation, show func(c *Call, a *annal.Aggregation, s *annal.Summary)) Verb {
	return func(c *Call) error {
		a, err := p.read(c)
		if err != nil {
			return err
		}
		if !a.aggregates() {
			a.Agg = agg
		}
		s, err := c.Summarize(c.ctx, a.Query, a.Agg)
		if err != nil {
			return err
		}
		show(c, &a.Agg, &s)
		return nil
	}
}

// aggregates reports whether the question says what to count.
func (a *Ask) aggregates() bool {
	return a.Agg.Breakdown != nil || a.Agg.Top != nil || a.Agg.Distinct != nil || a.Agg.Interval != 0
}

// values lists the distinct values of the field that the path names.
func values(p Params, show func(c *Call, f annal.Field, values []annal.Count, more bool)) Verb {
	return func(c *Call) error {
		f, err := fieldNamed(c.PathValue("field"))
		if err != nil {
			return annal.Invalid("field", "%s", err.Error())
		}
		a, err := p.read(c)
		if err != nil {
			return err
		}
		limit := a.Limit
		a.Limit = 0
		vs, more, err := c.Values(c.ctx, a.Query, f, limit)
		if err != nil {
			return err
		}
		show(c, f, vs, more)
		return nil
	}
}

// health says that the process answers at all.
func health(c *Call) error {
	c.out.open('{')
	c.out.textMember("status", "ok")
	c.out.given("version", c.s.Version)
	c.out.close('}')
	return nil
}

// ready says whether the log can be read and written. Why not is in the
// server's log: this route needs no token.
func ready(c *Call) error {
	if err := c.s.Ready(c.ctx); err != nil {
		return &fault{status: http.StatusServiceUnavailable, code: "service_unavailable", message: "not ready to serve", retry: retryUnavailable}
	}
	c.out.open('{')
	c.out.textMember("status", "ready")
	c.out.close('}')
	return nil
}
