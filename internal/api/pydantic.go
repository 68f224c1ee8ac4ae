package api

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"annal"
)

// ScaiKey's server validates with Pydantic 2 behind FastAPI, and its clients
// branch on what that says. This file reads numbers and times as leniently, and
// refuses them in the same words.

// A detail is one entry of FastAPI's 422 answer.
type detail struct {
	kind  string // "type"
	name  string // of the parameter
	msg   string
	input string // as given
	ctx   string // a JSON object, or ""
}

// unprocessable says what is wrong with parameters, as Pydantic would.
type unprocessable struct{ details []detail }

func (e *unprocessable) Error() string { return e.details[0].name + ": " + e.details[0].msg }

// refuse notes what is wrong with a parameter.
func (a *Ask) refuse(d detail) { a.details = append(a.details, d) }

// lastOf makes a Param of one of whose values the last one counts.
func lastOf(name string, read func(a *Ask, name, v string)) Param {
	return func(a *Ask, values []string) error {
		read(a, name, values[len(values)-1])
		return nil
	}
}

// maxIntDigits is the longest number that Pydantic reads.
const maxIntDigits = 4300

// wholeBetween reads an integer of at least least and at most most (nil: any
// more).
func wholeBetween(least, most *big.Int, set func(a *Ask, n *big.Int)) func(a *Ask, name, v string) {
	return func(a *Ask, name, v string) {
		n, problem := pydanticInt(v)
		switch {
		case problem != nil:
			problem.name, problem.input = name, v
			a.refuse(*problem)
		case n.Cmp(least) < 0:
			a.refuse(detail{"greater_than_equal", name, "Input should be greater than or equal to " + least.String(), v, `{"ge":` + least.String() + `}`})
		case most != nil && n.Cmp(most) > 0:
			a.refuse(detail{"less_than_equal", name, "Input should be less than or equal to " + most.String(), v, `{"le":` + most.String() + `}`})
		default:
			set(a, n)
		}
	}
}

// pydanticInt reads an integer: digits with spaces around them, a sign, leading
// zeros, underscores between digits, or zeros behind a point.
func pydanticInt(v string) (*big.Int, *detail) {
	if n, ok := plainInt(v); ok {
		return n, nil
	}
	if strings.Trim(strings.TrimPrefix(v, "-"), "0123456789") == "" && len(v) > maxIntDigits {
		return nil, &detail{kind: "int_parsing_size", msg: "Unable to parse input string as an integer, exceeded maximum size"}
	}
	if clean, ok := cleanInt(v); ok {
		if n, ok := plainInt(clean); ok {
			return n, nil
		}
	}
	return nil, &detail{kind: "int_parsing", msg: "Input should be a valid integer, unable to parse string as an integer"}
}

// plainInt reads an integer as JSON has it.
func plainInt(v string) (*big.Int, bool) {
	digits := strings.TrimPrefix(v, "-")
	if digits == "" || len(digits) > maxIntDigits || strings.Trim(digits, "0123456789") != "" || len(digits) > 1 && digits[0] == '0' {
		return nil, false
	}
	return new(big.Int).SetString(v, 10)
}

// cleanInt takes away what Pydantic overlooks.
func cleanInt(v string) (string, bool) {
	s := strings.TrimSpace(v)
	s = strings.TrimPrefix(s, "+")
	sign := ""
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		if len(strings.TrimSpace(v)) > len(s) || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return "", false
		}
		s, sign = rest, "-"
	}
	s, ok := withoutZeros(s)
	if !ok {
		return "", false
	}
	if whole, fraction, ok := strings.Cut(s, "."); ok && fraction != "" && strings.Trim(fraction, "0") == "" {
		s = whole
	}
	if !strings.HasPrefix(s, "_") && !strings.HasSuffix(s, "_") && !strings.Contains(s, "__") {
		s = strings.ReplaceAll(s, "_", "")
	}
	return sign + s, true
}

// withoutZeros takes zeros away that stand before other digits.
func withoutZeros(s string) (string, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return "", false
	}
	rest := strings.TrimLeft(s[1:], "0_")
	switch {
	case s[0] != '0':
		return s, true
	case rest == "":
		return s[len(s)-1:], true
	case rest[0] == '.':
		return s[len(s)-len(rest)-1:], true
	}
	return rest, rest[0] >= '1' && rest[0] <= '9'
}

// Bounds of Unix times, in seconds: 1600-01-01 and the end of 9999. Numbers
// beyond the watershed are milliseconds.
const (
	unix1600      = -11_676_096_000
	unix9999      = 253_402_300_799
	unixWatershed = 20_000_000_000
)

