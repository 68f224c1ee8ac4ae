package segment

import (
	"fmt"
	"math"
	"time"

	"annal"
)

// Limits of a segment.
const (
	MaxRows     = 1 << 22 // rows of one segment
	BlockRows   = 1 << 12 // rows of a block, the unit of checksums and zones
	maxDictText = math.MaxUint32
)

// Columns holds rows column by column, in the order in which they arrived.
// Row i of every column belongs to the same event.
type Columns struct {
	N        int
	Base     uint64               // position of row 0 when Position is nil
	Position []uint64             // strictly ascending; nil: row i has position Base+i
	Time     []int64              // annal.TimeKey of the event's time
	Far      map[uint32]time.Time // exact times of the rows whose key is math.MinInt64 or math.MaxInt64
	Seq      []uint64             // ascending with position within each tenant
	Received []Run                // ascending by Row; the first is for row 0
	Salt     []byte               // SaltBytes a row
	Outcome  []uint8
	Severity []uint8
	Status   []int32
	Duration []int64 // ns
	Text     [annal.NumTexts]TextColumn
	Keys     []Key
}

// SaltBytes is the length of an event's salt.
const SaltBytes = 16

// A TextColumn holds one text of every row: as codes into Values, or, when
// Codes is nil, as the bytes between offsets: row i is Bytes[Off[i]:Off[i+1]].
// The zero TextColumn means that the text is absent in every row.
type TextColumn struct {
	Codes  []uint32
	Values []string

	Off   []uint32
	Bytes []byte
}

// A Run says that rows from Row on, up to the next run's, were received at
// Micros µs since 1970.
type Run struct {
	Row    uint32
	Micros int64
}

// A Key is an idempotency key: the Count events from Position on were stored
// under it.
type Key struct {
	Hash     [16]byte
	Digest   [16]byte
	Position uint64
	Count    uint32
	Received int64 // µs since 1970
}

// At returns the text of row i.
func (t *TextColumn) At(i int) string {
	switch {
	case t.Codes != nil:
		return t.Values[t.Codes[i]]
	case t.Off != nil:
		return text(t.Bytes[t.Off[i]:t.Off[i+1]])
	}
	return ""
}

// PositionAt returns the position of row i.
func (c *Columns) PositionAt(i int) uint64 {
	if c.Position == nil {
		return c.Base + uint64(i)
	}
	return c.Position[i]
}

// check refuses columns that do not belong together, before anything is made
// of them.
func (c *Columns) check() error {
	if c.N < 1 || c.N > MaxRows {
		return fmt.Errorf("columns: %d rows; 1 to %d are allowed", c.N, MaxRows)
	}
	for _, l := range []struct {
		name string
		n    int
	}{
		{"Time", len(c.Time)}, {"Seq", len(c.Seq)}, {"Salt", len(c.Salt) / SaltBytes}, {"Outcome", len(c.Outcome)},
		{"Severity", len(c.Severity)}, {"Status", len(c.Status)}, {"Duration", len(c.Duration)},
	} {
		if l.n != c.N {
			return fmt.Errorf("columns: %s has %d rows, not %d", l.name, l.n, c.N)
		}
	}
	if err := c.checkOrder(); err != nil {
		return err
	}
	for i := range c.N {
		if c.Outcome[i] >= uint8(annal.NumOutcomes) || c.Severity[i] >= uint8(annal.NumSeverities) {
			return fmt.Errorf("columns: row %d: outcome %d, severity %d: there are none such", i, c.Outcome[i], c.Severity[i])
		}
	}
	for i, k := range c.Time {
		if _, far := c.Far[uint32(i)]; far != isFar(k) {
			return fmt.Errorf("columns: row %d: Far must have exactly the times beyond the keys", i)
		}
	}
	for f := range c.Text {
		if err := c.Text[f].check(c.N); err != nil {
			return fmt.Errorf("columns: %s: %w", annal.Field(f), err)
		}
	}
	return nil
}

func isFar(key int64) bool { return key == math.MinInt64 || key == math.MaxInt64 }

func (c *Columns) checkOrder() error {
	if c.Position != nil && len(c.Position) != c.N {
		return fmt.Errorf("columns: Position has %d rows, not %d", len(c.Position), c.N)
	}
	for i := 1; i < len(c.Position); i++ {
		if c.Position[i] <= c.Position[i-1] {
			return fmt.Errorf("columns: row %d: Position does not ascend", i)
		}
	}
	if len(c.Received) == 0 || c.Received[0].Row != 0 {
		return fmt.Errorf("columns: Received does not begin with row 0")
	}
	for i := 1; i < len(c.Received); i++ {
		if r := c.Received[i].Row; r <= c.Received[i-1].Row || int(r) >= c.N {
			return fmt.Errorf("columns: Received: run %d: Row does not ascend below %d", i, c.N)
		}
	}
	return nil
}

func (t *TextColumn) check(n int) error {
	if t.Codes != nil {
		if len(t.Codes) != n {
			return fmt.Errorf("%d codes for %d rows", len(t.Codes), n)
		}
		top := uint32(0)
		for _, c := range t.Codes {
			top = max(top, c)
		}
		if int(top) >= len(t.Values) {
			return fmt.Errorf("code %d with %d values", top, len(t.Values))
		}
		return nil
	}
	if t.Off == nil {
		return nil
	}
	if len(t.Off) != n+1 || int(t.Off[n]) > len(t.Bytes) {
		return fmt.Errorf("%d offsets into %d bytes for %d rows", len(t.Off), len(t.Bytes), n)
	}
	for i := range n {
		if t.Off[i] > t.Off[i+1] {
			return fmt.Errorf("row %d: offsets do not ascend", i)
		}
	}
	return nil
}

// receivedAt returns the micros of row i; runs is a hint that starts at 0.
func receivedAt(runs []Run, i int, hint *int) int64 {
	for *hint+1 < len(runs) && int(runs[*hint+1].Row) <= i {
		*hint++
	}
	return runs[*hint].Micros
}
