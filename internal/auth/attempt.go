package auth

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// Were a name locked for everybody after a few failures, anybody could keep its
// owner out by failing now and then. So failures in a row lock a name for the
// network that they come from; and because many networks may guess together, those
// that a name has never signed in from share a budget of failures. Who signed in
// from a network a while ago still gets in from there.

// How often a name may fail from networks that it has not signed in from.
const (
	strangerBurst = 20               // at once: four networks until each is locked
	strangerEvery = 45 * time.Second // and one more after each of these: as often as four networks may fail
	maxHomes      = 4                // networks that are remembered of a name, the latest
)

// An attempt is one that may be made, and is not decided yet.
type attempt struct {
	s        *Store
	key      string // the name
	network  string // "": not known
	now      time.Time
	stranger bool // nobody has signed in by that name from there
}

// admit says whether a name may be tried from a network, or why not. Who is
// admitted ends the attempt with [attempt.end].
func (s *Store) admit(key, network string, now time.Time) (*attempt, error) {
	a := &attempt{s: s, key: key, network: network, now: now, stranger: !s.homes.has(key, network)}
	if wait := s.locks.locked(a.place(), now); wait > 0 {
		return nil, &RateError{After: wait, Locked: true}
	}
	if a.stranger {
		if wait, again := s.strangers.take(key, now); wait > 0 {
			return nil, &RateError{After: wait, Locked: true, New: !again}
		}
	}
	if wait, _ := s.subjects.take(a.pace(), now); wait > 0 {
		a.spare()
		return nil, &RateError{After: wait}
	}
	return a, nil
}

// place names the name at the network.
func (a *attempt) place() string { return a.key + "\x00" + a.network }

// pace names whose pace it is: strangers have one of their own, so that they use
// up nobody else's.
func (a *attempt) pace() string {
	if a.stranger {
		return a.key + "\x00stranger"
	}
	return a.key
}

// spare takes back that this was counted as a failure.
func (a *attempt) spare() {
	if a.stranger {
		a.s.strangers.giveBack(a.key)
	}
}

// end notes how it ended, and returns what to answer: err, or that this failure
// locked the name for the network. Whatever is no wrong secret is no failure.
func (a *attempt) end(err error) error {
	switch {
	case err == nil:
		a.spare()
		a.s.locks.succeed(a.place())
		a.s.homes.add(a.key, a.network, a.now)
	case !errors.Is(err, ErrCredentials):
		a.spare()
	case a.s.locks.fail(a.place(), a.now):
		return &RateError{After: lockFor, Locked: true, New: true}
	}
	return err
}

// homes remember the networks from which names have signed in. Only who has a
// name's secret can add to them, and crowds out no other name's. The table is
// bounded; a name that is forgotten is guarded as one that never signed in, as all
// are after a restart.
type homes struct {
	mu   sync.Mutex
	keys map[string][]home // by name, at most maxHomes each, the latest last; guarded by mu
}

type home struct {
	network string
	last    time.Time // when somebody signed in from there
}

func (h *homes) has(key, network string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return indexHome(h.keys[key], network) >= 0
}

// add notes that somebody signed in. A network that is not known is none.
func (h *homes) add(key, network string, now time.Time) {
	if network == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	list, known := h.keys[key]
	if !known && len(h.keys) >= maxPaces {
		h.forget()
	}
	if i := indexHome(list, network); i >= 0 {
		list = slices.Delete(list, i, i+1)
	} else if len(list) == maxHomes {
		list = slices.Delete(list, 0, 1)
	}
	h.keys[key] = append(list, home{network, now})
}

// forget drops the name that signed in the longest time ago.
func (h *homes) forget() {
	oldest, at := "", time.Time{}
	for key, list := range h.keys {
		if last := list[len(list)-1].last; at.IsZero() || last.Before(at) {
			oldest, at = key, last
		}
	}
	delete(h.keys, oldest)
}

func indexHome(list []home, network string) int {
	return slices.IndexFunc(list, func(h home) bool { return h.network == network })
}
