package store

import (
	"cmp"
	"math/rand/v2"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"

	"annal/internal/vfs"
)

// residentCheck is how often resident memory is looked at while nobody asks.
const residentCheck = 100 * time.Millisecond

// releaseLoop gives resident pages back while the store is open, and windows
// that no tail wants. It looks at segments' files and, while nothing is appended,
// makes segments ready for questions.
func (s *Store) releaseLoop() {
	defer s.done.Done()
	var swept time.Time
	var applied, sweptAt uint64
	var scrubbed scrubber
	var patrol logScrubber
	var own ownLook
	loading := preloader{after: time.Now().Add(preloadRest)}
	for s.wait(residentCheck) == nil {
		limit := s.cfg.Resident
		full := limit > 0 && vfs.Resident() > limit/8*7
		quiet := s.applied.Load() == applied
		applied = s.applied.Load()
		rested := quiet && limit > 0 && applied != sweptAt
		s.spare.expire(s.cfg.Now(), rested)
		if age := s.cfg.Now().Sub(swept); full && age > sweepEvery || rested && age > residentCheck {
			sweep()
			swept, sweptAt = s.cfg.Now(), applied
		}
		s.relieve()
		if s.Pressed() {
			s.boundSpaces()
		}
		s.tails.windows.forget()
		s.checkFiles()
		s.verifyTouched()
		s.checkLog()
		if limit > 0 {
			s.scrub(&scrubbed)
			s.scrubLog(&patrol)
			s.checkOwn(&own)
		}
		if quiet && limit > 0 && !full {
			s.preload(&loading)
		}
	}
}

// recent is how far apart reads are, in ns, for one to count as longer ago.
const recent = int64(10 * time.Second)

// relieve gives back pages of the segments when the process has more resident
// memory than it should: the system keeps them cached, and the memory of the
// process stays bounded however large the log is. What is read again after that
// costs a page fault, so no more goes than must: first the rows, then the
// dictionaries and indexes, each of the segments that were read longest ago,
// until an eighth is free again. Among those read lately chance decides: a
// question goes through all of them in turn, and would always find gone what
// was read longest ago.
func (s *Store) relieve() {
	limit := s.cfg.Resident
	if limit > 0 && s.Pressed() { // the heap grows by more than is looked at meanwhile
		limit -= limit / 8
	}
	if limit <= 0 || vfs.Resident() < limit {
		return
	}
	v := s.acquire()
	defer s.release(v)
	segs := slices.Clone(v.segs)
	rand.Shuffle(len(segs), func(i, j int) { segs[i], segs[j] = segs[j], segs[i] })
	slices.SortStableFunc(segs, func(a, b *sealed) int { return cmp.Compare(a.read.Load()/recent, b.read.Load()/recent) })
	for _, release := range []func(*sealed){
		func(x *sealed) { x.ReleaseRows() },
		func(x *sealed) { x.Release() },
	} {
		for _, x := range segs {
			release(x)
			if vfs.Resident() < limit/8*7 {
				return
			}
		}
	}
}

// Garbage is swept when there is so much of it, and not more often than that; also
// once when appends rest, which leave most of it.
const (
	sweepEvery = 5 * time.Second
	minGarbage = 64 << 20 // bytes
)

// sweep gives back the memory that the heap holds and does not need, so that
// segments can have it: without work the collector would let it lie.
func sweep() {
	use := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(use)
	live, held := use[0].Value.Uint64(), use[1].Value.Uint64()+use[2].Value.Uint64()+use[3].Value.Uint64()
	if held > live+minGarbage {
		debug.FreeOSMemory()
	}
}

// lookEvery is how far apart, in ns, reads and appends look at resident memory: a
// look costs more than finding a row, and within this time no more than some MiB
// are read.
const lookEvery = int64(time.Millisecond)

// touch notes that x is read now, and makes room for that.
func (s *Store) touch(x *sealed) {
	now := s.cfg.Now().UnixNano()
	x.read.Store(now)
	x.reader.Store(s.readers.Load())
	s.relieveAt(now)
}

// relieveAt is relieve, if resident memory was not looked at just now.
func (s *Store) relieveAt(now int64) {
	if looked := s.looked.Load(); now-looked < lookEvery && now >= looked {
		return
	}
	s.looked.Store(now)
	s.relieve()
}
