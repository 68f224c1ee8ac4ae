package pdf

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func heading() Heading {
	return Heading{
		Title: "Audit report", Made: time.Date(2026, 4, 23, 12, 0, 0, 0, time.UTC),
		Facts: []Fact{{"Made for", "Zoë · Ωmega"}, {"Filters", strings.Repeat("event_type = rotation.completed; ", 12)}},
	}
}

func columns() []Column {
	return []Column{{Name: "Time", Share: 1}, {Name: "Text", Share: 3}, {Name: "Severity", Share: 1, Colors: map[string]Color{"error": {176, 0, 32}}}}
}

// report sets the rows.
func report(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	r, err := New(heading(), columns())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := r.Add(row...); err != nil {
			t.Fatal(err)
		}
	}
	b, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameReportIsTheSameBytes(t *testing.T) {
	var rows [][]string
	for i := range 120 {
		rows = append(rows, []string{strconv.Itoa(i), "Привет 日本 עברית " + strings.Repeat("word ", i), "error"})
	}
	one := report(t, rows...)
	if !bytes.HasPrefix(one, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(one), []byte("%%EOF")) {
		t.Errorf("begins with %q", one[:8])
	}
	if !bytes.Equal(one, report(t, rows...)) {
		t.Error("the same report has other bytes")
	}
}

func TestReportsAreBounded(t *testing.T) {
	endless := heading()
	endless.Facts = []Fact{{"Filters", strings.Repeat("\n", 60_000)}}
	if r, err := New(endless, columns()); !errors.Is(err, ErrTooLong) || r.out.PageCount() != MaxPages {
		t.Errorf("an endless heading has %d pages and the error %v", r.out.PageCount(), err)
	}
	r, err := New(heading(), columns())
	if err != nil {
		t.Fatal(err)
	}
	tall := strings.Repeat("\n", 20_000)
	for i := range MaxPages {
		if err := r.Add("", tall, ""); errors.Is(err, ErrTooLong) {
			if i == 0 || r.out.PageCount() != MaxPages {
				t.Errorf("too long with %d rows on %d pages", i, r.out.PageCount())
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("a report has no end")
}

// The number of lines that fit a page is what the page's measures say.
func TestRoomOfPage(t *testing.T) {
	r, err := New(heading(), columns())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.turn(); err != nil {
		t.Fatal(err)
	}
	if r.room() != roomOfPage {
		t.Errorf("a page has room for %d lines, want %d", r.room(), roomOfPage)
	}
}

// However long the heading is, the first row fits below it.
func TestHeadingsOfAnyLength(t *testing.T) {
	for lines := range 90 {
		h := heading()
		h.Facts = append(h.Facts, Fact{"Filters", strings.Repeat("x\n", lines)})
		r, err := New(h, columns())
		if err != nil {
			t.Fatal(err)
		}
		if r.room() < 1 {
			t.Errorf("below a heading of %d lines is room for %d", lines, r.room())
		}
	}
}

func TestFontsDrawWhatTheySay(t *testing.T) {
	for name, font := range map[string]string{"regular": regularFont, "bold": boldFont} {
		set, err := drawable(font)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range "Azé\u00a0ЖΩשعß…·\uFFFD" {
			if !set.has(r) {
				t.Errorf("%s has no %q", name, r)
			}
		}
		for _, r := range []rune{'日', '한', 'ह', 0x1F511, 0xFFFF, -1, unicode.MaxRune} {
			if set.has(r) {
				t.Errorf("%s has %q", name, r)
			}
		}
	}
	for n := range 3000 {
		_, _ = drawable(regularFont[:n]) // must not panic
	}
}

var escape = regexp.MustCompile(`\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}`)

// What is shown can be read back, whatever was meant and whatever the font has.
func TestShownKeepsEverything(t *testing.T) {
	piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`\`, "u", "U", "0041", "0001F511", "\n", "\x00", "\u202e", "🔑", "日", "é"}))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(piece).Draw(t, "text"), "")
		has := func(r rune) bool { return r < 0x300 }
		out := shown(text, has)
		for _, r := range out {
			if r != '\n' && (!has(r) || !unicode.IsGraphic(r)) {
				t.Fatalf("%q shows %q", text, r)
			}
		}
		back := escape.ReplaceAllStringFunc(out, func(s string) string {
			n, err := strconv.ParseInt(s[2:], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return string(rune(n))
		})
		if want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"); back != want {
			t.Fatalf("%q is shown as %q, which reads %q", text, out, back)
		}
	})
}

// Lines have the width or one character, and together are the text.
func TestWrapKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab/- \n日.é"))).Draw(t, "text")
		width := float64(rapid.IntRange(1, 9).Draw(t, "width"))
		lines := wrap(text, width, func(rune) float64 { return 1 })
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > int(width) {
				t.Fatalf("line %q has %d characters, want at most %v", l, n, width)
			}
		}
		squeezed := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		if got := strings.Join(lines, ""); squeezed(got) != squeezed(text) {
			t.Fatalf("%q is broken into %q", text, lines)
		}
	})
}

func TestWrapPrefersSigns(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"one two three":         "one two|three",
		"environments/app":      "environmen|ts/app",
		"a/environments":        "a/|environmen|ts",
		"line\n\nline":          "line||line",
		"exactly te":            "exactly te",
		"exactly te n":          "exactly te|n",
		"ab cd-ef gh-ij kl/mno": "ab cd-ef|gh-ij kl/|mno",
	} {
		if got := strings.Join(wrap(in, 10, func(rune) float64 { return 1 }), "|"); got != want {
			t.Errorf("%q is broken into %q, want %q", in, got, want)
		}
	}
}

func TestVisual(t *testing.T) {
	for in, want := range map[string]string{
		"plain (text)":  "plain (text)",
		"user אבג":      "user גבא",
		"אבג דהו":       "והד גבא",
		"x אב 123 גד y": "x דג 123 בא y",
		"אב (גד)":       "(דג) בא",
		"(אב)":          "(בא)",
		"שָׁלוֹם":       "םוֹלשָׁ",
		"secret/ב":      "secret/ב",
	} {
		if got := visual(in); got != want {
			t.Errorf("%q is drawn as %q, want %q", in, got, want)
		}
	}
}
