package auth

import (
	"net/netip"
	"sync"
	"time"
)

// How often somebody may try to sign in.
const (
	addressBurst  = 60                     // attempts at once from one address
	addressEvery  = 500 * time.Millisecond // and one more after each of these
	subjectBurst  = 20                     // attempts at once for one name
	subjectEvery  = time.Second            // and one more after each of these
	maxPaces      = 16_384                 // addresses, and names, that are remembered
	maxFailures   = 5                      // in a row from one network, then the name is locked for it
	lockFor       = 15 * time.Minute       // for this long,
	failureWindow = 15 * time.Minute       // if no two of them are further apart than this
)

// A paces lets each key do something at a bounded pace. Its table is bounded:
// the key that rested longest is forgotten first.
type paces struct {
	burst int
	every time.Duration

	mu   sync.Mutex
	keys map[string]pace // guarded by mu
}

// pace is how one key gets on.
type pace struct {
	full time.Time // when it will have its whole burst again
	told bool      // an attempt was refused since the last that was not
}

func newPaces(burst int, every time.Duration) *paces {
	return &paces{burst: burst, every: every, keys: map[string]pace{}}
}

// take counts one attempt, or says how long to wait, and whether the attempt
// before was refused already.
func (p *paces) take(key string, now time.Time) (wait time.Duration, again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, known := p.keys[key]
	full := k.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(p.every)
	if over := full.Sub(now) - time.Duration(p.burst)*p.every; over > 0 {
		p.keys[key] = pace{k.full, true}
		return over, k.told
	}
	if !known && len(p.keys) >= maxPaces {
		p.forget(now)
	}
	p.keys[key] = pace{full: full}
	return 0, false
}

// giveBack undoes a take.
func (p *paces) giveBack(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, known := p.keys[key]; known {
		p.keys[key] = pace{full: k.full.Add(-p.every), told: k.told}
	}
}

// forget drops the keys that have rested, or the one that is nearest to it.
func (p *paces) forget(now time.Time) {
	oldest, at := "", time.Time{}
	for key, k := range p.keys {
		if !k.full.After(now) {
			delete(p.keys, key)
		} else if at.IsZero() || k.full.Before(at) {
			oldest, at = key, k.full
		}
	}
	if len(p.keys) >= maxPaces {
		delete(p.keys, oldest)
	}
}

// locks counts failures by name, known or not, and network, and locks those that
// fail again and again.
type locks struct {
	mu   sync.Mutex
	keys map[string]failing // guarded by mu
}

type failing struct {
	count  int
	last   time.Time
	locked time.Time // until then
}

// locked says for how long key is still locked.
func (l *locks) locked(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, l.keys[key].locked.Sub(now))
}

// fail counts a failure and reports whether it locked key.
func (l *locks) fail(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, known := l.keys[key]
	if !known && len(l.keys) >= maxPaces {
		l.forget(now)
	}
	if now.Sub(f.last) > failureWindow {
		f = failing{}
	}
	f.count, f.last = f.count+1, now
	lock := f.count >= maxFailures
	if lock {
		f = failing{last: now, locked: now.Add(lockFor)}
	}
	l.keys[key] = f
	return lock
}

// forget drops what no longer matters, or else the oldest name that is not
// locked, or else the oldest.
func (l *locks) forget(now time.Time) {
	oldest, at, locked := "", time.Time{}, true
	for key, f := range l.keys {
		isLocked := f.locked.After(now)
		if !isLocked && now.Sub(f.last) > failureWindow {
			delete(l.keys, key)
			continue
		}
		if at.IsZero() || locked && !isLocked || locked == isLocked && f.last.Before(at) {
			oldest, at, locked = key, f.last, isLocked
		}
	}
	if len(l.keys) >= maxPaces {
		delete(l.keys, oldest)
	}
}

func (l *locks) succeed(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}

// network64 is what of an address is one household: an IPv6 /64 counts as one.
func network64(remote string) string {
	a := address(remote)
	if !a.IsValid() {
		return ""
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a.WithZone(""), bits).Masked().String()
}
