package main

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"annal"
	"annal/client"
)

// filters are the conditions of a question. Besides these there is one flag for
// each field, see filterFlags.
type filters struct {
	Under string `name:"path-prefix" placeholder:"PATH" help:"Only resources at or below this path." group:"Conditions (repeat one for any of several values):"`
	Text  string `placeholder:"WORDS" help:"Only events that contain every word." group:"Conditions (repeat one for any of several values):"`

	fields reflect.Value // a struct with one []string a field, made by filterFlags
}

const conditions = "Conditions (repeat one for any of several values):"

// filterFlags gives f one flag for each field of annal's table, named like it.
// The tenant is not among them: --tenant names it for every command.
func filterFlags(f *filters) kong.Plugins {
	var members []reflect.StructField
	for field := range annal.NumFields {
		if field == annal.Tenant {
			continue
		}
		name := field.String()
		members = append(members, reflect.StructField{
			Name: memberOf(field),
			Type: reflect.TypeFor[[]string](),
			Tag:  reflect.StructTag(`name:"` + name + `" sep:"none" placeholder:"VALUE" help:"` + name + ` is this." group:"` + conditions + `"`),
		})
	}
	p := reflect.New(reflect.StructOf(members))
	f.fields = p.Elem()
	return kong.Plugins{p.Interface()}
}

func memberOf(f annal.Field) string { return "F" + strings.ReplaceAll(f.String(), ".", "_") }

// query returns the question without its times and order.
func (f *filters) query() client.Query {
	q := client.Query{Under: f.Under, Text: f.Text, Where: map[annal.Field][]string{}}
	for field := range annal.NumFields {
		member := f.fields.FieldByName(memberOf(field))
		if !member.IsValid() {
			continue
		}
		if values := member.Interface().([]string); len(values) > 0 {
			q.Where[field] = values
		}
	}
	return q
}
