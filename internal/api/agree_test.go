package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"annal/internal/annaltest"
)

// asked is one question in the words of each dialect, by the route that takes
// it.
type asked map[string]url.Values

// the routes of lists with exact totals.
const (
	onNative  = "/v1/events"
	onCertify = "/audit/entries"
	onScaikey = "/api/v1/admin/audit/"
)

func (q asked) add(value string, names map[string]string) {
	for route, name := range names {
		q[route].Add(name, value)
	}
}

func drawAsked(t *rapid.T) asked {
	q := asked{onNative: {"count": {"true"}}, onCertify: {}, onScaikey: {}}
	maybe := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	pick := func(from ...string) string { return rapid.SampledFrom(from).Draw(t, "value") }
	second := func() string { return fmt.Sprintf("2026-04-23T12:00:%02dZ", rapid.IntRange(0, 59).Draw(t, "second")) }
	if maybe("action") {
		q.add(pick(few.actions...), map[string]string{onNative: "action", onCertify: "event_type", onScaikey: "action"})
	}
	if maybe("actor") {
		q.add(pick(few.actors...), map[string]string{onNative: "actor.id", onCertify: "actor", onScaikey: "actor_id"})
	}
	if maybe("from") {
		q.add(second(), map[string]string{onNative: "from", onCertify: "start_date", onScaikey: "start_time"})
	} else if maybe("to") {
		q.add(second(), map[string]string{onNative: "to", onCertify: "end_date", onScaikey: "end_time"})
	}
	return q
}

// CertifyClouds and ScaiKey find the same events as the native dialect, in the
// same order, and count as many; a download has all of them.
func TestNumberedDialectsAgreeOnQuestions(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	annaltest.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(0, 5).Draw(rt, "events") {
			w.put(drawEvent(rt))
		}
		q := drawAsked(rt)
		got := map[string]string{}
		for route, list := range map[string]string{onNative: "events", onCertify: "entries", onScaikey: "items"} {
			a := w.get(acme, route+"?"+q[route].Encode()).ok()
			ids := a.column(list, "id")
			for i := range ids {
				ids[i] = strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(ids[i], "log_"), "audit-"), "-", "")
			}
			got[route] = a.text("total") + ": " + strings.Join(ids[:min(len(ids), 50)], " ")
		}
		if got[onCertify] != got[onNative] || got[onScaikey] != got[onNative] {
			rt.Errorf("%v: native %.60s, CertifyClouds %.60s, ScaiKey %.60s", q, got[onNative], got[onCertify], got[onScaikey])
		}
		total, _, _ := strings.Cut(got[onNative], ":")
		if out := w.get(acme, "/audit/export?"+q[onCertify].Encode()).ok(); out.text("total") != total || fmt.Sprint(len(out.column("entries", "id"))) != total {
			rt.Errorf("%v: the download has %s entries of %s", q, out.text("total"), total)
		}
	})
}