// pydanticTime reads a date-time: RFC 3339 with some freedom, a bare date, or a
// Unix time in seconds or milliseconds. The words are those for a date, for
// Pydantic tries that last.
func pydanticTime(v string) (time.Time, *detail) {
	if t, ok := rfc3339(v); ok {
		return t, nil
	}
	why := ""
	if n, ok := unixInt(v); ok {
		t, problem := unixTime(n)
		if problem == "" {
			return t, nil
		}
		why = problem
	} else if f, err := strconv.ParseFloat(v, 64); err == nil && strings.Contains(v, ".") && !strings.ContainsAny(v, "_xXpP") {
		if t, ok := unixFraction(f); ok {
			return t, nil
		}
	}
	if why == "" {
		if t, problem := bareDate(v); problem == "" {
			return t, nil
		} else {
			why = problem
		}
	}
	return time.Time{}, &detail{
		kind: "datetime_from_date_parsing", msg: "Input should be a valid datetime or date, " + why,
		ctx: `{"error":` + string(annal.AppendString(nil, why)) + `}`,
	}
}

// rfc3339 reads a date and a time of day. It knows no leap seconds and keeps
// microseconds.
func rfc3339(v string) (time.Time, bool) {
	v = strings.Replace(v, "\u2212", "-", 1)
	if len(v) < len("2006-01-02T15:04") || !strings.ContainsRune("Tt _", rune(v[10])) {
		return time.Time{}, false
	}
	if clock := v[11:]; len(clock) > 8 && clock[8] == '.' || len(clock) > 8 && clock[8] == ',' {
		end := 9 + len(clock[9:]) - len(strings.TrimLeft(clock[9:], "0123456789"))
		v = v[:11] + clock[:min(end, 15)] + clock[end:]
	}
	zone := strings.LastIndexAny(v, "+-")
	if len(v) > 17 && v[16:18] == ":6" || zone > 10 && len(v)-zone == len("+08") {
		return time.Time{}, false
	}
	t, date, ok := annal.ParseTime(v[:10] + "T" + v[11:])
	return t, ok && !date
}

// bareDate reads YYYY-MM-DD, or says what is wrong with it.
func bareDate(v string) (time.Time, string) {
	if len(v) < len("2006-01-02") {
		return time.Time{}, "input is too short"
	}
	for i, what := range []string{"year", "year", "year", "year", "", "month", "month", "", "day", "day"} {
		digit := v[i] >= '0' && v[i] <= '9'
		switch {
		case what == "" && v[i] != '-':
			return time.Time{}, "invalid date separator, expected `-`"
		case what != "" && !digit:
			return time.Time{}, "invalid character in " + what
		}
	}
	if month := v[5:7]; month < "01" || month > "12" {
		return time.Time{}, "month value is outside expected range of 1-12"
	}
	t, _, ok := annal.ParseTime(v[:10])
	switch {
	case v[:4] == "0000":
		return time.Time{}, "year 0 is out of range"
	case !ok:
		return time.Time{}, "day value is outside expected range"
	case len(v) > len("2006-01-02"):
		return time.Time{}, "unexpected extra characters at the end of the input"
	}
	return t, ""
}

// unixInt reads a whole number with a sign.
func unixInt(v string) (int64, bool) {
	digits := strings.TrimPrefix(strings.TrimPrefix(v, "+"), "-")
	if strings.HasPrefix(v, "+-") || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(v, "+"), 10, 64)
	return n, err == nil && n != math.MinInt64
}

func unixTime(n int64) (time.Time, string) {
	nsec := int64(0)
	if n > unixWatershed || n < -unixWatershed {
		nsec = n % 1000 * 1e6
		n /= 1000
		if nsec < 0 {
			n, nsec = n-1, nsec+1e9
		}
	}
	switch {
	case n < unix1600:
		return time.Time{}, "dates before 1600 are not supported as unix timestamps"
	case n > unix9999:
		return time.Time{}, "dates after 9999 are not supported as unix timestamps"
	}
	return time.Unix(n, nsec).UTC(), ""
}

// unixFraction is unixTime for numbers with a point, to the microsecond.
func unixFraction(f float64) (time.Time, bool) {
	if math.Abs(f) > unixWatershed {
		f /= 1000
	}
	sec := math.Floor(f)
	if sec < unix1600 || sec > unix9999 {
		return time.Time{}, false
	}
	return time.Unix(int64(sec), int64(math.Round((f-sec)*1e6))*1e3).UTC(), true
}

// textOf reads a value of field; one that no event can have is refused.
func textOf(field annal.Field, apply func(a *Ask, v string)) func(a *Ask, name, v string) {
	return func(a *Ask, name, v string) {
		if most := annal.Fields[field].Max; len(v) > most {
			m := strconv.Itoa(most)
			a.refuse(detail{"string_too_long", name, "String should have at most " + m + " characters", v, `{"max_length":` + m + `}`})
			return
		}
		if v != "" {
			apply(a, v)
		}
	}
}

// appendDetails writes details in the order in which the parameters are
// declared.
func appendDetails(w *writer, details []detail, order []string) {
	slices.SortStableFunc(details, func(a, b detail) int { return slices.Index(order, a.name) - slices.Index(order, b.name) })
	for i := range details {
		d := &details[i]
		w.open('{')
		w.textMember("type", d.kind)
		w.name("loc")
		w.open('[')
		w.text("query")
		if d.name != "" {
			w.text(d.name)
		}
		w.close(']')
		w.textMember("msg", d.msg)
		w.textMember("input", d.input)
		if d.ctx != "" {
			w.name("ctx")
			w.raw(d.ctx)
		}
		w.close('}')
	}
}
