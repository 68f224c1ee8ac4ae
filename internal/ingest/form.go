package ingest

import (
	"strings"

	"annal"
	"annal/internal/strictjson"
)

// A form is an entry as a dialect shows it, as a table: what each member means.
// What the log assigns (ids, numbers) is read over, what the table does not know
// is kept in extra. Receiving an entry and showing it again gives the same entry.
type form struct {
	members map[string]formMember
	// settle fills in what the form says only between its lines.
	settle func(p *parser, said *entry)
}

// A formMember is one member of a form.
type formMember struct {
	read   func(p *parser, said *entry, name string)
	field  string                // of the event, which problems then name by this member
	within map[string]formMember // of a member that is an object
}

// An entry is what was read of a form beyond the fields of an event.
type entry struct {
	flat
	item string // principalItemId
}

// formOf returns the table of a format.
func formOf(f Format) *form {
	switch f {
	case DSV:
		return dsvForm()
	case CertifyClouds:
		return certifyForm()
	}
	return scaikeyForm()
}

// Members of forms.

func textOf(f annal.Field) formMember {
	return formMember{field: f.String(), read: func(p *parser, _ *entry, _ string) { p.text(f, p.e.Text(f)) }}
}

func timeIn() formMember {
	return formMember{field: "time", read: func(p *parser, _ *entry, name string) { p.time(name) }}
}

func statusIn() formMember {
	return formMember{read: func(p *parser, _ *entry, name string) { p.status(name) }}
}

func extraIn() formMember {
	return formMember{field: annal.Extra.String(), read: func(p *parser, said *entry, name string) { said.extraData = p.extra(name) }}
}

// givenAnew is what the log gives each event anew.
func givenAnew() formMember {
	return formMember{read: func(p *parser, _ *entry, _ string) { p.r.Skip() }}
}

func objectOf(members map[string]formMember) formMember { return formMember{within: members} }

// entry reads one entry in p's form.
func (p *parser) entry() {
	if p.form == nil {
		p.form = formOf(p.req.Format)
	}
	var said entry
	p.r.Enter()
	p.entryMembers(&said, p.form.members, "")
	if p.r.Err() != nil {
		return
	}
	p.form.settle(p, &said)
	if p.e.Extra = said.extra(); len(said.more.Members) > 0 {
		// What was joined nests deeper than its parts.
		if _, err := strictjson.Parse([]byte(p.e.Extra), annal.MaxExtraDepth); err != nil {
			p.problem(annal.Extra.String(), "nests too deeply together with the further members")
		}
	}
}

// entryMembers reads the members of an object that was entered, which is the
// member object of the entry or, with "", the entry itself.
func (p *parser) entryMembers(said *entry, members map[string]formMember, object string) {
	seen := map[string]bool{}
	for {
		name, ok := p.r.Name()
		if !ok {
			return
		}
		m, known := members[name]
		path := memberPath(object, name)
		switch {
		case !known && object == "":
			p.further(&said.flat, name)
			continue
		case !known:
			p.unknown(object, name)
			continue
		case seen[name]:
			p.problem(path, `the member name "`+name+`" occurs twice`)
		}
		seen[name] = true
		switch {
		case m.within == nil:
			m.read(p, said, path)
		case p.expect(strictjson.Object, path):
			p.r.Enter()
			p.entryMembers(said, m.within, path)
		}
	}
}

// memberOf returns the member that a field is read from.
func (f *form) memberOf(field string) string {
	for name, m := range f.members {
		if m.field == field && field != "" {
			return name
		}
		for inner, n := range m.within {
			if n.field == field && field != "" {
				return memberPath(name, inner)
			}
		}
	}
	return field
}

// hasSuffixOf reports whether s ends in one of suffixes.
func hasSuffixOf(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}
