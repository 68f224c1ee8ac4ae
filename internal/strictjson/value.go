package strictjson

import (
	"slices"

	"annal"
)

// A Value is a JSON value as a tree, members in the order they were written.
type Value struct {
	Kind    Kind
	Text    string   // a String's text; a Number as it was written
	Items   []Value  // of an Array
	Members []Member // of an Object; names are unique
}

// A Member is a name and its value in an object.
type Member struct {
	Name  string
	Value Value
}

// Parse reads the one value that src holds. The tree shares src's memory.
func Parse(src []byte, depth int) (Value, error) { return parse(src, depth, false) }

// ParseLax is [Parse] for text that others wrote and that cannot be refused:
// numbers that a double cannot hold become strings of their digits.
func ParseLax(src []byte, depth int) (Value, error) { return parse(src, depth, true) }

func parse(src []byte, depth int, lax bool) (Value, error) {
	r := NewReader(src, depth)
	r.lax = lax
	v := r.Value()
	r.End()
	return v, r.Err()
}

// Text returns a String.
func Text(s string) Value { return Value{Kind: String, Text: s} }

// Get follows names into nested objects. It returns nil where there is nothing.
func (v *Value) Get(names ...string) *Value {
next:
	for _, name := range names {
		if v == nil {
			return nil
		}
		for i := range v.Members {
			if v.Members[i].Name == name {
				v = &v.Members[i].Value
				continue next
			}
		}
		return nil
	}
	return v
}

// Str returns the string that [Value.Get] leads to, or "".
func (v *Value) Str(names ...string) string {
	if m := v.Get(names...); m != nil && m.Kind == String {
		return m.Text
	}
	return ""
}

// Add adds a member to an object. The name must be new.
func (v *Value) Add(name string, m Value) {
	v.Kind = Object
	v.Members = append(v.Members, Member{name, m})
}

// AppendCanonical appends v's canonical form (RFC 8785).
func (v *Value) AppendCanonical(dst []byte) []byte {
	switch v.Kind {
	case True:
		return append(dst, "true"...)
	case False:
		return append(dst, "false"...)
	case Number:
		return appendNumber(dst, v.Text)
	case String:
		return annal.AppendString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.Items[i].AppendCanonical(dst)
		}
		return append(dst, ']')
	case Object:
		return v.appendObject(dst)
	}
	return append(dst, "null"...)
}

func (v *Value) appendObject(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range sorted(v.Members) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(annal.AppendString(dst, m.Name), ':')
		dst = m.Value.AppendCanonical(dst)
	}
	return append(dst, '}')
}

// sorted returns pointers to the members in canonical order.
func sorted(members []Member) []*Member {
	list := make([]*Member, len(members))
	for i := range members {
		list[i] = &members[i]
	}
	slices.SortFunc(list, func(a, b *Member) int {
		switch {
		case Less(a.Name, b.Name):
			return -1
		case a.Name == b.Name:
			return 0
		}
		return 1
	})
	return list
}

func (r *Reader) value(depth int) Value {
	r.space()
	if r.err != nil {
		return Value{}
	}
	if r.pos == len(r.src) {
		r.fail(r.pos, "a value is expected here, but the text ends")
		return Value{}
	}
	kind := kinds[r.src[r.pos]]
	switch kind {
	case Null:
		return r.word("null", kind)
	case True:
		return r.word("true", kind)
	case False:
		return r.word("false", kind)
	case Number:
		lit, asString := r.number()
		if asString {
			kind = String
		}
		return Value{Kind: kind, Text: lit}
	case String:
		return Value{Kind: kind, Text: r.text()}
	case Array, Object:
		if depth == 0 {
			r.fail(r.pos, "the value nests too deeply")
			return Value{}
		}
		if kind == Array {
			return r.array(depth - 1)
		}
		return r.object(depth - 1)
	}
	r.fail(r.pos, "a value is expected here")
	return Value{}
}

func (r *Reader) word(want string, kind Kind) Value {
	end, ok := r.literal(r.pos, want)
	if !ok {
		r.fail(r.pos, "a value is expected here")
		return Value{}
	}
	r.pos = end
	return Value{Kind: kind}
}

func (r *Reader) array(depth int) Value {
	v := Value{Kind: Array}
	for r.Enter(); r.Elem(); {
		v.Items = append(v.Items, r.value(depth))
	}
	return v
}

// fewNames is up to how many names an object is searched for duplicates one by
// one; larger ones get a set.
const fewNames = 16

func (r *Reader) object(depth int) Value {
	v := Value{Kind: Object}
	var names map[string]struct{}
	r.Enter()
	for {
		name, ok := r.Name()
		if !ok {
			return v
		}
		if names == nil && len(v.Members) == fewNames {
			names = make(map[string]struct{}, 4*fewNames)
			for i := range v.Members {
				names[v.Members[i].Name] = struct{}{}
			}
		}
		if has(v.Members, names, name) {
			r.Twice(name)
			return v
		}
		if names != nil {
			names[name] = struct{}{}
		}
		v.Members = append(v.Members, Member{name, r.value(depth)})
	}
}

func has(members []Member, names map[string]struct{}, name string) bool {
	if names != nil {
		_, ok := names[name]
		return ok
	}
	for i := range members {
		if members[i].Name == name {
			return true
		}
	}
	return false
}
