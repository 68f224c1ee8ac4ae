package api

import (
	"bytes"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"

	"annal/docs"
)

// The description of the API is public, as its source is: it needs no token, so
// that tools and people can read it before they have one. It says nothing of
// what a server holds or how it is set up.

//go:embed reference.html
var referencePage string

// showDocument serves the OpenAPI document.
func showDocument(c *Call) error {
	c.mediaType = "application/yaml"
	c.out.b = append(c.out.b, docs.OpenAPI...)
	return nil
}

// showReference serves the document as a page that fetches nothing.
func showReference(c *Call) error {
	page, err := c.s.reference()
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	c.mediaType = "text/html; charset=utf-8"
	c.out.b = append(c.out.b, page...)
	return nil
}

// A reference is what the page shows.
type reference struct {
	Title, Summary, Version string
	Paragraphs              [][]span
	Groups                  []*referenceGroup
}

type referenceGroup struct {
	Name, About string
	Routes      []referenceRoute
}

type referenceRoute struct {
	ID, Method, Path string
	Summary, About   []span
	Params           []referenceParam
	Statuses         []string
}

type referenceParam struct {
	Name, In string
	About    []span
}

// A span is a piece of text in one style.
type span struct {
	Text         string
	Code, Strong bool
}

// A docNode is a node of the document.
type docNode = map[string]any

// referenceHTML renders the document.
func referenceHTML() ([]byte, error) {
	doc, err := yaml.Parser().Unmarshal([]byte(docs.OpenAPI))
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	page, err := template.New("reference").Parse(referencePage)
	if err != nil {
		return nil, fmt.Errorf("read the page of the reference: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, referenceOf(doc)); err != nil {
		return nil, fmt.Errorf("write the reference: %w", err)
	}
	return b.Bytes(), nil
}

// referenceOf finds in the document what the page shows.
func referenceOf(doc docNode) reference {
	info := nodeOf(doc, "info")
	r := reference{Title: wordsOf(info, "title"), Summary: wordsOf(info, "summary"), Version: wordsOf(info, "version")}
	for _, p := range strings.Split(strings.TrimSpace(wordsOf(info, "description")), "\n\n") {
		r.Paragraphs = append(r.Paragraphs, spans(p))
	}
	r.Groups = groupsOf(doc)
	return r
}

// groupsOf gathers the routes by their tags, in the order of the tags.
func groupsOf(doc docNode) (groups []*referenceGroup) {
	byName := map[string]*referenceGroup{}
	for _, tag := range nodesOf(doc, "tags") {
		g := &referenceGroup{Name: wordsOf(tag, "name"), About: wordsOf(tag, "description")}
		byName[g.Name], groups = g, append(groups, g)
	}
	paths := nodeOf(doc, "paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operations := nodeOf(paths, path)
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			op := nodeOf(operations, method)
			tags, _ := op["tags"].([]any)
			for _, tag := range tags {
				name := fmt.Sprint(tag)
				g := byName[name]
				if g == nil {
					g = &referenceGroup{Name: name}
					byName[name], groups = g, append(groups, g)
				}
				g.Routes = append(g.Routes, routeOf(doc, method, path, op))
			}
		}
	}
	return groups
}

func routeOf(doc docNode, method, path string, op docNode) referenceRoute {
	r := referenceRoute{
		ID: wordsOf(op, "operationId"), Method: strings.ToUpper(method), Path: path,
		Summary: spans(wordsOf(op, "summary")), About: spans(wordsOf(op, "description")),
		Statuses: slices.Sorted(maps.Keys(nodeOf(op, "responses"))),
	}
	for _, p := range nodesOf(op, "parameters") {
		if ref := wordsOf(p, "$ref"); ref != "" {
			p = nodeOf(nodeOf(nodeOf(doc, "components"), "parameters"), strings.TrimPrefix(ref, "#/components/parameters/"))
		}
		r.Params = append(r.Params, referenceParam{Name: wordsOf(p, "name"), In: wordsOf(p, "in"), About: spans(wordsOf(p, "description"))})
	}
	return r
}

// nodeOf, nodesOf and wordsOf read a member; what is not there is empty.

func nodeOf(o docNode, name string) docNode {
	m, _ := o[name].(docNode)
	return m
}

func nodesOf(o docNode, name string) []docNode {
	list, _ := o[name].([]any)
	all := make([]docNode, 0, len(list))
	for _, v := range list {
		if m, ok := v.(docNode); ok {
			all = append(all, m)
		}
	}
	return all
}

func wordsOf(o docNode, name string) string {
	if o[name] == nil {
		return ""
	}
	return fmt.Sprint(o[name])
}

// spans tells `code` and **strong** from the rest.
func spans(s string) []span {
	var all []span
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			all = append(all, span{Text: part, Code: true})
			continue
		}
		for j, piece := range strings.Split(part, "**") {
			if piece != "" {
				all = append(all, span{Text: piece, Strong: j%2 == 1})
			}
		}
	}
	return all
}
