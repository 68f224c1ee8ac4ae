package api

import (
	"regexp"
	"strings"
	"testing"

	"annal"
)

func TestDocumentIsServedToEverybody(t *testing.T) {
	w := newWorld(t)
	a := w.get(token{}, "/v1/openapi.yaml").ok()
	if a.Body.String() != string(readFile(t, document)) || a.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%d bytes of %s", a.Body.Len(), a.Header().Get("Content-Type"))
	}
	if a := w.ask(token{}, "HEAD", "/v1/openapi.yaml", "").ok(); a.Header().Get("Content-Length") == "" {
		t.Error("HEAD has no Content-Length")
	}
}

// The page shows every route and fetches nothing.
func TestReferenceShowsEveryRoute(t *testing.T) {
	w := newWorld(t)
	a := w.get(token{}, "/v1/docs").ok()
	page := a.Body.String()
	for _, d := range dialects() {
		for _, route := range d.Routes {
			method, path := documented(route.Pattern)
			if !strings.Contains(page, "<b>"+method+"</b> <code>"+path+"</code>") {
				t.Errorf("the page lacks %s", route.Pattern)
			}
		}
	}
	if found := regexp.MustCompile(`(?i)<(script|link|img|iframe)|src=|https?://|@import|url\(`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	if csp := a.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") {
		t.Errorf("Content-Security-Policy is %q", csp)
	}
	for _, id := range regexp.MustCompile(`<h3 id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if id[1] == "" || strings.Count(page, `id="`+id[1]+`"`) != 1 {
			t.Errorf("the id %q is not unique", id[1])
		}
	}
	if w.log.End() != 0 || w.reads.End() != 0 || !strings.Contains(page, annal.Fields[annal.ActorID].Name) {
		t.Error("the page was noted, or lacks the filters")
	}
}
