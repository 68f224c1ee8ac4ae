package strictjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Error says where and why text was refused. It names members, but never
// quotes values.
type Error struct {
	Offset  int    // bytes from the beginning of the text
	Path    string // the member concerned, as "actor.id" or "extra.list[2]"; "" is the whole
	Problem string // what was wrong
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("at byte %d: %s", e.Offset, e.Problem)
	}
	return fmt.Sprintf("at byte %d, member %s: %s", e.Offset, e.Path, e.Problem)
}

func (r *Reader) fail(at int, problem string) {
	if r.err == nil {
		r.err = &Error{Offset: at, Path: pathAt(r.src, r.base, at), Problem: problem}
	}
}

// maxNameShown bounds how much of a member name an error repeats.
const maxNameShown = 64

func quoteName(name string) string { return strconv.Quote(shortName(name)) }

func shortName(name string) string {
	if len(name) <= maxNameShown {
		return name
	}
	n := maxNameShown
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n] + "…"
}

// A frame is an object or array that encloses the place of an error.
type frame struct {
	array bool
	index int    // of the current element
	name  string // of the current member
	value bool   // the colon was seen: a string is not a name
}

// pathAt finds out which member the byte at lies in by walking from base once
// more: paths cost nothing until there is an error. The text before at was
// read without one.
func pathAt(src []byte, base, at int) string {
	var stack []frame
	at = min(at, len(src))
	for i := base; i < at; i++ {
		top := len(stack) - 1
		switch src[i] {
		case '{', '[':
			stack = append(stack, frame{array: src[i] == '['})
		case '}', ']':
			if top >= 0 {
				stack = stack[:top]
			}
		case ':':
			if top >= 0 {
				stack[top].value = true
			}
		case ',':
			if top >= 0 {
				stack[top].index++
				stack[top].value = false
				stack[top].name = ""
			}
		case '"':
			name, end := skim(src, i, at)
			if top >= 0 && !stack[top].array && !stack[top].value && end < at {
				stack[top].name = shortName(name)
			}
			i = end
		}
	}
	return joinPath(stack)
}

// skim returns the string at i, unescaped, and the index of its closing quote.
func skim(src []byte, i, at int) (string, int) {
	r := Reader{src: src, pos: i, err: &Error{}}
	name := r.text()
	if r.pos == i {
		return "", at
	}
	return name, r.pos - 1
}

func joinPath(stack []frame) string {
	var b strings.Builder
	for _, f := range stack {
		switch {
		case f.array:
			b.WriteString("[" + strconv.Itoa(f.index) + "]")
		case f.name != "":
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(f.name)
		}
	}
	return b.String()
}
