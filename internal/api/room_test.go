package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"annal"
)

// Whatever is asked of a room and in which order, no more than all of it is given,
// nobody gets all, who may not have more holds up nobody else, and in the end all
// is free.
func TestRoomIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(1000)
		wait := func(owner string, n int64) chan error {
			done := make(chan error, 1)
			go func() {
				_, err := r.take(t.Context(), owner, n)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		if n, err := r.take(t.Context(), "a", 5000); n != 750 || err != nil {
			t.Fatalf("took %d, %v, want three quarters", n, err)
		}
		more := wait("a", 100)
		if err := <-wait("b", 200); err != nil {
			t.Errorf("b is held up by a: %v", err)
		}
		if r.try("c", 51) || !r.try("c", 50) {
			t.Error("what is left is 50")
		}
		large := wait("c", 300)
		r.give("c", 50)
		if r.try("d", 10) || !r.grow("b", 10) {
			t.Error("who is new goes before who waits, or who has room already may not have more")
		}
		r.give("a", 750)
		if a, c := <-more, <-large; a != nil || c != nil {
			t.Error(a, c)
		}
		if err := <-wait("b", 560); !errors.Is(err, annal.ErrBusy) {
			t.Errorf("who waits for too long gets %v, want ErrBusy", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.take(ended, "b", 560); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		r.give("a", 100)
		r.give("b", 210)
		r.give("c", 300)
		if r.free != 1000 || len(r.has) != 0 || len(r.waiting) != 0 {
			t.Errorf("%d of 1000 are free, %d owners and %d waiting remain", r.free, len(r.has), len(r.waiting))
		}
	})
}

// Bodies that are announced and not sent take no more than a room, others of the
// same owner wait and are then told to come again, and events of other tenants
// still come in.
func TestBodiesOnTheirWayAreBounded(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	const each = 12 << 20
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan int, 8)
		var senders []*io.PipeWriter
		for range cap(ended) {
			body, sender := io.Pipe()
			senders = append(senders, sender)
			r := httptest.NewRequest("POST", "/v1/events", body)
			r.ContentLength = each
			r.Header.Set("Authorization", "Bearer "+acme.secret)
			go func() {
				rec := httptest.NewRecorder()
				w.h.ServeHTTP(rec, r)
				ended <- rec.Code
			}()
		}
		synctest.Wait()
		if held := w.h.bodies.size - w.h.bodies.free; held != bodyRoom/4*3/each*each {
			t.Errorf("%d bytes are taken", held)
		}
		w.ask(w.of("other"), "POST", "/v1/events", nativeEvent).ok()
		const refused = 8 - bodyRoom/4*3/each
		for range refused { // they wait for roomPatience
			if code := <-ended; code != http.StatusServiceUnavailable {
				t.Errorf("answer is %d, want 503", code)
			}
		}
		for _, sender := range senders {
			_ = sender.Close()
		}
		for range cap(ended) - refused {
			<-ended
		}
	})
	w.allFree()
}

// allFree expects that nothing of the rooms is taken.
func (w *world) allFree() {
	w.t.Helper()
	for name, r := range map[string]*room{"bodies": w.h.bodies, "works": w.h.works, "answers": w.h.answers} {
		if r.free != r.size || len(r.has) > 0 {
			w.t.Errorf("of the room for %s, %d of %d bytes are free", name, r.free, r.size)
		}
	}
}

// fill has others take n bytes of a room, and empty has them give them back.
func fill(r *room, n int64) {
	for _, owner := range []string{"somebody", "anybody"} {
		if !r.grow(owner, n/2) {
			panic("the room is smaller")
		}
	}
}

func empty(r *room) {
	for _, owner := range []string{"somebody", "anybody"} {
		r.give(owner, r.has[owner])
	}
}

// A small body that unpacks to a large one takes the room of a large one.
func TestUnpackedBodiesTakeRoom(t *testing.T) {
	w := newWorld(t)
	acme := w.of("acme")
	bomb := gzipped(t, strings.Repeat(" ", MaxBody-len(nativeEvent))+nativeEvent)
	w.ask(acme, "POST", "/v1/events", bomb, "Content-Encoding", "gzip").ok()
	w.allFree()
	fill(w.h.works, workRoom-20<<20)
	w.ask(acme, "POST", "/v1/events", bomb, "Content-Encoding", "gzip").refused(503, "service_unavailable")
	w.ask(acme, "POST", "/v1/events", gzipped(t, nativeEvent), "Content-Encoding", "gzip").ok()
	empty(w.h.works)
	w.allFree()
}

