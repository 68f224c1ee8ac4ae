package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const ndjson = "application/x-ndjson"

// A load is a range of events to send over several connections.
type load struct {
	first, end  uint64 // events first ≤ i < end
	batch       int    // events of a request
	connections int
	pace        int // events a second, however fast they are acknowledged; 0: as fast as they are
}

// due returns when the batch that begins with event from is to be sent.
func (l *load) due(began time.Time, from uint64) time.Time {
	return began.Add(time.Duration(float64(from-l.first) / float64(l.pace) * float64(time.Second)))
}

// lasts returns how long a load with a pace takes at least.
func (l *load) lasts() time.Duration {
	var began time.Time
	return l.due(began, l.end).Sub(began)
}

// A shipment is what became of a load.
type shipment struct {
	acknowledged uint64
	took         time.Duration
	latencies    []time.Duration // of requests; with a pace, since they were due
	unknown      []span          // were sent but not acknowledged
	unsent       span
}

// A span is a range of events: first ≤ i < end.
type span struct{ first, end uint64 }

func (s *shipment) rate() float64 { return float64(s.acknowledged) / s.took.Seconds() }

// send ships a load and returns when all of it is acknowledged, or with the
// first error. Connections take the next batch as soon as they are free and it is
// due.
func (t *target) send(ctx context.Context, g *Generator, l load) (shipment, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		next, acked atomic.Uint64
		wait        sync.WaitGroup
		mu          sync.Mutex
		all         []time.Duration
		unknown     []span
		failure     error // guarded by mu, as are all and unknown
	)
	next.Store(l.first)
	wires := make([]*wire, l.connections)
	for i := range wires {
		w, err := t.dial(ctx)
		if err != nil {
			return shipment{}, err
		}
		defer w.close()
		wires[i] = w
	}
	began := time.Now()
	for _, w := range wires {
		wait.Go(func() {
			s := sender{target: t, wire: w, gen: g, load: l, began: began}
			took, lost, err := s.run(ctx, &next, &acked)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			unknown = append(unknown, lost...)
			if err != nil && failure == nil {
				failure = fmt.Errorf("ingest: %w", err)
				cancel()
			}
		})
	}
	wait.Wait()
	return shipment{
		acknowledged: acked.Load(), took: time.Since(began), latencies: all,
		unknown: unknown, unsent: span{min(next.Load(), l.end), l.end},
	}, failure
}

// A sender is one connection's part of a load.
type sender struct {
	target *target
	wire   *wire
	gen    *Generator
	load   load
	began  time.Time
	body   []byte
	head   []byte
}

// run sends batches until none is left or one fails, whose events it returns.
func (s *sender) run(ctx context.Context, next, acked *atomic.Uint64) (took []time.Duration, lost []span, err error) {
	for {
		from := next.Add(uint64(s.load.batch)) - uint64(s.load.batch)
		if from >= s.load.end {
			return took, nil, nil
		}
		part := span{from, min(from+uint64(s.load.batch), s.load.end)}
		request := s.request(part)
		began := time.Now()
		if s.load.pace > 0 {
			began = s.load.due(s.began, from)
			if err := sleep(ctx, time.Until(began)); err != nil {
				return took, []span{part}, err
			}
		}
		if err := s.deliver(part, request); err != nil {
			return took, []span{part}, err
		}
		took = append(took, time.Since(began))
		acked.Add(part.end - part.first)
	}
}

// deliver sends a request for the events of part and waits until all of them are
// acknowledged.
func (s *sender) deliver(part span, request []byte) error {
	answer, err := s.wire.do(request)
	if err != nil {
		return fmt.Errorf("events %d to %d: %w", part.first, part.end, err)
	}
	if n, ok := acceptedOf(answer); !ok || n != part.end-part.first {
		return fmt.Errorf("events %d to %d: the server accepted %d of %d", part.first, part.end, n, part.end-part.first)
	}
	return nil
}

// request writes the body behind a gap and the head into the end of the gap, so
// that both are sent at once.
func (s *sender) request(part span) []byte {
	const longest = 1 << 40 // a length that takes more digits than any body's
	s.head = s.target.appendHead(s.head[:0], "POST", "/v1/events", "", ndjson, longest)
	gap := len(s.head)
	s.body = append(s.body[:0], s.head...)
	for i := part.first; i < part.end; i++ {
		s.body = s.gen.AppendNative(s.body, i)
	}
	s.head = s.target.appendHead(s.head[:0], "POST", "/v1/events", "", ndjson, len(s.body)-gap)
	start := gap - len(s.head)
	copy(s.body[start:], s.head)
	return s.body[start:]
}

// acceptedOf reads the member "accepted" of an answer to an ingest request.
func acceptedOf(answer []byte) (n uint64, ok bool) {
	const name = `"accepted":`
	at := bytes.Index(answer, []byte(name))
	if at < 0 {
		return 0, false
	}
	for _, c := range bytes.TrimLeft(answer[at+len(name):], " ") {
		if c < '0' || c > '9' {
			break
		}
		n, ok = n*10+uint64(c-'0'), true
	}
	return n, ok
}
