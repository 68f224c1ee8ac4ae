package store

import (
	"fmt"
	"strings"
	"time"

	"annal"
	"annal/internal/segment"
	"annal/internal/wal"
)

// A group is what one sync covers.
type group struct {
	batches  []*pending
	first    uint64 // position
	events   int
	received int64 // µs
	keys     []segment.Key
	rotate   bool // begin a new memtable with this group

	rowsBefore, bytesBefore int // of the active memtable, in case the write fails
	baseBefore              uint64
}

// A committer is the state of the commit stage; only that stage touches it
// while the store runs.
type committer struct {
	next     uint64 // position of the next event
	received int64  // µs of the latest group
	seqs     tenantSeqs
	rows     int    // in the active memtable
	bytes    int    // encoded, in the active memtable
	base     uint64 // of the active memtable, once all before is applied
	dedupe   deduper
	carry    []*pending // duplicates of what is being committed: decided in the next group
	failed   time.Time  // when a write failed last
	head     []byte     // reused
	begun    bool       // the manifest says that the write-ahead log has a file, or was asked to
}

// commitLoop takes what is queued, as much as one sync may cover, and commits it.
func (s *Store) commitLoop() {
	defer s.done.Done()
	defer close(s.apply)
	for {
		batches := s.gather()
		if batches == nil {
			return
		}
		if s.exposed.Load() {
			s.rescue()
		}
		if len(batches) > 0 {
			s.commitGroup(batches)
		}
	}
}

// gather waits for a batch and takes all that wait behind it, to maxGroupBytes.
func (s *Store) gather() []*pending {
	batches := s.commit.carry
	s.commit.carry = nil
	size := 0
	if len(batches) == 0 {
		p, ok := s.await()
		if !ok {
			return nil
		}
		if p == nil {
			return []*pending{}
		}
		batches, size = append(batches, p), len(p.encoded)
	}
	for size < maxGroupBytes {
		select {
		case p, ok := <-s.queue:
			if !ok {
				return batches
			}
			batches, size = append(batches, p), size+len(p.encoded)
		default:
			return batches
		}
	}
	return batches
}

// await waits for a batch, or for something urgent: then it is nil. When none
// comes for a while, the write-ahead log proves that all in it was acknowledged.
func (s *Store) await() (*pending, bool) {
	select {
	case p, ok := <-s.queue:
		return p, ok
	case <-s.urgent:
		return nil, true
	default:
	}
	if !s.wal.Proved() {
		rest := time.NewTimer(restAfter)
		defer rest.Stop()
		select {
		case p, ok := <-s.queue:
			return p, ok
		case <-s.urgent:
			return nil, true
		case <-rest.C:
		}
		if err := s.wal.Mark(); err != nil {
			s.cfg.Logger.Warn("the end of the write-ahead log could not be marked", "problem", err)
		}
	}
	select {
	case p, ok := <-s.queue:
		return p, ok
	case <-s.urgent:
		return nil, true
	}
}

func (s *Store) commitGroup(batches []*pending) {
	c := &s.commit
	if since := s.cfg.Now().Sub(c.failed); since >= 0 && since < retryAfter {
		s.refuse(batches, fmt.Errorf("%w: %s", annal.ErrUnavailable, *s.alarm.Load()))
		return
	}
	g := &group{first: c.next, rowsBefore: c.rows, bytesBefore: c.bytes, baseBefore: c.base, received: max(c.received, s.cfg.Now().UnixMicro())}
	c.dedupe.begin(s, g.received)
	for _, p := range batches {
		s.resolve(g, p)
	}
	if err := s.makeRoom(g); err != nil {
		s.fail(g, err)
		return
	}
	if g.events > 0 || len(g.keys) > 0 {
		if err := s.write(g); err != nil {
			s.fail(g, err)
			return
		}
		if !c.begun {
			c.begun = true
			s.noteBegun()
		}
	}
	s.committed(g)
}

// resolve decides what becomes of p: refused, carried to the next group,
// or part of g with its new events numbered.
func (s *Store) resolve(g *group, p *pending) {
	c := &s.commit
	switch verdict, err := c.dedupe.check(s, p); {
	case err != nil:
		p.err = err
		close(p.done)
		return
	case verdict == carried:
		c.carry = append(c.carry, p)
		return
	}
	p.received = g.received
	first := c.next
	c.number(p)
	if p.batch.Key != "" && !p.known {
		k := segment.Key{Hash: p.key, Position: first, Count: uint32(p.kept), Received: g.received}
		copy(k.Digest[:], p.batch.Digest[:])
		g.keys = append(g.keys, k)
		c.dedupe.noteKey(k)
	}
	g.events += p.kept
	g.batches = append(g.batches, p)
}

