package segment

import "annal"

// A Column reads the codes of one field, or its numbers, row by row. It keeps
// the block that it read last at hand, so that rows in order are cheap. It is for
// one goroutine, and for use inside [Guard].
type Column struct {
	s      *Segment
	field  annal.Field
	slot   int  // of the vec; -1: there is none, and Segment.Code tells
	parent *vec // codes by those of the parent, for a derived field; nil: not derived
	unit   int  // what is at hand, from 0; -1: nothing
	v      vec
}

// Column returns a reader of the codes that [Segment.Code] returns or, for
// duration, of the durations in ns.
func (s *Segment) Column(f annal.Field) *Column {
	c := &Column{s: s, field: f, slot: -1, unit: -1}
	switch l := &s.columns[f]; {
	case f == annal.Duration:
		c.slot = l.slot
	case l.form == formTenant || s.codesOf(f) == 1:
	case l.form == formDerived:
		if p := &s.columns[l.parent]; p.form == formDict && p.dict > 1 {
			v := vecAt(s.col.bytes(s.colSec[kindParent][f]), 0)
			c.slot, c.parent = p.slot, &v
		}
	default:
		c.slot = l.slot
	}
	return c
}

// At returns the code or number of a row.
func (c *Column) At(row uint32) uint64 {
	if c.slot < 0 {
		return uint64(c.s.Code(c.field, int(row)))
	}
	if block := int(row >> blockBits); block != c.unit {
		c.v, c.unit = vecAt(c.s.hot(block), c.slot*vecHeader), block
	}
	x := c.v.at(int(row & blockMask))
	if c.parent != nil {
		return c.parent.at(int(x))
	}
	return x
}

// Places reads the time keys or the positions of rows as a [Column] reads codes.
type Places struct {
	s       *Segment
	slot    int
	unit    int
	v       vec
	touched byte
}

// TimeColumn returns a reader of the time keys that [Segment.TimeAt] returns.
func (s *Segment) TimeColumn() *Places { return &Places{s: s, slot: s.timeSlot(), unit: -1} }

// PositionColumn returns a reader of positions.
func (s *Segment) PositionColumn() *Places { return &Places{s: s, slot: s.positionSlot(), unit: -1} }

// All appends the time keys or positions of rows, which may lie far apart.
func (p *Places) All(rows []uint32, dst []int64) []int64 {
	for _, row := range rows {
		p.s.col.fetch(p.s.hotAt[row>>blockBits])
	}
	for _, row := range rows { // first where they are, for all of them: see Reader
		p.touched ^= p.s.hot(int(row >> blockBits))[p.slot*vecHeader]
	}
	for _, row := range rows {
		dst = append(dst, p.At(row))
	}
	return dst
}

// At returns the time key or position of a row.
func (p *Places) At(row uint32) int64 {
	if unit := int(row) / subRows; unit != p.unit {
		p.v, _ = p.s.sub(p.slot, int(row))
		p.unit = unit
	}
	return int64(p.v.at(int(row) % subRows))
}
