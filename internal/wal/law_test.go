package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"annal/internal/annaltest"
	"annal/internal/vfs"
	"annal/internal/wal"
)

// written is what a test knows of a record.
type written struct {
	position uint64
	count    uint32
	received int64
	payload  []byte
}

func (w written) equal(o written) bool {
	return w.position == o.position && w.count == o.count && w.received == o.received && bytes.Equal(w.payload, o.payload)
}

func (w written) String() string {
	return fmt.Sprintf("{%d+%d at %d, %d bytes}", w.position, w.count, w.received, len(w.payload))
}

// neededFrom says whether a replay from a position must show the record.
func (w written) neededFrom(from uint64) bool {
	return w.position+uint64(w.count) > from || w.count == 0 && w.position >= from
}

// collect replays a log into memory.
func collect(cfg wal.Config, from uint64) (*wal.Log, []written, []wal.Damage, error) {
	var got []written
	l, damages, err := wal.Open(cfg, from, func(r wal.Record) error {
		got = append(got, written{r.Position, r.Count, r.Received, bytes.Clone(r.Payload)})
		return nil
	})
	return l, got, damages, err
}

// A history drives one log through appends, trims, faults and crashes, beside
// the plain list of what must be there.
type history struct {
	t       *testing.T
	rng     *rand.Rand
	disk    *vfs.Mem
	cfg     wal.Config
	log     *wal.Log
	acked   []written
	maybe   []written // refused since the last acknowledged one: one may come back
	next    uint64
	trimmed uint64
	serial  int64
	trace   []string
}

func newHistory(t *testing.T, seed uint64) *history {
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewMem(seed)
	h := &history{t: t, rng: rng, disk: disk}
	h.cfg = wal.Config{Dir: "/wal", FileSize: int64(2+rng.IntN(10)) * 4096, LogID: [16]byte{byte(seed), 7}, Inline: true}
	if rng.IntN(4) == 0 {
		h.next = rng.Uint64N(1000) // a log whose past was sealed elsewhere
		h.trimmed = h.next
	}
	return h
}

func (h *history) note(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *history) fatalf(format string, args ...any) {
	h.t.Helper()
	for _, s := range h.trace {
		h.t.Log(s)
	}
	h.t.Fatalf(format, args...)
}

// run does some steps, then checks the log after a last power cut.
func (h *history) run(steps int) {
	h.recover()
	for range steps {
		switch n := h.rng.IntN(100); {
		case n < 62:
			h.append()
		case n < 70:
			h.mark()
		case n < 78:
			h.trim()
		case n < 88:
			h.faulty()
		case n < 92:
			h.reopen()
		case n < 95:
			h.note("process killed")
			h.recover()
		default:
			h.crash()
		}
	}
	h.crash()
}

func (h *history) append() {
	h.serial++
	rec := written{position: h.next, count: uint32(h.rng.IntN(5)), received: h.serial, payload: h.payload()}
	cut := h.rng.IntN(len(rec.payload) + 1)
	err := h.log.Append(wal.Record{Position: rec.position, Count: rec.count, Received: rec.received}, rec.payload[:cut], nil, rec.payload[cut:])
	h.note("append %v: %v", rec, err)
	if err != nil {
		h.maybe = append(h.maybe, rec)
		return
	}
	h.acked, h.maybe = append(h.acked, rec), nil
	h.next += uint64(rec.count)
}

// mark proves what there is; nobody sees it.
func (h *history) mark() {
	h.note("mark: %v", h.log.Mark())
}

func (h *history) payload() []byte {
	size := h.rng.IntN(600)
	switch h.rng.IntN(8) {
	case 0:
		size = h.rng.IntN(20000)
	case 1:
		size = 4096*(1+h.rng.IntN(3)) - 48
	case 2:
		size = 4096 * 13 // more than any file holds
	}
	b := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], h.rng.Uint64())
	}
	return b
}

func (h *history) trim() {
	below := h.trimmed
	if h.next > below {
		below += h.rng.Uint64N(h.next - below + 1)
	}
	err := h.log.Trim(below)
	h.note("trim below %d: %v", below, err)
	h.trimmed = below
}

// faulty lets some operations fail, at random or all from one on, while the log
// is used.
func (h *history) faulty() {
	fault := []error{syscall.EIO, syscall.ENOSPC}[h.rng.IntN(2)]
	after, sticky := h.disk.Ops()+h.rng.IntN(12), h.rng.IntN(2) == 0
	chance := rand.New(rand.NewPCG(h.rng.Uint64(), 2))
	h.note("%v from operation %d, every one: %v", fault, after, sticky)
	h.disk.Fail(func(op vfs.Op, name string) error {
		if h.disk.Ops() > after && (sticky || chance.IntN(3) == 0) {
			h.note("  %s %s: %v", op, name, fault)
			return fault
		}
		return nil
	})
	for range 1 + h.rng.IntN(6) {
		switch h.rng.IntN(6) {
		case 0:
			h.trim()
		case 1:
			h.mark()
		default:
			h.append()
		}
	}
	if h.rng.IntN(2) == 0 {
		h.crash() // while it fails
	}
	h.disk.Fail(nil)
}

