package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
)

// MarshalJSON writes one flat object: what the run was, then the figures in
// order of measurement.
func (r *Report) MarshalJSON() ([]byte, error) {
	m := &r.Mix
	b := []byte{'{'}
	var failure error
	member := func(name string, v any) {
		text, err := json.Marshal(v)
		failure = errors.Join(failure, err)
		b = fmt.Appendf(b, "%q:%s,", name, text)
	}
	member("seed", m.Seed)
	member("events", r.Events)
	member("mix_events", m.Events)
	member("stored_events", r.Stored)
	member("end", m.End)
	member("span_s", m.Span.Seconds())
	member("identities", m.Identities)
	member("strangers", m.Strangers)
	member("paths", m.Paths)
	member("tenants", m.Tenants)
	member("shuffled", m.Shuffled)
	member("wrong_answers", len(r.Wrong))
	for _, f := range r.Figures {
		member(f.Key, f.Value)
	}
	b[len(b)-1] = '}'
	return b, failure
}

// figures are those of a report that was read.
type figures struct {
	keys  []string // in the report's order
	value map[string]float64
}

// readFigures reads the members of a report that are numbers.
func readFigures(report []byte) (figures, error) {
	f := figures{value: map[string]float64{}}
	d := json.NewDecoder(bytes.NewReader(report))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return f, errors.New("a report is a JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return f, err
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return f, err
		}
		if n, ok := v.(float64); ok {
			f.keys = append(f.keys, name.(string))
			f.value[name.(string)] = n
		}
	}
	_, err := d.Token()
	return f, err
}

// A Change is a figure of two runs.
type Change struct {
	Key      string
	Old, New float64
	Ratio    float64 // how many times better the new one is: above 1 is an improvement
}

// Compare reads two reports as JSON and returns the figures that both have, in
// the order of the newer one. Figures that only describe the run are left out.
func Compare(before, after []byte) ([]Change, error) {
	a, err := readFigures(before)
	if err != nil {
		return nil, fmt.Errorf("the older report: %w", err)
	}
	b, err := readFigures(after)
	if err != nil {
		return nil, fmt.Errorf("the newer report: %w", err)
	}
	var changes []Change
	for _, key := range b.keys {
		was, is := a.value[key], b.value[key]
		if neutral(key) || was == 0 || is == 0 {
			continue
		}
		c := Change{Key: key, Old: was, New: is, Ratio: was / is}
		if rises(key) {
			c.Ratio = is / was
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// WriteChanges writes a comparison for people.
func WriteChanges(out io.Writer, changes []Change) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tbefore\tnow\ttimes better")
	for _, c := range changes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\n", c.Key, number(c.Old), number(c.New), c.Ratio)
	}
	return t.Flush()
}
