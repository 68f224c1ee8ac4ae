package strictjson

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"annal"
	"annal/internal/corpus"
)

func TestCanonicalForms(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"as is", `{"a":1,"b":[true,null,"x"]}`, `{"a":1,"b":[true,null,"x"]}`},
		{"order and space", " {\"b\" : 1,\n\"a\":2} ", `{"a":2,"b":1}`},
		{"empty name", `{"":1,"a":{}}`, `{"":1,"a":{}}`},
		{"only an empty name", `{"":""}`, `{"":""}`},
		{"numbers", `[1.0,-0,1e3,0.1,1E-7,100000000000000000000,0.0000001]`, `[1,0,1000,0.1,1e-7,100000000000000000000,1e-7]`},
		{"edge integers", `[9007199254740992,-9007199254740992]`, `[9007199254740992,-9007199254740992]`},
		{"escapes", `"\u0061\/\u000A\u001f\u20ac\ud83d\ude00"`, "\"a/\\n\\u001f€😀\""},
		{"utf16 order", "{\"\uE000\":1,\"😀\":2}", "{\"😀\":2,\"\uE000\":1}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Canonical(nil, []byte(tt.in))
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, tt.want)
			}
			again, err := Canonical(nil, got)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("again: %s (%v), want %s", again, err, got)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	deep := strings.Repeat("[", annal.MaxExtraDepth+1) + strings.Repeat("]", annal.MaxExtraDepth+1)
	for _, tt := range []struct {
		name, in string
		offset   int
		path     string
		problem  string // a part of it
	}{
		{"duplicate", `{"a":1,"a":2}`, 7, "a", "twice"},
		{"duplicate after unescaping", `{"x":{"a":1,"\u0061":2}}`, 12, "x.a", "twice"},
		{"duplicate empty name", `{"":1,"":2}`, 6, "", "twice"},
		{"invalid UTF-8", "{\"a\":[1,\"x\xff\"]}", 10, "a[1]", "UTF-8"},
		{"lone surrogate", `"\ud800"`, 1, "", "surrogate"},
		{"lone low surrogate", `{"a":{"b":"\udc00x"}}`, 11, "a.b", "surrogate"},
		{"trailing bytes", `{} x`, 3, "", "follow"},
		{"two values", `{}{}`, 2, "", "follow"},
		{"too deep", deep, annal.MaxExtraDepth, strings.Repeat("[0]", annal.MaxExtraDepth), "deep"},
		{"large integer", `{"n":9007199254740993}`, 5, "n", "string"},
		{"out of range", `[1e400]`, 1, "[0]", "range"},
		{"leading zero", `[01]`, 3, "[0]", "number"},
		{"plus", `[+1]`, 1, "[0]", "value"},
		{"comma at the end", `[1,]`, 3, "[1]", "comma"},
		{"comma at the end of an object", `{"a":1,}`, 7, "", "comma"},
		{"control character", "\"a\nb\"", 2, "", "control"},
		{"bad escape", `"\x"`, 1, "", "escape"},
		{"unfinished", `{"a":`, 5, "a", "ends"},
		{"unfinished string", `["abc`, 5, "[0]", "ends"},
		{"empty", ``, 0, "", "ends"},
		{"word", `nul`, 0, "", "value"},
		{"no quotes", `{a:1}`, 1, "", "quotes"},
		{"byte order mark", "\ufeff{}", 0, "", "value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Canonical(nil, []byte(tt.in))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("accepted, want an error about %q", tt.problem)
			}
			if e.Offset != tt.offset || e.Path != tt.path || !strings.Contains(e.Problem, tt.problem) {
				t.Errorf("got %d %q %q\nwant %d %q …%s…", e.Offset, e.Path, e.Problem, tt.offset, tt.path, tt.problem)
			}
		})
	}
}

func TestLaxKeepsDigits(t *testing.T) {
	v, err := ParseLax([]byte(`[9007199254740993,1e999,7]`), 9)
	if got := string(v.AppendCanonical(nil)); err != nil || got != `["9007199254740993","1e999",7]` {
		t.Errorf("got %s (%v)", got, err)
	}
}