func (h *history) reopen() {
	if err := h.log.Close(); err != nil {
		h.fatalf("close: %v", err)
	}
	h.note("closed")
	h.recover()
}

// crash cuts the power, and often again during the recovery.
func (h *history) crash() {
	h.disk = h.disk.Crash()
	h.note("power cut\n%v", h.disk)
	for h.rng.IntN(2) == 0 {
		h.cfg.FS = h.disk
		until := h.disk.Ops() + 1 + h.rng.IntN(20)
		h.disk.Fail(func(vfs.Op, string) error {
			if h.disk.Ops() > until {
				return syscall.EIO
			}
			return nil
		})
		log, got, damages, err := collect(h.cfg, h.trimmed)
		h.note("power cut in recovery, after operation %d: %v", until, err)
		if err == nil {
			h.take(log, got, damages)
		}
		h.disk = h.disk.Crash()
	}
	h.recover()
}

// recover opens the log and holds what it replays against what it must.
func (h *history) recover() {
	h.cfg.FS = h.disk
	checked, err := wal.Check(h.cfg, h.trimmed)
	if len(checked) > 0 || err != nil && h.acked != nil {
		h.fatalf("check: %v, %v", checked, err)
	}
	log, got, damages, err := collect(h.cfg, h.trimmed)
	if err != nil {
		h.fatalf("open: %v", err)
	}
	h.take(log, got, damages)
}

func (h *history) take(log *wal.Log, got []written, damages []wal.Damage) {
	if len(damages) > 0 {
		h.fatalf("damage: %v", damages)
	}
	want := slices.DeleteFunc(slices.Clone(h.acked), func(w written) bool { return !w.neededFrom(h.trimmed) })
	if len(got) == len(want)+1 && slices.ContainsFunc(h.maybe, got[len(got)-1].equal) {
		back := got[len(got)-1]
		want = append(want, back)
		h.acked = append(h.acked, back) // it was shown: from now on it must stay
		h.next += uint64(back.count)
	}
	h.maybe = nil
	if !slices.EqualFunc(got, want, written.equal) {
		h.fatalf("replay from %d:\n got %v\nwant %v", h.trimmed, got, want)
	}
	h.log = log
	if s := log.Stats(); s.Next != h.next {
		h.fatalf("next position after recovery: got %d, want %d", s.Next, h.next)
	}
	h.note("recovered %d records, next %d", len(got), h.next)
}

// S0: an acknowledged record is there exactly once, in order, after any
// sequence of appends, trims, failing operations, restarts and power cuts; a
// one that was refused after the last acknowledged one may come back whole, and
// once shown it stays.
func TestAcknowledgedRecordsSurviveEverything(t *testing.T) {
	first := annaltest.FirstSeed()
	for seed := first; seed < first+annaltest.Seeds("ANNAL_CRASH_RUNS", 2000); seed++ {
		live(t, seed)
	}
}

// live lives through a history of forty steps, and returns what happened.
func live(t *testing.T, seed uint64) (trace []string) {
	defer annaltest.Replay(t, seed, "ANNAL_CRASH_RUNS")
	h := newHistory(t, seed)
	h.run(40)
	return h.trace
}

// A history can be seen again by its seed: every fault and every power cut
// comes at the same operation and leaves the same bytes.
func TestSameSeedSameHistory(t *testing.T) {
	for seed := range uint64(annaltest.Cases(40)) {
		if first, again := live(t, seed), live(t, seed); !slices.Equal(first, again) {
			t.Errorf("seed %d: two lives differ:\n%q\n%q", seed, first, again)
		}
	}
}

// A power cut at every single operation of one history loses nothing that was
// acknowledged.
func TestPowerCutAtEveryOperation(t *testing.T) {
	dark := errors.New("the power is off")
	for cut := 0; ; cut++ {
		h := newHistory(t, 99)
		h.cfg.FileSize = 4 * 4096
		h.cfg.FS = h.disk
		h.disk.Fail(func(vfs.Op, string) error {
			if h.disk.Ops() > cut {
				return dark
			}
			return nil
		})
		log, got, damages, err := collect(h.cfg, h.trimmed)
		if err == nil {
			h.take(log, got, damages)
			for range 25 {
				h.append()
				if h.serial%5 == 0 {
					h.trim()
				}
			}
		}
		done := h.disk.Ops() <= cut
		for range 5 {
			again := *h
			again.acked, again.maybe, again.trace = slices.Clone(h.acked), slices.Clone(h.maybe), slices.Clone(h.trace)
			again.disk = h.disk.Crash()
			again.recover()
			again.append()
			again.crash()
		}
		if done {
			t.Logf("%d operations", cut)
			return
		}
	}
}
