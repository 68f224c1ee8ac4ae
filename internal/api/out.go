package api

import (
	"strconv"
	"time"

	"annal"
)

// writer appends JSON. Separators follow from the byte before, so that callers
// write members and items one after another.
type writer struct{ b []byte }

func (w *writer) separate() {
	if n := len(w.b); n > 0 {
		switch w.b[n-1] {
		case '{', '[', ':', ',':
		default:
			w.b = append(w.b, ',')
		}
	}
}

// open begins an object or array: '{' or '['.
func (w *writer) open(c byte) {
	w.separate()
	w.b = append(w.b, c)
}

// close ends an object or array: '}' or ']'.
func (w *writer) close(c byte) { w.b = append(w.b, c) }

// name begins a member. The name needs no escapes.
func (w *writer) name(name string) {
	w.separate()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// key begins a member of any name.
func (w *writer) key(name string) {
	w.text(name)
	w.b = append(w.b, ':')
}

func (w *writer) text(v string) {
	w.separate()
	w.b = annal.AppendString(w.b, v)
}

func (w *writer) uint(v uint64) {
	w.separate()
	w.b = strconv.AppendUint(w.b, v, 10)
}

func (w *writer) int(v int64) {
	w.separate()
	w.b = strconv.AppendInt(w.b, v, 10)
}

func (w *writer) bool(v bool) {
	w.separate()
	w.b = strconv.AppendBool(w.b, v)
}

// raw appends what is JSON already.
func (w *writer) raw(v string) {
	w.separate()
	w.b = append(w.b, v...)
}

// time appends t with that many fractional digits, or null for the zero time.
func (w *writer) time(t time.Time, digits int) {
	if t.IsZero() {
		w.raw("null")
		return
	}
	w.separate()
	w.b = append(annal.AppendTime(append(w.b, '"'), t, digits), '"')
}

// Members of an object.

func (w *writer) textMember(name, v string)                    { w.name(name); w.text(v) }
func (w *writer) uintMember(name string, v uint64)             { w.name(name); w.uint(v) }
func (w *writer) intMember(name string, v int64)               { w.name(name); w.int(v) }
func (w *writer) boolMember(name string, v bool)               { w.name(name); w.bool(v) }
func (w *writer) timeMember(n string, t time.Time, digits int) { w.name(n); w.time(t, digits) }

// given writes the member unless it is empty.
func (w *writer) given(name, v string) {
	if v != "" {
		w.textMember(name, v)
	}
}

// textOrNull writes the member, null when it is empty.
func (w *writer) textOrNull(name, v string) {
	w.name(name)
	if v == "" {
		w.raw("null")
	} else {
		w.text(v)
	}
}
