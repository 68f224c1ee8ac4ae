package api

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"annal"
)

// What requests hold in memory is bounded by rooms, whoever sends however much and
// reads however slowly: bodies on their way in, what is made of them until they
// are stored, and answers on their way out. Who finds no room waits or is told to
// come again. Nobody gets all of one.
const (
	bodyRoom     = 48 << 20              // bytes of bodies as they are sent
	workRoom     = 96 << 20              // of what becomes of bodies: unpacked, as events, and encoded
	answerRoom   = 64 << 20              // of answers
	freeAnswer   = 32 << 10              // of an answer that asks for no room
	roomPart     = 4                     // the part of a room, a quarter, that the same owner leaves to others
	pressedPart  = 2                     // the part of a room that is given while memory is short
	roomPatience = 10 * time.Second      // longest wait for room
	roomLook     = 50 * time.Millisecond // between looks of who waits whether memory is still short
)

// A room is a number of bytes that requests share.
type room struct {
	mu      sync.Mutex
	size    int64
	free    int64
	has     map[string]int64 // what each owner has of it
	waiting []*waiter        // see serve
	guests  []*guest         // in the order of coming
	looked  time.Time        // when look looked
	pressed func() bool      // reports whether memory is short
}

type waiter struct {
	owner string
	n     int64
	since time.Time
	ready chan struct{} // closed once it has its room
}

func newRoom(size int64) *room {
	return &room{size: size, free: size, has: map[string]int64{}, pressed: func() bool { return false }}
}

// share is the most that one owner has.
func (r *room) share() int64 { return r.size - r.size/roomPart }

// left is how much can be given, once so much more is given back; the caller holds
// mu. While memory is short that is a part of all, or what one request needs: work
// goes on.
func (r *room) left(back int64) int64 {
	free := r.free + back
	if free < r.size && r.pressed() {
		return free - (r.size - r.size/pressedPart)
	}
	return free
}

// grant gives room if there is some; the caller holds mu.
func (r *room) grant(owner string, n int64) bool {
	if r.has[owner]+n > r.share() || n > r.left(0) {
		return false
	}
	r.free -= n
	r.has[owner] += n
	return true
}

// try takes n bytes if they are free and nobody waits for room.
func (r *room) try(owner string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(r.waiting, func(w *waiter) bool { return r.has[w.owner]+w.n <= r.share() }) && r.grant(owner, n)
}

// grow takes n bytes if they are free.
func (r *room) grow(owner string, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.grant(owner, n)
}

// take takes n bytes, or as many as one owner may have, and waits for them. It
// returns what it took.
func (r *room) take(ctx context.Context, owner string, n int64) (int64, error) {
	n = min(n, r.share())
	if r.try(owner, n) {
		return n, nil
	}
	w := &waiter{owner, n, time.Now(), make(chan struct{})}
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	r.serve()
	r.mu.Unlock()
	patience, look := time.NewTimer(roomPatience), time.NewTicker(roomLook)
	defer patience.Stop()
	defer look.Stop()
	for {
		select {
		case <-w.ready:
			return n, nil
		case <-ctx.Done():
			return r.leave(w, ctx.Err())
		case <-patience.C:
			return r.leave(w, annal.ErrBusy)
		case <-look.C:
			r.look()
		}
	}
}

// look gives room to those who wait for memory only, and has guests leave for those
// who have waited for long. All who wait call it; one look in roomLook is enough.
func (r *room) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) < roomLook {
		return
	}
	r.looked = time.Now()
	r.serve()
	for _, w := range r.waiting {
		if time.Since(w.since) > guestPatience {
			r.evict(w)
		}
	}
}

// leave ends a wait, unless it has just come to its end.
func (r *room) leave(w *waiter, err error) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, w)
	if i < 0 {
		return w.n, nil
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.serve()
	return 0, err
}

func (r *room) give(owner string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += n
	if r.has[owner] -= n; r.has[owner] == 0 {
		delete(r.has, owner)
	}
	r.serve()
}

// serve gives room to those who wait: first to whose owner has least, of those to
// who needs least, then in the order of asking. Who has the share of an owner holds
// up nobody else; the caller holds mu.
func (r *room) serve() {
	slices.SortStableFunc(r.waiting, func(a, b *waiter) int {
		return cmp.Or(cmp.Compare(r.has[a.owner], r.has[b.owner]), cmp.Compare(a.n, b.n))
	})
	r.waiting = slices.DeleteFunc(r.waiting, func() func(*waiter) bool {
		short := false
		return func(w *waiter) bool {
			if short || !r.grant(w.owner, w.n) {
				short = short || r.has[w.owner]+w.n <= r.share()
				return false
			}
			close(w.ready)
			return true
		}
	}())
}

// A holding is what a call has of a room.
type holding struct {
	room *room
	n    int64
}

// owner is whose share of a room a call uses.
func (c *Call) owner() string {
	switch {
	case c.Caller.Tenant != "":
		return "tenant:" + c.Caller.Tenant
	case c.Caller.Partner != "":
		return "partner:" + c.Caller.Partner
	}
	return "subject:" + c.Caller.Subject
}

// take waits for room, which the call has until letGo, and says how much it got.
func (c *Call) take(r *room, n int64) (int64, error) {
	n, err := r.take(c.ctx, c.owner(), n)
	if err == nil {
		c.holdings = append(c.holdings, holding{r, n})
	}
	return n, err
}

// try takes room if there is some that nobody waits for, until letGo.
func (c *Call) try(r *room, n int64) bool { return c.have(r, n, r.try(c.owner(), n)) }

// grow takes more room if there is some. Others who wait for room have to: they
// hope for what the call will give back.
func (c *Call) grow(r *room, n int64) bool { return c.have(r, n, r.grow(c.owner(), n)) }

func (c *Call) have(r *room, n int64, got bool) bool {
	if got {
		c.holdings = append(c.holdings, holding{r, n})
	}
	return got
}

// giveBack gives back a part of the room that was taken last.
func (c *Call) giveBack(r *room, n int64) {
	c.holdings[len(c.holdings)-1].n -= n
	r.give(c.owner(), n)
}

// letGo gives back what the call has of rooms.
func (c *Call) letGo() {
	for _, h := range c.holdings {
		h.room.give(c.owner(), h.n)
	}
	c.holdings, c.answering = nil, 0
}

// answer takes room for an answer of that size, as far as the call has none yet.
func (c *Call) answer(size int) bool {
	more := int64(size) - c.answering
	if more <= freeAnswer {
		return true
	}
	if !c.try(c.s.answers, more) {
		return false
	}
	c.answering += more
	return true
}
