package api

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"annal"
	"annal/internal/annaltest"
)

// numberedPage asks for the page of n events from the given place on.
type numberedPage struct {
	target, list string
	page         func(offset, n int) string
	id           func(annal.ID) string
}

func numberedPages() []numberedPage {
	byOffset := func(offset, n int) string { return fmt.Sprintf("limit=%d&offset=%d", n, offset) }
	return []numberedPage{
		{"/audit/entries", "entries", byOffset, func(id annal.ID) string { return "audit-" + id.UUID() }},
		{"/api/audit/entries", "entries", byOffset, func(id annal.ID) string { return "audit-" + id.UUID() }},
		{"/api/v1/admin/audit/", "items", func(offset, n int) string { return fmt.Sprintf("per_page=%d&page=%d", n, offset/n+1) }, annal.ID.UUID},
	}
}

// A walk over numbered pages sees each event of its first page's log once and
// in order, whatever is written meanwhile and however old, with the same total
// on every page.
func TestNumberedPagesDoNotDrift(t *testing.T) {
	for _, x := range numberedPages() {
		w := newWorld(t)
		acme := w.of("acme")
		add := func(n int) {
			for range n {
				w.put(event("read", "user:a", "p", rand.IntN(100)-50))
			}
		}
		add(57)
		want := pagesOf(w, x, acme, 1000, 57, nil)
		for _, n := range []int{1, 7, 10, 57, 100} {
			got := pagesOf(w, x, acme, n, w.total(acme, x), func() { add(rand.IntN(4)) })
			if fresh := pagesOf(w, x, acme, 200, w.total(acme, x), nil); len(got) < len(want) || slices.Compare(got, fresh) == 0 && n < 57 {
				t.Errorf("%s by %d: %d events", x.target, n, len(got))
			}
			if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
				t.Errorf("%s by %d: an event comes twice", x.target, n)
			}
		}
	}
}

func (w *world) total(by token, x numberedPage) int {
	w.t.Helper()
	return int(w.get(by, x.target).ok().at("total").(float64))
}

// pagesOf walks over all pages and returns the ids; total is what each page has
// to say.
func pagesOf(w *world, x numberedPage, by token, n, total int, between func()) []string {
	w.t.Helper()
	n = min(n, 200)
	var ids []string
	for offset := 0; offset == 0 || offset < total; offset += n {
		a := w.get(by, x.target+"?"+x.page(offset, n)).ok()
		if got := a.at("total").(float64); int(got) != total {
			w.t.Errorf("%s: total %v at %d, want %d", x.target, got, offset, total)
		}
		ids = append(ids, a.column(x.list, "id")...)
		if between != nil {
			between()
		}
	}
	if len(ids) != total {
		w.t.Errorf("%s by %d: the walk saw %d events of %d", x.target, n, len(ids), total)
	}
	return ids
}

// Any page by number is what the native dialect has at that place, in whatever
// order pages are asked for.
func TestNumberedPagesAgreeWithCursors(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	annaltest.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 9).Draw(rt, "events") {
			w.put(drawEvent(rt))
		}
		native := w.walk(acme, "/v1/events", "events", url.Values{"limit": {"1000"}})
		x := rapid.SampledFrom(numberedPages()).Draw(rt, "dialect")
		w.advance(snapshotIdle) // earlier walks are forgotten
		for range 5 {
			n := rapid.IntRange(1, 20).Draw(rt, "n")
			offset := n * rapid.IntRange(0, len(native)/n+2).Draw(rt, "page")
			a := w.get(acme, x.target+"?"+x.page(offset, n)).ok()
			from := min(offset, len(native))
			want := []string{}
			for _, text := range native[from:min(from+n, len(native))] {
				id, _ := annal.ParseID(text)
				want = append(want, x.id(id))
			}
			if got := a.column(x.list, "id"); !slices.Equal(got, want) || int(a.at("total").(float64)) != len(native) {
				rt.Fatalf("%s: %d events at %d by %d of %v, want %d of %d", x.target, len(got), offset, n, a.at("total"), len(want), len(native))
			}
		}
	})
}

// Two walks through one answer stay apart, also when the second begins while
// the first is on its way.
func TestWalksStayApart(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	add := func(n int) {
		for range n {
			w.put(event("read", "user:a", "p", len(w.log.Events())))
		}
	}
	page := func(offset int) answer {
		return w.get(acme, fmt.Sprintf("/audit/entries?limit=10&offset=%d", offset)).ok()
	}
	add(40)
	first := page(0).column("entries", "id")
	first = append(first, page(10).column("entries", "id")...)
	add(5)
	second := page(0).column("entries", "id")
	first = append(first, page(20).column("entries", "id")...)
	second = append(second, page(10).column("entries", "id")...)
	first = append(first, page(30).column("entries", "id")...)
	for name, ids := range map[string][]string{"first": first, "second": second} {
		if slices.Sort(ids); len(slices.Compact(ids)) != map[string]int{"first": 40, "second": 20}[name] {
			t.Errorf("the %s walk saw %d events", name, len(slices.Compact(ids)))
		}
	}
	if got := page(0).text("total"); got != "45" {
		t.Errorf("the first page counts %s events, want 45", got)
	}
	add(1)
	if got := page(10).text("total"); got != "45" {
		t.Errorf("the second page counts %s events, want 45", got)
	}
	w.advance(snapshotIdle)
	if got := page(10).text("total"); got != "46" {
		t.Errorf("after a rest the page counts %s events, want 46", got)
	}
	if got := w.get(w.super(), "/audit/entries?limit=10&offset=10").ok().text("total"); got != "46" {
		t.Errorf("somebody else's walk counts %s events, want 46", got)
	}
}

func TestSnapshotsAreBounded(t *testing.T) {
	s := snapshots{walks: map[snapshotKey][]*snapshot{}}
	now := noon
	for i := range maxSnapshotKeys + 100 {
		key := snapshotKey{byte(i), byte(i >> 8), byte(i >> 16)}
		for n := range uint64(maxSnapshots + 2) {
			s.keep(key, nil, &snapshot{below: 1, next: n, used: now})
		}
		if len(s.walks) > maxSnapshotKeys || len(s.walks[key]) > maxSnapshots {
			t.Fatalf("%d questions, %d walks", len(s.walks), len(s.walks[key]))
		}
		if s.find(key, 3, now) == nil || s.find(key, 3, now.Add(snapshotIdle)) != nil {
			t.Fatal("a walk is forgotten too early or too late")
		}
		now = now.Add(time.Millisecond)
	}
}

func TestHugeEventsDoNotShortenNumberedPages(t *testing.T) {
	w := newWorld(t)
	e := event("read", "user:a", "p", 0)
	e.Extra = `{"x":"` + fmt.Sprintf("%0*d", annal.MaxEventBytes-100, 0) + `"}`
	for range 40 {
		w.put(e)
	}
	for _, x := range numberedPages() {
		if got := len(w.get(w.of("acme"), x.target+"?"+x.page(0, 40)).ok().column(x.list, "id")); got != 40 {
			t.Errorf("%s: %d events on the page, want 40", x.target, got)
		}
	}
}
