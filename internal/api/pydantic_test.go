package api

import (
	"strings"
	"testing"
	"time"

	"annal/internal/corpus"
)

// What Pydantic 2 makes of integers in a query string.
func TestS4_12_IntegersAsPydanticReadsThem(t *testing.T) {
	for v, want := range map[string]string{
		"5": "5", "0": "0", "-3": "-3", " 5 ": "5", "\t5\n": "5", "1.0": "1", "1.000": "1", "1_000": "1000", "+7": "7", "007": "7", "00": "0", "0.0": "0",
		"0_001": "1", "-0": "0", "-07": "-7", " -5": "-5", "-1.0": "-1", "1_0.0": "10", "99999999999999999999": "99999999999999999999",
		strings.Repeat("9", 4300): strings.Repeat("9", 4300),

		"": "int_parsing", "abc": "int_parsing", "1.5": "int_parsing", "1.": "int_parsing", ".0": "int_parsing", "1e2": "int_parsing", "0x10": "int_parsing",
		"1__0": "int_parsing", "_1": "int_parsing", "1_": "int_parsing", "+-1": "int_parsing", "--1": "int_parsing", "-+1": "int_parsing", "1 2": "int_parsing",
		"٣": "int_parsing", "1,000": "int_parsing", "NaN": "int_parsing", "true": "int_parsing", "+": "int_parsing", "-": "int_parsing", "_": "int_parsing", "0_": "int_parsing",
		strings.Repeat("9", 4301): "int_parsing_size",
	} {
		n, problem := pydanticInt(v)
		got := ""
		if problem != nil {
			got = problem.kind
		} else {
			got = n.String()
		}
		if got != want {
			t.Errorf("%.40q reads as %.40s, want %.40s", v, got, want)
		}
	}
}

// What Pydantic 2 makes of date-times, and what it says of those that are none.
func TestS4_12_TimesAsPydanticReadsThem(t *testing.T) {
	for v, want := range map[string]string{
		"2026-04-23T12:00:00Z": "2026-04-23T12:00:00Z", "2026-04-23t12:00:00z": "2026-04-23T12:00:00Z", "2026-04-23 12:00": "2026-04-23T12:00:00Z",
		"2026-04-23_12:00:00.5": "2026-04-23T12:00:00.5Z", "2026-04-23T12:00:00,25Z": "2026-04-23T12:00:00.25Z", "2026-04-23": "2026-04-23T00:00:00Z",
		"2026-04-23T12:00:00.123456789Z": "2026-04-23T12:00:00.123456Z", "2026-04-23T12:00:00+02:00": "2026-04-23T10:00:00Z",
		"2026-04-23T12:00:00-0230": "2026-04-23T14:30:00Z", "2026-04-23T12:00:00\u221202:00": "2026-04-23T14:00:00Z",
		"1776945600": "2026-04-23T12:00:00Z", "1776945600000": "2026-04-23T12:00:00Z", "1776945600.25": "2026-04-23T12:00:00.25Z", "-1": "1969-12-31T23:59:59Z",
		"+1776945600": "2026-04-23T12:00:00Z", "20000000000": "2603-10-11T11:33:20Z", "20000000001": "1970-08-20T11:33:20.001Z", "-20000000001": "1969-05-14T12:26:39.999Z",
		"0": "1970-01-01T00:00:00Z", "1.5e9": "2017-07-14T02:40:00Z",

		"": "input is too short", "now": "input is too short", "yesterday": "input is too short", "not-a-date": "invalid character in year",
		"tomorrow at noon": "invalid character in year", "2026/04/23": "invalid date separator, expected `-`", "2026-4-23T00:00": "invalid character in month",
		"2026-04-2xT00:00": "invalid character in day", "2026-13-01": "month value is outside expected range of 1-12", "2026-00-01": "month value is outside expected range of 1-12",
		"2026-02-30": "day value is outside expected range", "2026-02-30T00:00:00Z": "day value is outside expected range", "2026-04-00": "day value is outside expected range",
		"2026-04-23T25:00:00Z": "unexpected extra characters at the end of the input", "2026-04-23T12:00:60Z": "unexpected extra characters at the end of the input",
		"2026-04-23T12": "unexpected extra characters at the end of the input", "2026-04-23T12:00:00 02:00": "unexpected extra characters at the end of the input",
		"2026-04-23T12:00:00+02": "unexpected extra characters at the end of the input", "2026-04-23T12:00:00.Z": "unexpected extra characters at the end of the input",
		"2026-04-23T12:00:00Zz": "unexpected extra characters at the end of the input", "2026-04-23T12:00:00+24:00": "unexpected extra characters at the end of the input",
		"2026-04-23 ": "unexpected extra characters at the end of the input", " 2026-04-23": "invalid character in year",
		"253402300800000": "dates after 9999 are not supported as unix timestamps", "-20000000000": "dates before 1600 are not supported as unix timestamps",
		"99999999999999999999": "invalid date separator, expected `-`", "20260423T120000Z": "invalid date separator, expected `-`",
		"1e9": "input is too short", "NaN": "input is too short", "infinity": "input is too short",
	} {
		at, problem := pydanticTime(v)
		got := ""
		if problem == nil {
			got = at.Format(time.RFC3339Nano)
		} else if got = strings.TrimPrefix(problem.msg, "Input should be a valid datetime or date, "); problem.kind != "datetime_from_date_parsing" || problem.ctx != `{"error":"`+got+`"}` {
			t.Errorf("%q: %+v", v, problem)
		}
		if got != want {
			t.Errorf("%q reads as %s, want %s", v, got, want)
		}
	}
}

func FuzzPydantic(f *testing.F) {
	corpus.Seed(f)
	for _, v := range []string{"1_000", " 5 ", "1.0", "-07", "2026-04-23T12:00:00.5+02:00", "1776945600.25", "\u2212", "0_", "2026-04-23T12:00:00.123456789Z"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if n, problem := pydanticInt(v); (n == nil) != (problem != nil) {
			t.Errorf("pydanticInt(%q) = %v, %v", v, n, problem)
		}
		if at, problem := pydanticTime(v); problem == nil && (at.Year() < 1 || at.Year() > 9999 || at.Nanosecond()%1000 != 0) {
			t.Errorf("pydanticTime(%q) = %v", v, at)
		}
	})
}
