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
	var names []string
	for _, p := range k.doc.Paths.Find("/v1/audit/logs").Get.Parameters {
		if p.Value.In == "query" {
			names = append(names, p.Value.Name)
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(scaiParams().Names)); !slices.Equal(names, want) {
		t.Errorf("ScaiVault's parameters are documented as %v, want %v", names, want)
	}
	enum := k.doc.Components.Schemas["Field"].Value.Enum
	if len(enum) != int(annal.NumFields) {
		t.Errorf("%d fields are documented, want %d", len(enum), annal.NumFields)
	}
}
