package api

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"annal"
)

const document = "../../docs/openapi.yaml"

// A checker holds answers against the OpenAPI document.
type checker struct{ doc *openapi3.T }

func newChecker(t testing.TB) *checker {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(readFile(t, document))
	if err != nil {
		t.Fatal(err)
	}
	return &checker{doc}
}

// documented turns a route's pattern into the method and path of the document.
func documented(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.ReplaceAll(path, "...}", "}")
}

// answer checks one answer, of a route or of none.
func (k *checker) answer(t testing.TB, s *server, r *http.Request, rec *httptest.ResponseRecorder) {
	t.Helper()
	id := rec.Header().Get("X-Request-ID")
	if !saneID(id) {
		t.Errorf("X-Request-ID is %q", id)
	}
	c := &Call{Request: r, s: s}
	unknown := s.route(c) != nil
	shown := c.dialect.Name == "native" || c.dialect.Name == "scaivault" // others have the header alone
	if rec.Code >= 400 && r.Method != "HEAD" && shown && !strings.Contains(rec.Body.String(), `"request_id":"`+id+`"`) {
		t.Errorf("the error %s does not carry the request id %s", rec.Body, id)
	}
	if unknown {
		schema := map[string]string{"native": "Problem", "scaivault": "ScaiError", "dsv": "DsvError", "certifyclouds": "CertifyError", "scaikey": "ScaikeyError"}[c.dialect.Name]
		k.value(t, schema, rec.Body.Bytes())
		return
	}
	method, path := documented(c.route.Pattern)
	item := k.doc.Paths.Find(path)
	if item == nil {
		t.Fatalf("%s is not in the document", path)
	}
	if r.Method == "HEAD" {
		return
	}
	mediaType, _, _ := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	options := &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: !strings.HasSuffix(mediaType, "json") || strings.Contains(mediaType, "nd")}
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, Route: &routers.Route{Spec: k.doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		},
		Status: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Options: options,
	})
	if err != nil {
		t.Errorf("%s %s answers %d %s: %v", r.Method, r.URL, rec.Code, rec.Body, err)
	}
}

// value checks JSON against a named schema.
func (k *checker) value(t testing.TB, schema string, body []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	ref := k.doc.Components.Schemas[schema]
	if ref == nil {
		t.Fatalf("no schema %q", schema)
	}
	if err := ref.Value.VisitJSON(v); err != nil {
		t.Errorf("%s is no %s: %v", body, schema, err)
	}
}

func TestDocumentIsValid(t *testing.T) {
	k := newChecker(t)
	if err := k.doc.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Error(err)
	}
}

func TestDocumentHasEveryRouteAndNoOther(t *testing.T) {
	k := newChecker(t)
	served := map[string]bool{}
	for _, d := range dialects() {
		for _, route := range d.Routes {
			method, path := documented(route.Pattern)
			served[method+" "+path] = true
			item := k.doc.Paths.Find(path)
			if item == nil || item.GetOperation(method) == nil {
				t.Errorf("%s is not in the document", route.Pattern)
				continue
			}
			op := item.GetOperation(method)
			if route.Scope != "" && !strings.Contains(op.Description, "`"+route.Scope+"`") {
				t.Errorf("the document does not name the scope %s of %s", route.Scope, route.Pattern)
			}
		}
	}
	for path, item := range k.doc.Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("%s %s is documented but not served", method, path)
			}
		}
	}
}

// queries lists the parameters that GET has in the query, sorted by name.
func (k *checker) queries(path string) (names []string) {
	for _, p := range k.doc.Paths.Find(path).Get.Parameters {
		if p.Value.In == "query" {
			names = append(names, p.Value.Name)
		}
	}
	slices.Sort(names)
	return names
}

// What is documented is taken: annal's own routes refuse any other parameter.
func TestDocumentHasNoOtherParameter(t *testing.T) {
	w := newWorld(t)
	for _, route := range native().Routes {
		method, path := documented(route.Pattern)
		if method != "GET" || strings.Contains(path, "/tail") { // which does not end
			continue
		}
		for _, name := range w.check.queries(path) {
			a := w.get(w.super(), strings.NewReplacer("{field}", "action", "{id}", "x").Replace(path)+"?"+name+"=x")
			if strings.Contains(a.Body.String(), "is not a parameter") {
				t.Errorf("%s: %s is documented, and refused: %s", path, name, a.Body)
			}
		}
	}
}

// Whoever must authenticate may fail to, and anything may break: each route says
// with what it then answers.
func TestDocumentHasWhatEveryRouteMayAnswer(t *testing.T) {
	k := newChecker(t)
	for _, d := range dialects() {
		for _, route := range d.Routes {
			method, path := documented(route.Pattern)
			answers := k.doc.Paths.Find(path).GetOperation(method).Responses
			may := []int{route.Status, http.StatusInternalServerError}
			if route.Scope != "" {
				may = append(may, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable)
			}
			for _, status := range may {
				if answers.Status(status) == nil && (status < 400 || answers.Default() == nil) {
					t.Errorf("%s: the document does not say that it may answer %d", route.Pattern, status)
				}
			}
		}
	}
}

// The document has the limit of every text of an event, as README promises.
func TestDocumentHasTheLimitOfEveryField(t *testing.T) {
	k := newChecker(t)
	for f := range annal.NumTexts {
		if f == annal.Extra || f == annal.Flags { // an object and a list, bounded in bytes of JSON
			continue
		}
		s := k.doc.Components.Schemas["Input"].Value
		for name := range strings.SplitSeq(f.String(), ".") {
			if s.Properties[name] == nil {
				t.Fatalf("%s is not in the document", f)
			}
			s = s.Properties[name].Value
		}
		if want := uint64(annal.Fields[f].Max); s.MaxLength == nil || *s.MaxLength != want {
			t.Errorf("%s: the document does not say maxLength: %d", f, want)
		}
	}
}

func TestDocumentHasEveryFilter(t *testing.T) {
	k := newChecker(t)
	for _, path := range []string{"/v1/events", "/v1/events/summary", "/v1/events/values/{field}", "/v1/events/tail"} {
		names := map[string]bool{}
		for _, p := range k.doc.Paths.Find(path).Get.Parameters {
			names[p.Value.Name] = true
		}
		for name := range nativeFilters() {
			if !strings.HasSuffix(name, "!") && !names[name] {
				t.Errorf("%s: the parameter %s is not documented", path, name)
			}
		}
	}
	for path, p := range map[string]Params{
		"/v1/audit/logs": scaiParams(), "/v1/audit/secrets/{path}": scaiParams(), "/v1/audit/identities/{identity_id}": scaiParams(),
		"/v1/audit": dsvParams(), "/audit/entries": certifyPages(), "/audit/export": certifyDownload(),
		"/api/audit/entries": certifyPages(), "/api/audit/export": certifyDownload(),
		scaikeyBase: scaikeyPages(), scaikeyBase + "stats": scaikeyBounds(),
	} {
		if got, want := k.queries(path), slices.Sorted(maps.Keys(p.Names)); !slices.Equal(got, want) {
			t.Errorf("%s: the parameters are documented as %v, want %v", path, got, want)
		}
	}
	enum := k.doc.Components.Schemas["Field"].Value.Enum
	if len(enum) != int(annal.NumFields) {
		t.Errorf("%d fields are documented, want %d", len(enum), annal.NumFields)
	}
}