// number gives p's new events their places.
func (c *committer) number(p *pending) {
	var tenant string
	var seq *uint64
	received := time.UnixMicro(p.received).UTC()
	for i := range p.batch.Events {
		if p.receipts[i].Duplicate {
			continue
		}
		e := &p.batch.Events[i]
		if seq == nil || e.Tenant != tenant {
			tenant, seq = e.Tenant, c.seqs.of(e.Tenant)
		}
		e.Position, e.Seq, e.Received = c.next, *seq, received
		c.next++
		*seq++
		p.kept++
	}
}

// tenantSeqs is the next Seq of each tenant. Names that it is asked for may
// point into a request's body: it keeps copies. (Assigning to a map of strings
// would replace the copy by the name at hand.)
type tenantSeqs struct {
	next  map[string]*uint64
	floor uint64 // of tenants that are not in next
}

func (t *tenantSeqs) of(tenant string) *uint64 {
	seq := t.next[tenant]
	if seq == nil {
		seq = new(uint64)
		*seq = t.floor
		t.next[strings.Clone(tenant)] = seq
	}
	return seq
}

// skip leaves out n numbers of every tenant's: so many positions are lost, and
// each may have been any tenant's.
func (t *tenantSeqs) skip(n uint64) {
	for _, seq := range t.next {
		*seq += n
	}
	t.floor += n
}

// makeRoom decides whether g begins a new memtable, and waits until there may be
// one more, or until those that there are take less memory.
func (s *Store) makeRoom(g *group) error {
	c := &s.commit
	size := 0
	for _, p := range g.batches {
		size += len(p.encoded)
	}
	one, all := s.heavy(c.base)
	g.rotate = c.rows > 0 && (c.rows+g.events > s.cfg.SegmentRows || c.bytes+size > maxMemBytes || one)
	if g.rotate || all {
		if err := s.takeSlot(); err != nil {
			g.rotate = false
			return err
		}
	}
	switch {
	case g.rotate:
		c.rows, c.bytes, c.base = 0, 0, g.first
	case all: // it was enough to wait
		<-s.slot
	}
	c.rows += g.events
	c.bytes += size
	return nil
}

// takeSlot waits until the memtable before the active one is sealed.
func (s *Store) takeSlot() error {
	select {
	case s.slot <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(sealPatience)
	defer patience.Stop()
	look := time.NewTicker(retryAfter / 10)
	defer look.Stop()
	for {
		select {
		case s.slot <- struct{}{}:
			return nil
		case <-patience.C:
			return fmt.Errorf("%d events wait to be sealed into a segment", s.commit.rows)
		case <-look.C:
			if why := s.sealTrouble.Load(); why != nil {
				return fmt.Errorf("events wait to be sealed into a segment: %s", *why)
			}
		}
	}
}

// write makes g durable: one record, one sync.
func (s *Store) write(g *group) error {
	c := &s.commit
	c.head = appendHead(c.head[:0], g)
	parts := [][]byte{c.head}
	for _, p := range g.batches {
		parts = p.appendKept(parts)
	}
	return s.wal.Append(wal.Record{Position: g.first, Count: uint32(g.events), Received: g.received}, parts...)
}

// appendKept appends the encodings of the events that are no duplicates.
func (p *pending) appendKept(parts [][]byte) [][]byte {
	if p.kept == len(p.ends) {
		return append(parts, p.encoded)
	}
	from := uint32(0)
	for i, end := range p.ends {
		if !p.receipts[i].Duplicate {
			parts = append(parts, p.encoded[from:end])
		}
		from = end
	}
	return parts
}

// committed hands g to the next stage, which answers.
func (s *Store) committed(g *group) {
	s.commit.received, s.commit.failed = g.received, time.Time{}
	s.commit.dedupe.commit()
	if s.alarm.Swap(nil) != nil {
		s.cfg.Logger.Info("the log takes writes again")
	}
	s.apply <- g
}

// fail refuses every batch of g and takes back the numbers they were given.
func (s *Store) fail(g *group, err error) {
	c := &s.commit
	for i := len(g.batches) - 1; i >= 0; i-- {
		p := g.batches[i]
		for j := len(p.batch.Events) - 1; j >= 0; j-- {
			if e := &p.batch.Events[j]; !p.receipts[j].Duplicate {
				*c.seqs.of(e.Tenant) = e.Seq
			}
		}
	}
	c.next = g.first
	c.dedupe.rollback()
	c.failed = s.cfg.Now()
	why := err.Error()
	if s.alarm.Swap(&why) == nil {
		s.cfg.Logger.Error("the log refuses writes", "problem", why)
	}
	if g.rotate {
		<-s.slot
	}
	c.rows, c.bytes, c.base = g.rowsBefore, g.bytesBefore, g.baseBefore
	s.refuse(append(g.batches, c.carry...), fmt.Errorf("%w: %s", annal.ErrUnavailable, why))
	c.carry = nil
}

func (s *Store) refuse(batches []*pending, err error) {
	for _, p := range batches {
		p.err = err
		s.counters.refused.Add(uint64(len(p.batch.Events)))
		close(p.done)
	}
}
