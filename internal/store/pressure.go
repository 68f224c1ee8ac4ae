package store

import (
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// A pressure says whether the heap is larger than the collector can help. Each
// thing that takes memory has a bound of its own; not many at a time are anywhere
// near it. When they are, all that can do with less takes less.
type pressure struct {
	looked atomic.Int64 // ns
	high   atomic.Bool
}

// pressureLook is how far apart, in ns, the heap is looked at.
const pressureLook = int64(10 * time.Millisecond)

// Pressed reports whether the heap is a tenth larger than what the collector keeps
// it below: more than that is in use.
func (s *Store) Pressed() bool {
	if s.cfg.Heap <= 0 {
		return false
	}
	p, now := &s.pressure, time.Now().UnixNano()
	if looked := p.looked.Load(); now-looked >= pressureLook && p.looked.CompareAndSwap(looked, now) {
		use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(use)
		p.high.Store(use[0].Value.Uint64() > uint64(s.cfg.Heap/10*11))
	}
	return p.high.Load()
}
