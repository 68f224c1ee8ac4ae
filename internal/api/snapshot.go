package api

import (
	"crypto/sha256"
	"net/url"
	"strings"
	"sync"
	"time"

	"annal"
)

// Clients that page by number say only how many events to leave out. While the
// log grows, the same number means another event, so the server remembers for
// a while on which snapshot of the log a caller's question began: the first
// page takes a new snapshot, further pages stay on it. What is lost with the
// memory, by a restart, by age or because too many ask, is only that: the next
// page then counts from the newest event of that moment.

// Limits of what is remembered.
const (
	maxSnapshotKeys = 4096             // questions, each of one caller
	maxSnapshots    = 4                // walks through the answer to one question
	snapshotIdle    = 15 * time.Minute // a walk that rests longer is forgotten
)

// A snapshot is one walk through the pages of an answer.
type snapshot struct {
	below uint64      // the walk sees positions below
	total uint64      // events that the question selects there
	last  uint64      // offset of the page that was served last
	next  uint64      // offset behind that page
	after *annal.Mark // the last event of that page; nil: there was none
	used  time.Time
}

type snapshotKey [16]byte

// snapshots remembers walks. It is safe for concurrent use.
type snapshots struct {
	mu    sync.Mutex
	walks map[snapshotKey][]*snapshot // oldest first; what they point to never changes
}

// find returns the walk that a page at offset most likely belongs to: one that
// has just come there, else one that was there, else the latest; nil when
// there is none. A page at 0 begins a walk.
func (s *snapshots) find(key snapshotKey, offset uint64, now time.Time) *snapshot {
	if offset == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *snapshot
	rank := 0
	for _, w := range s.walks[key] {
		r := 1
		switch offset {
		case w.next:
			r = 3
		case w.last:
			r = 2
		}
		if now.Sub(w.used) < snapshotIdle && (r > rank || r == rank && !w.used.Before(best.used)) {
			best, rank = w, r
		}
	}
	return best
}

// keep remembers that the walk old, or a new one if that is nil, has come to
// now.
func (s *snapshots) keep(key snapshotKey, old, now *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	walks := s.walks[key]
	if walks == nil {
		s.makeRoom(now.used)
	}
	kept := make([]*snapshot, 0, len(walks)+1)
	for _, w := range walks {
		// Asking for the first page again begins the same walk again.
		same := w == old || old == nil && w.last == 0 && w.next == now.next
		if !same && now.used.Sub(w.used) < snapshotIdle {
			kept = append(kept, w)
		}
	}
	if len(kept) == maxSnapshots {
		kept = append(kept[:0], kept[1:]...)
	}
	s.walks[key] = append(kept, now)
}

// makeRoom forgets what rests, and if nothing does, the question that was asked
// longest ago.
func (s *snapshots) makeRoom(now time.Time) {
	if len(s.walks) < maxSnapshotKeys {
		return
	}
	var oldest snapshotKey
	var used time.Time
	for key, walks := range s.walks {
		last := walks[len(walks)-1].used
		if now.Sub(last) >= snapshotIdle {
			delete(s.walks, key)
		} else if used.IsZero() || last.Before(used) {
			oldest, used = key, last
		}
	}
	if len(s.walks) >= maxSnapshotKeys {
		delete(s.walks, oldest)
	}
}

// snapshotKey says whose walk through the answer to which question this is.
// The parameters named in paging are not part of the question.
func (c *Call) snapshotKey(given url.Values, paging []string) (key snapshotKey) {
	h := sha256.New()
	part := func(s string) { h.Write(appendText(nil, s)) }
	part(c.route.Pattern)
	part(c.Caller.TokenID)
	part(c.Caller.Subject)
	part(c.tenant)
	part(strings.Join(c.visible, "\x00"))
	question := url.Values{}
	for name, values := range given {
		question[name] = values
	}
	for _, name := range paging {
		question.Del(name)
	}
	part(question.Encode())
	copy(key[:], h.Sum(nil))
	return key
}
