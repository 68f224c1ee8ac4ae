package segment

import (
	"time"

	"annal"
)

// Keep returns the rows for which keep is true, as new Columns that share values
// and keys with c.
func (c *Columns) Keep(keep func(i int) bool) *Columns {
	order := make([]uint32, 0, c.N)
	for i := range c.N {
		if keep(i) {
			order = append(order, uint32(i))
		}
	}
	n := len(order)
	k := &Columns{
		N: n, Time: pick(c.Time, order), Seq: pick(c.Seq, order), Outcome: pick(c.Outcome, order),
		Severity: pick(c.Severity, order), Status: pick(c.Status, order), Duration: pick(c.Duration, order),
		Position: make([]uint64, n), Salt: make([]byte, 0, n*SaltBytes), Keys: c.Keys,
	}
	hint, run := 0, -1
	for row, i := range order {
		k.Position[row] = c.PositionAt(int(i))
		k.Salt = append(k.Salt, c.Salt[i*SaltBytes:(i+1)*SaltBytes]...)
		if micros := receivedAt(c.Received, int(i), &hint); hint != run {
			k.Received, run = append(k.Received, Run{uint32(row), micros}), hint
		}
		if t, ok := c.Far[i]; ok {
			if k.Far == nil {
				k.Far = map[uint32]time.Time{}
			}
			k.Far[uint32(row)] = t
		}
	}
	for f := range annal.NumTexts {
		switch t := &c.Text[f]; {
		case t.Codes != nil:
			k.Text[f] = TextColumn{Codes: pick(t.Codes, order), Values: t.Values}
		case t.Off != nil:
			k.Text[f] = *t.sorted(order)
		}
	}
	return k
}

func pick[T any](src []T, order []uint32) []T {
	dst := make([]T, len(order))
	gather(dst, src, order)
	return dst
}
