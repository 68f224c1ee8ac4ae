package api

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"annal"
	"annal/internal/nearest"
)

// Params says how a route spells its question in a URL.
type Params struct {
	Limit    int      // events on a page when none is asked for
	Strict   bool     // unknown parameters are refused; the originals ignore them
	Count    bool     // the total is wanted with every page
	Required []string // parameters that must be there
	Begin    string   // the name of the lower bound, for errors; "": from
	End      string   // and of the upper one; "": to
	Names    map[string]Param
}

// An Ask is a question as it is being read.
type Ask struct {
	annal.Query
	Agg    annal.Aggregation
	cursor string

	included bool    // Until is just behind an instant that was given
	from     *uint64 // position to tail from

	given   url.Values                // as it came
	page    *big.Int                  // its number, from 1; nil: the first
	offset  uint64                    // events before the page; beyond [annal.MaxOffset] too
	format  string                    // of a download
	late    []func(*Call, *Ask) error // what reads on with the log at hand
	details []detail                  // what is wrong, as ScaiKey says it
}

// A Param applies the values of one parameter, of which there is at least one.
// Its error says what was wrong and what is allowed.
type Param func(a *Ask, values []string) error

// MaxInterval bounds the intervals of a histogram.
const MaxInterval = 366 * 24 * time.Hour

var errTwice = errors.New("is given more than once")

// read reads the question that c asks; own are filters that the route adds.
func (p *Params) read(c *Call, own ...annal.Filter) (Ask, error) {
	a := Ask{Query: annal.Query{Limit: p.Limit, Count: p.Count, Where: own}}
	given, err := parseQuery(c.URL.RawQuery)
	if err != nil {
		return a, err
	}
	a.given = given
	var bad annal.InvalidError
	for _, name := range p.Required {
		if given.Get(name) == "" {
			bad.Add(-1, name, "is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		param, ok := p.Names[name]
		switch {
		case ok:
			err = param(&a, given[name])
		case p.Strict:
			err = fmt.Errorf("is not a parameter here; near to it are %s", near(name, maps.Keys(p.Names)))
		default:
			continue
		}
		if err != nil {
			bad.Add(-1, shortened(name), err.Error())
		}
	}
	if len(a.details) > 0 {
		return a, &unprocessable{a.details}
	}
	if len(bad.Problems) == 0 {
		a.check(p, &bad)
	}
	if len(bad.Problems) > 0 {
		return a, &bad
	}
	for _, read := range a.late {
		if err := read(c, &a); err != nil {
			return a, err
		}
	}
	if a.cursor != "" {
		return a, c.s.readCursor(&a.Query, a.cursor)
	}
	return a, nil
}

// parseQuery splits a query string into parameters of valid UTF-8.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > MaxQueryBytes {
		return nil, annal.Invalid("", "the query string is longer than %d bytes", MaxQueryBytes)
	}
	if raw == "" {
		return nil, nil
	}
	given, err := url.ParseQuery(raw)
	if err != nil {
		return nil, annal.Invalid("", "the query string has a bad %%-escape or a semicolon")
	}
	for name, values := range given {
		for _, v := range values {
			if !utf8.ValidString(v) || !utf8.ValidString(name) {
				return nil, annal.Invalid(strings.ToValidUTF8(shortened(name), "?"), "is not UTF-8")
			}
		}
	}
	return given, nil
}

// near lists the names that are spelled most like name, for an error. Those
// that exclude (they end in "!") go without saying.
func near(name string, names iter.Seq[string]) string {
	const few = 3
	return strings.Join(nearest.Names(shortened(name), func(yield func(string) bool) {
		for n := range names {
			if !strings.HasSuffix(n, "!") && !yield(n) {
				return
			}
		}
	}, few), ", ")
}

// shortened keeps errors small whatever they quote.
func shortened(name string) string {
	const most = 64
	if len(name) <= most {
		return name
	}
	return strings.ToValidUTF8(name[:most], "") + "…"
}

// check refuses what only shows when everything was read.
func (a *Ask) check(p *Params, bad *annal.InvalidError) {
	reversed := a.Until.Before(a.Since) || a.included && a.Until.Equal(a.Since)
	if !a.Since.IsZero() && !a.Until.IsZero() && reversed {
		bad.Add(-1, cmp.Or(p.Begin, "from"), "is later than "+cmp.Or(p.End, "to"))
	}
	if len(a.Where) > annal.MaxFilters {
		bad.Add(-1, "", fmt.Sprintf("at most %d filters may be combined", annal.MaxFilters))
	}
}
