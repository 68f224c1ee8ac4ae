package segment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"annal"
	"annal/internal/vfs"
)

var testLog = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// A model is what a segment should hold: events by arrival.
type model struct {
	events []annal.Event
	keys   []Key
}

// A mix says what the events of a model are like.
type mix struct {
	rows      int
	tenants   int
	shuffled  bool // times do not follow arrival
	equal     bool // many equal times
	far       bool
	gaps      bool // positions are not dense
	distinct  bool // every text is different
	constant  bool // every text is the same
	huge      bool // some texts are very long
	templated bool // ids are prefix and digits
}

func word(r *rand.Rand, letters string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// newModel makes events from a seed.
func newModel(r *rand.Rand, m mix) *model {
	out := &model{events: make([]annal.Event, m.rows)}
	position, received := r.Uint64N(1<<40), int64(1_700_000_000_000_000)
	seqs := map[string]uint64{}
	key := int64(1_700_000_000_000_000_000)
	for i := range out.events {
		e := &out.events[i]
		e.Position = position
		position++
		if m.gaps {
			position += r.Uint64N(5)
		}
		if r.IntN(10) == 0 {
			received += r.Int64N(1e6)
		}
		key += r.Int64N(1e9)
		at := key
		if m.shuffled {
			at += r.Int64N(1e13)
		}
		if m.equal {
			at = at / 1e11 * 1e11
		}
		e.Time = time.Unix(0, at).UTC()
		if m.far && r.IntN(20) == 0 {
			e.Time = time.Date([]int{1, 1500, 2500, 9999}[r.IntN(4)], 3, 4, 5, 6, 7, r.IntN(1e9), time.UTC)
		}
		e.Tenant = fmt.Sprintf("tenant-%d", r.IntN(max(m.tenants, 1)))
		if _, ok := seqs[e.Tenant]; !ok {
			seqs[e.Tenant] = r.Uint64N(1 << 33)
		}
		e.Seq = seqs[e.Tenant]
		seqs[e.Tenant]++
		if m.gaps {
			seqs[e.Tenant] += r.Uint64N(3)
		}
		e.Received = time.UnixMicro(received).UTC()
		for k := range e.Salt {
			e.Salt[k] = byte(r.Uint32())
		}
		e.Outcome, e.Severity = annal.Outcome(r.IntN(4)), annal.Severity(r.IntN(3))
		e.Request.Status = []int32{0, 200, 403, 500, math.MinInt32, math.MaxInt32}[r.IntN(6)]
		e.Request.Duration = time.Duration(r.Int64N(1000)) * []time.Duration{1, time.Microsecond, time.Millisecond}[i/BlockRows%3]
		fillTexts(r, m, i, e)
	}
	if m.rows > 3 {
		out.keys = []Key{{Hash: [16]byte{1}, Digest: [16]byte{2}, Position: out.events[1].Position, Count: 3, Received: received}, {Hash: [16]byte{9}}}
	}
	return out
}

func fillTexts(r *rand.Rand, m mix, i int, e *annal.Event) {
	for f := annal.Action; f < annal.NumTexts; f++ {
		t := e.Text(f)
		switch {
		case m.constant:
			*t = "the same " + f.String()
		case m.distinct:
			*t = fmt.Sprintf("%s %s %d", f, word(r, "aBcäé\x00/", r.IntN(9)), i)
		case f == annal.BehalfID || f == annal.BehalfName:
		case r.IntN(4) == 0:
		default:
			*t = fmt.Sprintf("%s/%d", f, r.IntN(3+int(f)*int(f)))
		}
		if m.huge && r.IntN(200) == 0 {
			*t = strings.Repeat(word(r, "xyzXYZ", 5), r.IntN(20_000))
		}
	}
	if !m.constant && !m.distinct {
		e.Actor.Name, e.Actor.Type = "name of "+e.Actor.ID, e.Actor.ID[:min(len(e.Actor.ID), 1)]
	}
	if m.templated {
		e.Request.ID = "req_" + word(r, "0123456789abcdef", 20) + "-z"
		e.Session = "s" + word(r, "0123456789abcdefghijklmnopqrstuvwxyz", 12)
		e.EventID = word(r, "0123456789", 20)
		if r.IntN(3) == 0 {
			e.EventID = ""
		}
		e.Message = word(r, "ABCdef-_09", 11)
		e.Extra = `{"K":"` + word(r, "0123456789ABCDEF", 6) + `","Ω":"ÄÖKİ"}`
	}
}

// columns turns a model into what Build takes.
func (m *model) columns() *Columns {
	n := len(m.events)
	c := &Columns{N: n, Base: m.events[0].Position, Far: map[uint32]time.Time{}, Keys: m.keys}
	var codes [annal.NumTexts]map[string]uint32
	for i := range m.events {
		e := &m.events[i]
		c.Position = append(c.Position, e.Position)
		k := annal.TimeKey(e.Time)
		c.Time = append(c.Time, k)
		if isFar(k) {
			c.Far[uint32(i)] = e.Time
		}
		c.Seq = append(c.Seq, e.Seq)
		if us := e.Received.UnixMicro(); i == 0 || us != m.events[i-1].Received.UnixMicro() {
			c.Received = append(c.Received, Run{uint32(i), us})
		}
		c.Salt = append(c.Salt, e.Salt[:]...)
		c.Outcome, c.Severity = append(c.Outcome, uint8(e.Outcome)), append(c.Severity, uint8(e.Severity))
		c.Status, c.Duration = append(c.Status, e.Request.Status), append(c.Duration, int64(e.Request.Duration))
		for f := range annal.NumTexts {
			t, v := &c.Text[f], *e.Text(f)
			if !annal.Fields[f].Shared {
				if t.Off == nil {
					t.Off = []uint32{0}
				}
				t.Bytes = append(t.Bytes, v...)
				t.Off = append(t.Off, uint32(len(t.Bytes)))
				continue
			}
			if codes[f] == nil {
				codes[f] = map[string]uint32{"never used": 0}
				t.Values = []string{"never used"}
			}
			code, ok := codes[f][v]
			if !ok {
				code = uint32(len(t.Values))
				codes[f][v] = code
				t.Values = append(t.Values, v)
			}
			t.Codes = append(t.Codes, code)
		}
	}
	if m.events[n-1].Position-c.Base+1 == uint64(n) {
		c.Position = nil
	}
	return c
}

// sorted returns the events in the order of a segment's rows.
func (m *model) sorted() []annal.Event {
	s := slices.Clone(m.events)
	slices.SortStableFunc(s, func(a, b annal.Event) int {
		if c := strings.Compare(a.Tenant, b.Tenant); c != 0 {
			return c
		}
		switch x, y := annal.TimeKey(a.Time), annal.TimeKey(b.Time); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return s
}

var mixes = []struct {
	name string
	mix
}{
	{"one row", mix{rows: 1}},
	{"two rows", mix{rows: 2, tenants: 2, shuffled: true}},
	{"in order", mix{rows: 3000, templated: true}},
	{"a block", mix{rows: BlockRows}},
	{"a block and a row", mix{rows: BlockRows + 1, shuffled: true, tenants: 3, templated: true}},
	{"a block less a row", mix{rows: BlockRows - 1, equal: true, gaps: true}},
	{"many tenants", mix{rows: 5000, tenants: 2500, shuffled: true, gaps: true}},
	{"far years", mix{rows: 2000, tenants: 2, far: true, shuffled: true}},
	{"only far years", mix{rows: 300, far: true, equal: true, distinct: true}},
	{"all distinct", mix{rows: BlockRows + 77, distinct: true, tenants: 5, shuffled: true}},
	{"all equal", mix{rows: 1500, constant: true, equal: true}},
	{"huge texts", mix{rows: 1000, huge: true, tenants: 3, shuffled: true}},
	{"three blocks", mix{rows: 2*BlockRows + 1023, tenants: 7, shuffled: true, templated: true, far: true}},
	{"five blocks", mix{rows: 4*BlockRows + 55, tenants: 2, shuffled: true, templated: true}},
}

// built builds and opens a model's segment on a disk in memory.
func built(t testing.TB, m *model) (*vfs.Mem, *Segment) {
	t.Helper()
	return builtOf(t, m.columns())
}

func builtOf(t testing.TB, c *Columns) (*vfs.Mem, *Segment) {
	t.Helper()
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	name, err := Build(disk, "d", c, testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(disk, "d", name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return disk, s
}

// eachMix runs a law over every mix.
func eachMix(t *testing.T, law func(t *testing.T, m *model)) {
	for i, x := range mixes {
		t.Run(x.name, func(t *testing.T) {
			law(t, newModel(rand.New(rand.NewPCG(uint64(i), 7)), x.mix))
		})
	}
}
