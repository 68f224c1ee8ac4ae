package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"annal"
)

// columns are the table that SQL stores get, in order; see row.
var columns = [...]string{"t", "tenant", "actor_type", "actor_id", "session", "action", "resource_type", "path",
	"outcome", "error_code", "severity", "message", "ip", "agent", "request_id", "method", "status", "micros", "extra"}

const createTable = `CREATE TABLE events (t BIGINT NOT NULL, tenant TEXT NOT NULL, actor_type TEXT, actor_id TEXT,
 session TEXT, action TEXT, resource_type TEXT, path TEXT, outcome TEXT, error_code TEXT, severity TEXT, message TEXT,
 ip TEXT, agent TEXT, request_id TEXT, method TEXT, status INTEGER, micros BIGINT, extra TEXT)`

// indexes are what a careful administrator would make for these questions.
var indexes = [...]string{
	"CREATE INDEX by_time ON events (t)",
	"CREATE INDEX by_action ON events (action, t)",
	"CREATE INDEX by_actor ON events (actor_id, t)",
	"CREATE INDEX by_path ON events (path, t)",
	"CREATE INDEX by_request ON events (request_id)",
}

// row returns the values of an event, in order of columns.
func row(e *annal.Event) []any {
	return []any{e.Time.UnixMicro(), e.Tenant, e.Actor.Type, e.Actor.ID, e.Session, e.Action, e.Resource.Type,
		e.Resource.Path, e.Outcome.String(), e.ErrorCode, e.Severity.String(), e.Message, e.Source.IP, e.Source.UserAgent,
		e.Request.ID, e.Request.Method, e.Request.Status, e.Request.Duration.Microseconds(), e.Extra}
}

var columnOf = map[annal.Field]string{
	annal.Action: "action", annal.ActorID: "actor_id", annal.ResourcePath: "path",
	annal.RequestID: "request_id", annal.ResultOutcome: "outcome",
}

// a clause builds the condition of a query.
type clause struct {
	numbered bool // placeholders are $1, $2, … instead of ?
	text     []string
	args     []any
}

func (c *clause) hold(v any) string {
	c.args = append(c.args, v)
	if c.numbered {
		return fmt.Sprintf("$%d", len(c.args))
	}
	return "?"
}

func (c *clause) and(text string) { c.text = append(c.text, text) }

func (c *clause) where() string {
	if len(c.text) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.text, " AND ")
}

func condition(q *annal.Query, numbered bool) *clause {
	c := &clause{numbered: numbered}
	// There is one tenant; saying so would only mislead planners.
	if !q.Since.IsZero() {
		c.and("t >= " + c.hold(ceilMicros(q.Since.UnixNano())))
	}
	if !q.Until.IsZero() {
		c.and("t < " + c.hold(ceilMicros(q.Until.UnixNano())))
	}
	for _, f := range q.Where {
		column := columnOf[f.Fields[0]]
		if f.Prefix {
			// '0' is what follows '/'.
			c.and(column + " >= " + c.hold(f.Values[0]+"/"))
			c.and(column + " < " + c.hold(f.Values[0]+"0"))
			continue
		}
		var marks []string
		for _, v := range f.Values {
			marks = append(marks, c.hold(v))
		}
		c.and(column + " IN (" + strings.Join(marks, ", ") + ")")
	}
	for _, word := range annal.Words(q.Text) {
		var any []string
		for _, column := range []string{"path", "actor_id", "message", "agent", "extra"} {
			any = append(any, "lower("+column+") LIKE "+c.hold("%"+word+"%"))
		}
		c.and("(" + strings.Join(any, " OR ") + ")")
	}
	return c
}

// ceilMicros rounds up, so that t ≥ and t < mean the same as in nanoseconds.
func ceilMicros(nanos int64) int64 { return (nanos + 999) / 1000 }

// sqlReader asks any of the SQL stores.
type sqlReader struct {
	db       *sql.DB
	numbered bool
	plain    bool // has no indexes
}

func (r *sqlReader) dropIndexes(ctx context.Context) error {
	if r.plain {
		return nil
	}
	for _, i := range indexes {
		name, _, _ := strings.Cut(strings.TrimPrefix(i, "CREATE INDEX "), " ")
		if err := execAll(ctx, r.db, "DROP INDEX "+name); err != nil {
			return err
		}
	}
	return nil
}

func (r *sqlReader) makeIndexes(ctx context.Context) error {
	if r.plain {
		return nil
	}
	return execAll(ctx, r.db, indexes[:]...)
}

func (r *sqlReader) page(ctx context.Context, q *annal.Query) (int, error) {
	c := condition(q, r.numbered)
	return r.read(ctx, fmt.Sprintf("SELECT * FROM events%s ORDER BY t DESC LIMIT %d", c.where(), q.Limit), c.args)
}

func (r *sqlReader) export(ctx context.Context, limit int) (int, error) {
	return r.read(ctx, fmt.Sprintf("SELECT * FROM events ORDER BY t DESC LIMIT %d", limit), nil)
}

// read fetches whole events and returns how many.
func (r *sqlReader) read(ctx context.Context, query string, args []any) (n int, err error) {
	rows, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	values := make([]sql.RawBytes, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

func (r *sqlReader) sum(ctx context.Context, q *annal.Query, by []annal.Field) (total uint64, err error) {
	c := condition(q, r.numbered)
	var failed sql.NullInt64
	query := "SELECT count(*), sum(CASE WHEN outcome <> 'success' THEN 1 ELSE 0 END) FROM events" + c.where()
	if err := r.db.QueryRowContext(ctx, query, c.args...).Scan(&total, &failed); err != nil {
		return 0, err
	}
	for _, f := range by {
		column := columnOf[f]
		query := fmt.Sprintf("SELECT %s, count(*) AS n, max(t) FROM events%s GROUP BY %[1]s ORDER BY n DESC, %[1]s LIMIT 25", column, c.where())
		rows, err := r.db.QueryContext(ctx, query, c.args...)
		if err != nil {
			return total, err
		}
		for rows.Next() {
			var value sql.RawBytes
			var n, last int64
			if err := rows.Scan(&value, &n, &last); err != nil {
				rows.Close()
				return total, err
			}
		}
		if err := rows.Err(); err != nil {
			return total, err
		}
	}
	return total, nil
}

func execAll(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
