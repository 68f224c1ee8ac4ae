package store

import "sync/atomic"

type counters struct {
	accepted, duplicates, refused atomic.Uint64 // events
	seals, sealFailures           atomic.Uint64
	sealNanos                     atomic.Uint64
	walDamage                     atomic.Uint64
	readDamage                    atomic.Uint64
}
