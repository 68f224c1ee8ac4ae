package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"annal"
)

// single makes a Param of one that takes one value.
func single(read func(a *Ask, v string) error) Param {
	return func(a *Ask, values []string) error {
		if len(values) > 1 {
			return errTwice
		}
		return read(a, values[0])
	}
}

// oneValue makes a Param of one that takes one value.
func oneValue(p Param) Param {
	return func(a *Ask, values []string) error {
		if len(values) > 1 {
			return errTwice
		}
		return p(a, values)
	}
}

// filled makes a Param that ignores empty values, as forms send them.
func filled(p Param) Param {
	return func(a *Ask, values []string) error {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		if len(values) == 0 {
			return nil
		}
		return p(a, values)
	}
}

// is matches any of the values exactly in any of fields.
func is(fields ...annal.Field) Param {
	return func(a *Ask, values []string) error { return a.where(annal.Filter{Fields: fields, Values: values}) }
}

// isNot matches the events that is would not.
func isNot(fields ...annal.Field) Param {
	return func(a *Ask, values []string) error {
		return a.where(annal.Filter{Fields: fields, Values: values, Not: true})
	}
}

// under matches paths by whole segments.
func under(field annal.Field) Param {
	return func(a *Ask, values []string) error {
		return a.where(annal.Filter{Fields: []annal.Field{field}, Values: values, Prefix: true})
	}
}

// listed makes a Param of one whose values may be separated by commas too.
func listed(p Param) Param {
	return func(a *Ask, values []string) error {
		var all []string
		for _, v := range values {
			if len(all) > annal.MaxFilterValues {
				break // more than enough to be refused
			}
			all = append(all, strings.Split(v, ",")...)
		}
		return p(a, all)
	}
}

// only makes a Param of one whose values must be of allowed.
func only(p Param, allowed ...string) Param {
	return func(a *Ask, values []string) error {
		for _, v := range values {
			if !slices.Contains(allowed, v) {
				return fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
			}
		}
		return p(a, values)
	}
}

// where adds a filter, its values in order so that equal questions are equal.
func (a *Ask) where(f annal.Filter) error {
	f.Values = slices.Compact(slices.Sorted(slices.Values(f.Values)))
	if len(f.Values) > annal.MaxFilterValues {
		return fmt.Errorf("has more than %d values", annal.MaxFilterValues)
	}
	for _, field := range f.Fields {
		for i, v := range f.Values {
			text, err := valueOf(field, v)
			if err != nil {
				return err
			}
			f.Values[i] = text
		}
	}
	a.Where = append(a.Where, f)
	return nil
}

// valueOf checks a value that field is compared with, and returns it as
// [annal.Event.Value] would.
func valueOf(field annal.Field, v string) (string, error) {
	switch field {
	case annal.ResultOutcome:
		if _, ok := annal.ParseOutcome(v); !ok {
			return "", errors.New("must be one of success, failure, denied, error")
		}
	case annal.SeverityLevel:
		if _, ok := annal.ParseSeverity(v); !ok {
			return "", errors.New("must be one of info, warning, error")
		}
	case annal.Status:
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return "", errors.New("must be a whole number of 32 bits")
		}
		return strconv.FormatInt(n, 10), nil
	case annal.Duration:
		ms, err := strconv.ParseFloat(v, 64)
		if err != nil || !(ms >= 0 && ms <= annal.Milliseconds(annal.MaxDuration)) {
			return "", fmt.Errorf("must be a number of milliseconds from 0 to %.0f", annal.Milliseconds(annal.MaxDuration))
		}
		return string(annal.AppendNumber(nil, ms)), nil
	default:
		if most := annal.Fields[field].Max; len(v) > most {
			return "", fmt.Errorf("must be at most %d bytes, as %s is", most, field)
		}
	}
	return v, nil
}

// words looks for free text.
func words(a *Ask, v string) error {
	if len(v) > annal.MaxTextBytes {
		return fmt.Errorf("must be at most %d bytes", annal.MaxTextBytes)
	}
	if len(annal.Words(v)) > annal.MaxWords {
		return fmt.Errorf("must be at most %d words", annal.MaxWords)
	}
	a.Text = v
	return nil
}

// succeeded reads whether the action succeeded.
func succeeded(a *Ask, v string) error {
	if v != "true" && v != "false" {
		return errors.New("must be true or false")
	}
	return a.where(annal.Filter{Fields: []annal.Field{annal.ResultOutcome}, Values: []string{annal.Success.String()}, Not: v == "false"})
}

// since reads the earliest time.
func since(a *Ask, v string) (err error) {
	a.Since, _, err = readTime(v)
	return err
}

// until reads the last time, which is included. A bare date is its midnight.
func until(a *Ask, v string) error {
	t, _, err := readTime(v)
	if err == nil {
		a.through(t)
	}
	return err
}

// through has the question end with the instant t, which is included.
func (a *Ask) through(t time.Time) { a.Until, a.included = t.Add(1), true }

// readTime reads ISO 8601; a '+' that the URL turned into a space is put back.
func readTime(v string) (t time.Time, date bool, err error) {
	t, date, ok := readISO(v)
	if i := strings.LastIndexByte(v, ' '); !ok && i >= len("20060102T15") {
		t, date, ok = readISO(v[:i] + "+" + v[i+1:])
	}
	if !ok {
		return t, false, errors.New("must be an ISO 8601 date or date-time, such as 2026-04-23T18:00:00Z")
	}
	return t, date, nil
}

// limitTo reads how many events a page has, 1 to most; more is refused.
func limitTo(most int) Param {
	return single(func(a *Ask, v string) error {
		n, err := strconv.ParseUint(v, 10, 63)
		if err != nil || n < 1 || n > uint64(most) {
			return fmt.Errorf("must be a whole number from 1 to %d", most)
		}
		a.Limit = int(n)
		return nil
	})
}

// cursor goes on behind a page.
func cursor(a *Ask, v string) error {
	a.cursor = v
	return nil
}

// order reads asc or desc.
func order(a *Ask, v string) error {
	if v != "asc" && v != "desc" {
		return errors.New("must be asc (oldest first) or desc")
	}
	a.Oldest = v == "asc"
	return nil
}

// count asks for the exact total.
func count(a *Ask, v string) error {
	if v != "true" && v != "false" {
		return errors.New("must be true or false")
	}
	a.Count = v == "true"
	return nil
}

// interval reads the length of a histogram's bars.
func interval(a *Ask, v string) error {
	d, err := time.ParseDuration(v)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < time.Second || d > MaxInterval {
		return errors.New("must be a length from 1s to 366d, such as 5m, 1h or 1d")
	}
	a.Agg.Interval = d
	return nil
}

// fieldsInto reads names of fields to count by.
func fieldsInto(to func(*annal.Aggregation) *[]annal.Field) Param {
	return listed(func(a *Ask, names []string) error {
		for _, name := range names {
			f, err := fieldNamed(name)
			if err != nil {
				return err
			}
			if list := to(&a.Agg); !slices.Contains(*list, f) {
				*list = append(*list, f)
			}
		}
		return nil
	})
}

func fieldNamed(name string) (annal.Field, error) {
	if f, ok := annal.FieldNamed(name); ok {
		return f, nil
	}
	return 0, fmt.Errorf("names no field; near to it are %s", near(name, fieldNames))
}

func fieldNames(yield func(string) bool) {
	for _, f := range annal.Fields {
		if !yield(f.Name) {
			return
		}
	}
}
