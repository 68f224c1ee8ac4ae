// Package strictjson reads JSON that cannot be misunderstood: what two readers
// might take differently is an error, never a guess.
//
// Refused are duplicate member names (compared after unescaping), invalid
// UTF-8, lone surrogates, nesting deeper than a limit, numbers that a double
// cannot hold, and anything behind a value. Empty member names are legal.
//
// The one idea: checking whether text already is in its canonical form
// (RFC 8785) is a single pass that proves it valid too, duplicates included,
// because canonical names strictly ascend. Only text that fails this check pays
// for a tree. A [Reader] hands out strings that share the input's memory
// wherever nothing had to be unescaped.
package strictjson

import "unsafe"

// A Kind is what a JSON value is.
type Kind uint8

// The kinds. Invalid means that no value begins here.
const (
	Invalid Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"nothing", "null", "a boolean", "a boolean", "a number", "a string", "an array", "an object"}

// String returns the kind with its article, for messages.
func (k Kind) String() string { return kindNames[k] }

// kinds tells a value's kind from its first byte.
var kinds = [256]Kind{
	'n': Null, 'f': False, 't': True, '"': String, '[': Array, '{': Object, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number,
	'5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// A Reader walks through JSON text value by value. Its first error sticks: all
// further calls answer nothing, until [Reader.Seek].
type Reader struct {
	src   []byte
	pos   int
	named int  // where the name read last began
	base  int  // where the value began that paths in errors are relative to
	first bool // the object or array entered last has had no member yet
	lax   bool // keep unsafe integers as strings instead of refusing them
	depth int  // how deep values may nest
	err   *Error
}

// NewReader returns a Reader of src. The strings that it returns share src's
// memory, so src must not change for as long as they are in use. Values that
// [Reader.Value], [Reader.Canonical] and [Reader.Skip] read may nest to depth
// levels; what the caller enters itself does not count.
func NewReader(src []byte, depth int) Reader { return Reader{src: src, depth: depth} }

// Err returns the first error, always an *[Error], or nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil
	}
	return r.err
}

// Pos returns how many bytes were read.
func (r *Reader) Pos() int { return r.pos }

// Seek goes on at pos, where a value begins, and forgets any error. Paths in
// errors are relative to this value from now on.
func (r *Reader) Seek(pos int) { r.pos, r.base, r.first, r.err = pos, pos, false, nil }

// More skips white space and reports whether anything is left.
func (r *Reader) More() bool {
	r.space()
	return r.err == nil && r.pos < len(r.src)
}

// Peek returns the kind of the value that comes next, judged by its first byte.
func (r *Reader) Peek() Kind {
	r.space()
	if r.pos == len(r.src) || r.err != nil {
		return Invalid
	}
	return kinds[r.src[r.pos]]
}

// Enter goes into the object or array that [Reader.Peek] has seen.
func (r *Reader) Enter() {
	if r.err == nil {
		r.pos++
		r.first = true
	}
}

// Name returns the next member's name of the object entered, or false at its
// end and on errors. It does not look for duplicates: the caller does, as it
// knows the names that are legal.
func (r *Reader) Name() (string, bool) {
	if name, ok := r.compactName(); ok {
		return name, true
	}
	if !r.next('}') {
		return "", false
	}
	r.space()
	if r.pos == len(r.src) || r.src[r.pos] != '"' {
		r.fail(r.pos, "a member name in quotes is expected here")
		return "", false
	}
	r.named = r.pos
	name := r.text()
	r.space()
	if r.err != nil {
		return "", false
	}
	if r.pos == len(r.src) || r.src[r.pos] != ':' {
		r.fail(r.pos, "a colon is expected behind a member name")
		return "", false
	}
	r.pos++
	return name, true
}

// compactName is Name where there is neither white space nor an escape nor an
// end, as in nearly all JSON. Otherwise it reads nothing.
func (r *Reader) compactName() (string, bool) {
	i, src := r.pos, r.src
	if r.err != nil || i >= len(src) {
		return "", false
	}
	if !r.first {
		if src[i] != ',' {
			return "", false
		}
		i++
	}
	if i >= len(src) || src[i] != '"' {
		return "", false
	}
	end := plain(src, i+1)
	if end+1 >= len(src) || src[end] != '"' || src[end+1] != ':' {
		return "", false
	}
	r.named, r.pos, r.first = i, end+2, false
	return r.str(i+1, end), true
}

// Twice notes that the name read last occurred before in its object.
func (r *Reader) Twice(name string) {
	if r.err == nil {
		r.fail(r.named, "the member name "+quoteName(name)+" occurs twice")
		r.err.Path = joinPath([]frame{{name: r.err.Path}, {name: shortName(name)}})
	}
}

// Elem reports whether the array entered has another element, which is then
// next.
func (r *Reader) Elem() bool { return r.next(']') }

// next moves to the next member or element, or past the end.
func (r *Reader) next(end byte) bool {
	r.space()
	if r.err != nil {
		return false
	}
	if r.pos == len(r.src) {
		r.fail(r.pos, "the text ends within a value")
		return false
	}
	c := r.src[r.pos]
	switch {
	case c == end:
		r.pos++
		r.first = false
		return false
	case r.first:
		r.first = false
		return true
	case c != ',':
		r.fail(r.pos, "a comma or "+closing(end)+" is expected here")
		return false
	}
	r.pos++
	r.space()
	if r.pos < len(r.src) && r.src[r.pos] == end {
		r.fail(r.pos, "a comma must not stand before "+closing(end))
		return false
	}
	return true
}

func closing(end byte) string {
	if end == '}' {
		return "the end of the object"
	}
	return "the end of the array"
}

// Text reads the string that comes next. It returns false and reads nothing
// when something else does.
func (r *Reader) Text() (string, bool) {
	if r.Peek() != String {
		return "", false
	}
	s := r.text()
	return s, r.err == nil
}

// Number reads a number and returns it as it was written.
func (r *Reader) Number() string {
	if r.Peek() != Number {
		r.fail(r.pos, "a number is expected here")
		return ""
	}
	lit, _ := r.number()
	return lit
}

// Skip reads over a value of any kind.
func (r *Reader) Skip() { r.Canonical() }

// Canonical reads a value of any kind and returns its canonical form (RFC
// 8785), which shares the input's memory if the input had this form.
func (r *Reader) Canonical() string {
	r.space()
	if r.err != nil {
		return ""
	}
	if end, ok := r.canonical(r.pos, r.depth); ok {
		s := r.str(r.pos, end)
		r.pos = end
		return s
	}
	v := r.value(r.depth)
	if r.err != nil {
		return ""
	}
	return string(v.AppendCanonical(nil))
}

// Value reads a value of any kind into a tree.
func (r *Reader) Value() Value {
	r.space()
	return r.value(r.depth)
}

// End notes an error when anything but white space is left.
func (r *Reader) End() {
	if r.More() {
		r.fail(r.pos, "nothing may follow the value")
	}
}

func (r *Reader) space() {
	if r.pos < len(r.src) && r.src[r.pos] <= ' ' {
		r.spaces()
	}
}

func (r *Reader) spaces() {
	for r.pos < len(r.src) && r.src[r.pos] <= ' ' {
		switch r.src[r.pos] {
		case ' ', '\n', '\r', '\t':
			r.pos++
		default:
			return
		}
	}
}

// str returns src[from:to] without copying it.
func (r *Reader) str(from, to int) string {
	if from == to {
		return ""
	}
	return unsafe.String(&r.src[from], to-from)
}