// When there is no room for answers, pages become short, and what cannot be is
// refused; nothing that a client walks through is lost.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t)
	e := event("read", "user:a", "p", 0)
	e.Extra = `{"x":"` + strings.Repeat("x", 4000) + `"}`
	for range 100 {
		w.put(e)
	}
	acme := w.of("acme")
	fill(w.h.answers, answerRoom)
	for target, list := range map[string]string{"/v1/audit/logs": "logs", "/v1/events": "events"} {
		first := w.get(acme, target+"?limit=100").ok()
		if n := first.Body.Len(); n > 2*freeAnswer {
			t.Errorf("%s: a page of %d bytes", target, n)
		}
		if n := len(w.walk(acme, target, list, url.Values{})); n != 100 {
			t.Errorf("%s: the walk sees %d events, want 100", target, n)
		}
	}
	w.get(acme, "/v1/events", "Accept", "text/csv").refused(503, "service_unavailable")
	w.get(acme, "/audit/entries?limit=100").refused(503, "service_unavailable")
	w.get(acme, "/audit/export?format=pdf").refused(503, "service_unavailable")
	a := w.get(acme, "/v1/audit?limit=2").ok()
	if a.Header().Get("Retry-After") != "" {
		t.Error("a small answer asks to wait")
	}
	empty(w.h.answers)
	for _, target := range []string{"/audit/entries?limit=100", "/audit/export?format=pdf", "/v1/audit?limit=100"} {
		if got := w.get(acme, target).ok(); got.Body.Len() < freeAnswer/2 {
			t.Errorf("%s: %d bytes", target, got.Body.Len())
		}
	}
	w.allFree()
}

// A body that arrives slowly leaves for somebody who has less of the room, as soon as
// it has had its time: first that of whose owner has most. Who has as much already
// waits, and those who need least go first.
func TestSlowBodiesLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(1000)
		var left []string // guarded by r's mu
		gone := func() []string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.Clone(left)
		}
		guests := map[string]*guest{}
		arrive := func(name, owner string, n int64) {
			t.Helper()
			if _, err := r.take(t.Context(), owner, n); err != nil {
				t.Fatalf("%s has no room: %v", name, err)
			}
			guests[name] = &guest{owner: owner, n: n, since: time.Now(), end: func() { left = append(left, name) }}
			r.enter(guests[name])
		}
		arrive("first", "a", 300)
		arrive("second", "a", 400)
		arrive("other", "b", 300)
		done := make(chan string, 3)
		wait := func(owner string, n int64) {
			go func() {
				_, err := r.take(t.Context(), owner, n)
				done <- fmt.Sprintln(owner, n, err)
			}()
			synctest.Wait()
		}
		wait("d", 200)
		wait("c", 100)
		wait("b", 500) // more than a would have then
		time.Sleep(guestStay / 2)
		if gone := gone(); len(gone) > 0 {
			t.Errorf("%v had to leave at once", gone)
		}
		time.Sleep(guestStay)
		if gone := gone(); !slices.Equal(gone, []string{"first"}) {
			t.Errorf("%v had to leave, want the first of a's alone, which makes room for both", left)
		}
		if !r.exit(guests["first"]) {
			t.Error("who had to leave is not told")
		}
		r.give("a", 300)
		if got := <-done + <-done; got != "c 100 <nil>\nd 200 <nil>\n" && got != "d 200 <nil>\nc 100 <nil>\n" {
			t.Errorf("served were %s", got)
		}
		if got := <-done; got != fmt.Sprintln("b", 500, annal.ErrBusy) {
			t.Errorf("b, who would have most, got %s", got)
		}
		if r.exit(guests["second"]) || r.exit(guests["other"]) || len(r.guests) > 0 {
			t.Errorf("%v had to leave, and %d stay", gone(), len(r.guests))
		}
	})
}

// While memory is short a room gives half of itself, or what one needs, and all
// of itself when that is over.
func TestRoomsAreSmallWhileMemoryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(1000)
		short := true
		r.pressed = func() bool { return short }
		if !r.try("a", 700) || r.try("b", 1) {
			t.Error("a single one is refused, or there is a second beside it")
		}
		r.give("a", 700)
		if !r.try("a", 400) || !r.try("b", 100) || r.try("c", 1) {
			t.Error("it does not give just half")
		}
		done := make(chan error, 1)
		go func() {
			_, err := r.take(t.Context(), "c", 400)
			done <- err
		}()
		time.Sleep(2 * roomLook)
		synctest.Wait()
		if len(done) > 0 {
			t.Error("it gives more than half")
		}
		r.mu.Lock()
		short = false
		r.mu.Unlock()
		if err := <-done; err != nil {
			t.Errorf("who waits when memory suffices again gets %v", err)
		}
	})
}
