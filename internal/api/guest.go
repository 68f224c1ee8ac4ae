package api

import (
	"net/http"
	"slices"
	"time"
)

// How long somebody waits before a guest has to leave for them, and how long each
// guest may stay. Bodies that are sent at once take less.
const (
	guestPatience = roomLook
	guestStay     = time.Second
)

// A guest is a body that arrives and has room meanwhile. Whoever sends it decides
// how long that takes, so that it may have to leave for others.
type guest struct {
	owner string
	n     int64 // what it has of the room
	since time.Time
	end   func() // has it leave soon
	asked bool   // end was called
}

func (r *room) enter(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guests = append(r.guests, g)
}

// exit says that g has arrived or is not awaited any more, and whether it had to
// leave.
func (r *room) exit(g *guest) (asked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guests = slices.DeleteFunc(r.guests, func(x *guest) bool { return x == g })
	return g.asked
}

// growGuest is grow for a guest.
func (r *room) growGuest(g *guest, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.grant(g.owner, n) {
		return false
	}
	g.n += n
	return true
}

// evict has a guest leave for w, who has waited for long: that of those whose owner
// has most which has been there longest, if w's owner would not have more then.
// The caller holds mu.
func (r *room) evict(w *waiter) {
	var most *guest
	leaving := int64(0)
	for _, g := range r.guests {
		switch {
		case g.asked:
			leaving += g.n
		case time.Since(g.since) > guestStay && (most == nil || r.has[g.owner] > r.has[most.owner]):
			most = g
		}
	}
	if most == nil || r.left(leaving) >= w.n || r.has[w.owner]+w.n >= r.has[most.owner] {
		return
	}
	most.asked = true
	most.end()
}

// hurry ends the arrival of the call's body.
func (c *Call) hurry() {
	// A connection that knows of no deadlines is a test's, which ends it itself.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
}