func TestManyNames(t *testing.T) {
	var b strings.Builder
	for i := range 200 {
		b.WriteString(`,"n` + strconv.Itoa(i) + `":0`)
	}
	ok := "{" + b.String()[1:] + "}"
	if _, err := Parse([]byte(ok), 2); err != nil {
		t.Errorf("200 names: %v", err)
	}
	if _, err := Parse([]byte(ok[:len(ok)-1]+`,"n7":1}`), 2); err == nil {
		t.Error("a duplicate among 200 names is accepted")
	}
}

func TestStringsShareMemory(t *testing.T) {
	src := []byte(`{"a":"plain text of an event","b":{"c":1}}`)
	allocs := testing.AllocsPerRun(100, func() {
		r := NewReader(src, 8)
		r.Enter()
		r.Name()
		r.Text()
		r.Name()
		r.Canonical()
		r.Name()
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// ours tells apart what only this package refuses: it follows the named rules.
func ours(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, rule := range []string{"double", "deep"} {
		if strings.Contains(e.Problem, rule) {
			return true
		}
	}
	return false
}

// FuzzAgainstJSONText holds the laws: the same texts are accepted as by
// jsontext but for our named rules, the canonical form is the same, it is a
// fixed point, and the quick check agrees with the tree.
func FuzzAgainstJSONText(f *testing.F) {
	corpus.Seed(f)
	for _, s := range []string{
		`{"b":[1,2.50,-0,1e3],"a":"x\u00e9\ud83d\ude00\n"}`, `{"":{"":""}}`, `[true,false,null]`, `"\/"`, `1.7976931348623157e308`,
		`{"a":1,"\u0061":2}`, `"\ud800"`, "\"\xc0\"", `[1,]`, `-`, `123456789012345678`, "{\"\uE000\":1,\"😀\":2}", `0.000001`, `4.5e-7`, `1e21`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Canonical(nil, in)
		want := jsontext.Value(bytes.Clone(in))
		theirs := want.Canonicalize()
		if err != nil {
			if theirs == nil && !ours(err) {
				t.Fatalf("refused %q (%v), jsontext accepts it", in, err)
			}
			return
		}
		if theirs != nil {
			t.Fatalf("accepted %q, jsontext says %v", in, theirs)
		}
		if string(got) != string(want) {
			t.Fatalf("canonical form of %q\n got %s\nwant %s", in, got, want)
		}
		r := NewReader(got, annal.MaxExtraDepth)
		v := r.Value()
		if again := v.AppendCanonical(nil); r.Err() != nil || !bytes.Equal(again, got) {
			t.Fatalf("tree of %s gives %s (%v)", got, again, r.Err())
		}
	})
}

func FuzzNumbers(f *testing.F) {
	corpus.Seed(f)
	f.Add(1.5)
	f.Add(1e21)
	f.Add(-1e-7)
	f.Fuzz(func(t *testing.T, n float64) {
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return
		}
		lit := annal.AppendNumber(nil, n)
		got, err := Canonical(nil, lit)
		if err != nil || !bytes.Equal(got, lit) {
			t.Fatalf("Canonical(%s) = %s, %v", lit, got, err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	src := []byte(`{"auth_method":"oidc","mfa":true,"policy":"prod-readers","region":"eu-central-1","rotation_reason":"scheduled","version":7}`)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		r := NewReader(src, annal.MaxExtraDepth)
		r.Canonical()
	}
}

// TestCanonicalCountsEveryLevel nests arrays, objects and both, written
// canonically and otherwise, as deep as is allowed and one level more.
func TestCanonicalCountsEveryLevel(t *testing.T) {
	for _, level := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}, {"[ ", " ]"}, {`{ "a": `, " }"}} {
		levels := strings.Count(level[0], "[") + strings.Count(level[0], "{")
		for _, deeper := range []int{0, levels} {
			n := (annal.MaxExtraDepth + deeper) / levels
			in := strings.Repeat(level[0], n) + "1" + strings.Repeat(level[1], n)
			_, err := Canonical(nil, []byte(in))
			if got, want := err == nil, deeper == 0; got != want {
				t.Errorf("%d times %s: allowed %v, want %v: %v", n, level[0], got, want, err)
			}
		}
	}
}
