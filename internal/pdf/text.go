package pdf

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown spells text with characters that has knows alone. Others, and those
// that cannot be seen, are written as \u and four digits or \U and eight, and
// so is a backslash that would look like one of these: what was meant can
// always be read. Ends of lines stay.
func shown(text string, has func(rune) bool) string {
	plain := func(r rune) bool { return r == '\n' || unicode.IsGraphic(r) && has(r) }
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if !strings.Contains(text, `\`) && utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\\' && looksEscaped(text[i+1:]):
			b.WriteString(`\u005C`)
		case plain(r):
			b.WriteRune(r)
		case r < 1<<16:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	return b.String()
}

// looksEscaped reports whether a backslash before text would be read as the
// beginning of an escape.
func looksEscaped(text string) bool {
	digits := 0
	switch {
	case strings.HasPrefix(text, "u"):
		digits = 4
	case strings.HasPrefix(text, "U"):
		digits = 8
	}
	return digits > 0 && len(text) > digits && strings.Trim(text[1:1+digits], "0123456789abcdefABCDEF") == ""
}

// wrap breaks text into lines of at most width, after spaces and signs where it
// can and anywhere where it must. Nothing is lost but the spaces at the end of
// a line.
func wrap(text string, width float64, widthOf func(rune) float64) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = appendWrapped(lines, line, width, widthOf)
	}
	return lines
}

func appendWrapped(lines []string, line string, width float64, widthOf func(rune) float64) []string {
	start, may, used, sinceMay := 0, 0, 0.0, 0.0
	for i, r := range line {
		w := widthOf(r)
		if used+w > width && i > start && r != ' ' && !unicode.Is(unicode.M, r) {
			at := i
			if may > start {
				at, used = may, sinceMay
			} else {
				used = 0
			}
			lines = append(lines, strings.TrimRight(line[start:at], " "))
			start, may = at, at
			sinceMay = used
		}
		used += w
		sinceMay += w
		if breaksAfter(r) {
			may, sinceMay = i+utf8.RuneLen(r), 0
		}
	}
	return append(lines, strings.TrimRight(line[start:], " "))
}

// breaksAfter reports whether a line may end behind r.
func breaksAfter(r rune) bool { return strings.ContainsRune(" /-_.,:;@=&?|", r) }

// visual puts a line into the order in which it is drawn, from left to right:
// runs of Hebrew, Arabic and the like are turned round. Numbers in them are not.
func visual(line string) string {
	if strings.IndexFunc(line, rightToLeft) < 0 {
		return line
	}
	rs := []rune(line)
	for i := 0; i < len(rs); i++ {
		if !rightToLeft(rs[i]) {
			continue
		}
		end := i + 1
		for j := end; j < len(rs) && !leftToRight(rs[j]); j++ {
			if rightToLeft(rs[j]) || unicode.Is(unicode.M, rs[j]) {
				end = j + 1
			}
		}
		for end < len(rs) && closes(rs[i:end+1]) {
			end++
		}
		turn(rs[i:end])
		i = end
	}
	return string(rs)
}

// closes reports whether the last of rs is a bracket that closes one of them.
func closes(rs []rune) bool {
	at := strings.IndexRune(")]}>", rs[len(rs)-1])
	if at < 0 {
		return false
	}
	opening, open := rune("([{<"[at]), 0
	for _, r := range rs {
		switch r {
		case opening:
			open++
		case rs[len(rs)-1]:
			open--
		}
	}
	return open >= 0
}

// turn reverses a run but for the numbers in it, mirrors its brackets, and
// keeps marks behind what they belong to.
func turn(rs []rune) {
	slices.Reverse(rs)
	for i, r := range rs {
		if at := strings.IndexRune("()[]{}<>", r); at >= 0 {
			rs[i] = rune("()[]{}<>"[at^1])
		}
	}
	flip(rs, unicode.IsDigit, unicode.IsDigit)
	flip(rs, func(r rune) bool { return unicode.Is(unicode.M, r) }, nil)
}

// flip reverses each stretch of runes that are in, together with the one behind
// it unless that must be of last.
func flip(rs []rune, in, last func(rune) bool) {
	for i := 0; i < len(rs); i++ {
		end := i
		for end < len(rs) && in(rs[end]) {
			end++
		}
		if last == nil && end > i && end < len(rs) {
			end++
		}
		slices.Reverse(rs[i:end])
		i = max(i, end-1)
	}
}

func rightToLeft(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko) && unicode.IsLetter(r)
}

func leftToRight(r rune) bool { return unicode.IsLetter(r) && !rightToLeft(r) }
