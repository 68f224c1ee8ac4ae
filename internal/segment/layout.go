package segment

import (
	"encoding/binary"
	"fmt"

	"annal"
)

// A form says how a segment keeps a text field.
type form uint8

const (
	formNumber  form = iota // no text: a vec per block
	formDict                // dictionary, and a vec of codes per block
	formDerived             // dictionary, and one code for each code of the parent field
	formTenant              // dictionary, and a range of rows for each code
	formBlob                // a blob per block
	numForms
)

// A column describes one field of a segment.
type column struct {
	form   form
	parent annal.Field // when formDerived
	dict   uint32      // values in the dictionary
	slot   int         // which vec of a block holds it; sections carry it as their field
}

// Slots of a block behind those of the fields. Times and positions have one vec
// per subRows rows.
const (
	subShift  = 10
	subRows   = 1 << subShift
	subBlocks = BlockRows / subRows
	numBlockX = 2*subBlocks + 1 // slots of times, positions, seq
	blockBits = 12
)

// A layout is the footer of the columns file.
type layout struct {
	rows        int
	first, last uint64
	minTime     int64
	maxTime     int64
	tenants     int
	seed        uint64 // of hashes of texts
	columns     [annal.NumFields]column
	slots       int // fields in the file; the other vecs follow
}

func (l *layout) blocks() int { return (l.rows + BlockRows - 1) >> blockBits }

// rowsOf returns how many rows block b has.
func (l *layout) rowsOf(b int) int { return min(BlockRows, l.rows-b<<blockBits) }

func (l *layout) timeSlot() int     { return l.slots }
func (l *layout) positionSlot() int { return l.slots + subBlocks }
func (l *layout) seqSlot() int      { return l.slots + 2*subBlocks }

// hotHeader is the size of the vec headers of a block.
func (l *layout) hotHeader() int { return (l.slots + numBlockX) * vecHeader }

// lanes are the columns of a block's table.
func (l *layout) lanes() []lane {
	var list []lane
	for slot := range l.slots {
		list = append(list, lane{[]int{slot * vecHeader}, BlockRows})
	}
	for _, first := range []int{l.timeSlot(), l.positionSlot()} {
		subs := lane{per: subRows}
		for k := range subBlocks {
			subs.heads = append(subs.heads, (first+k)*vecHeader)
		}
		list = append(list, subs)
	}
	return append(list, lane{[]int{l.seqSlot() * vecHeader}, BlockRows})
}

// coldHeader is the size of the offsets of a block's blobs: one per field and
// the end of the last.
func (l *layout) coldHeader() int { return (l.slots + 1) * 4 }

const layoutFixed = 4 + 4 + 4*8 + 4 + 8 + 1

func (l *layout) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(l.rows))
	b = le.AppendUint32(b, BlockRows)
	b = le.AppendUint64(b, l.first)
	b = le.AppendUint64(b, l.last)
	b = le.AppendUint64(b, uint64(l.minTime))
	b = le.AppendUint64(b, uint64(l.maxTime))
	b = le.AppendUint32(b, uint32(l.tenants))
	b = le.AppendUint64(b, l.seed)
	b = append(b, uint8(annal.NumFields))
	for f, c := range l.columns {
		name := annal.Field(f).String()
		b = append(b, uint8(c.form), uint8(c.parent))
		b = le.AppendUint32(b, c.dict)
		b = append(b, uint8(len(name)))
		b = append(b, name...)
	}
	return b
}

// parse reads a footer. Fields are found by name, so that a later annal with
// more fields reads this file: to it they are absent here.
func (l *layout) parse(b []byte) error {
	if len(b) < layoutFixed {
		return fmt.Errorf("footer: too short for its fields")
	}
	le := binary.LittleEndian
	l.rows, l.first, l.last = int(le.Uint32(b)), le.Uint64(b[8:]), le.Uint64(b[16:])
	l.minTime, l.maxTime = int64(le.Uint64(b[24:])), int64(le.Uint64(b[32:]))
	l.tenants, l.seed, l.slots = int(le.Uint32(b[40:])), le.Uint64(b[44:]), int(b[52])
	if l.rows < 1 || l.rows > MaxRows || le.Uint32(b[4:]) != BlockRows || l.first > l.last || l.tenants < 1 || l.tenants > l.rows {
		return fmt.Errorf("footer: impossible counts")
	}
	for f := range l.columns {
		l.columns[f] = column{form: formBlob, slot: -1}
	}
	b = b[layoutFixed:]
	parents := make([]uint8, l.slots)
	for slot := range l.slots {
		if len(b) < 7 || len(b) < 7+int(b[6]) || b[0] >= uint8(numForms) {
			return fmt.Errorf("footer: impossible field %d", slot)
		}
		name := string(b[7 : 7+int(b[6])])
		f, ok := annal.FieldNamed(name)
		if !ok {
			return fmt.Errorf("field %q: %w", name, ErrVersion)
		}
		parents[slot] = b[1]
		l.columns[f] = column{form: form(b[0]), dict: le.Uint32(b[2:]), slot: slot}
		b = b[7+int(b[6]):]
	}
	return l.parseParents(parents)
}

// parseParents turns the slots of parent fields into fields.
func (l *layout) parseParents(parents []uint8) error {
	var of [256]annal.Field
	for f := range l.columns {
		if s := l.columns[f].slot; s >= 0 {
			of[s] = annal.Field(f)
		}
	}
	for f := range l.columns {
		c := &l.columns[f]
		if c.form != formDerived {
			continue
		}
		p := parents[c.slot]
		if int(p) >= l.slots || l.columns[of[p]].form != formDict {
			return fmt.Errorf("footer: %s has no parent", annal.Field(f))
		}
		c.parent = of[p]
	}
	return nil
}
