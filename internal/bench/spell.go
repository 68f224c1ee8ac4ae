package bench

import (
	"net/url"
	"strconv"

	"annal"
)

// names says how a dialect spells filters.
type names struct {
	field   map[annal.Field]string
	outcome func(url.Values)
}

var nativeNames = names{
	field: map[annal.Field]string{
		annal.Action: "action", annal.ActorID: "actor.id", annal.RequestID: "request.id", annal.ResourcePath: "path_prefix",
	},
	outcome: func(v url.Values) { v["outcome"] = []string{"failure", "denied", "error"} },
}

var scaiNames = names{
	field: map[annal.Field]string{
		annal.Action: "action", annal.ActorID: "identity_id", annal.RequestID: "request_id", annal.ResourcePath: "path_prefix",
	},
	outcome: func(v url.Values) { v.Set("success", "false") },
}

func parameters(q *annal.Query, n names) string {
	v := timeBounds(q)
	v.Set("limit", strconv.Itoa(q.Limit))
	for _, f := range q.Where {
		if f.Fields[0] == annal.ResultOutcome {
			n.outcome(v)
			continue
		}
		v.Set(n.field[f.Fields[0]], f.Values[0])
	}
	if q.Text != "" {
		v.Set("text", q.Text)
	}
	return v.Encode()
}

func bounds(q *annal.Query) string { return timeBounds(q).Encode() }

// timeBounds spells a query's times: "to" is inclusive on the wire.
func timeBounds(q *annal.Query) url.Values {
	v := url.Values{}
	if !q.Since.IsZero() {
		v.Set("from", annal.FormatTime(q.Since, 9))
	}
	if !q.Until.IsZero() {
		v.Set("to", annal.FormatTime(q.Until.Add(-1), 9))
	}
	return v
}
