package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"path"
	"slices"

	"annal"
	"annal/internal/vfs"
)

// Build sorts rows and writes them as a new segment into dir, durably: when it
// returns without an error the segment survives a crash. It keeps nothing of
// cols.
func Build(fs vfs.FS, dir string, cols *Columns, logID [16]byte) (name string, err error) {
	if err := cols.check(); err != nil {
		return "", err
	}
	name, err = newName(fs, dir, cols.PositionAt(0), cols.PositionAt(cols.N-1))
	if err != nil {
		return "", err
	}
	b, err := newBuilder(cols)
	if err != nil {
		return "", fmt.Errorf("build segment %s: %w", name, err)
	}
	full := path.Join(dir, name)
	tie, err := b.writeColumns(newWriter(fs, full+ColSuffix, colMagic, logID, 0))
	if err == nil {
		err = b.idx.write(newWriter(fs, full+IdxSuffix, idxMagic, logID, tie))
	}
	if err == nil {
		err = install(fs, dir, full+IdxSuffix, full+ColSuffix)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("build segment %s: %w", name, err), discard(fs, full))
	}
	return name, nil
}

// A builder turns Columns into the sections of both files.
type builder struct {
	layout
	c       *Columns
	order   []uint32 // row → arrival; nil: the same
	starts  []uint32 // first row of each tenant, then the number of rows
	seqs    []uint64 // lowest seq of each tenant
	hot     [][]byte // by block
	cold    [][]byte
	codes   []uint32 // scratch: a column in row order
	wide    []uint64 // scratch
	parents map[annal.Field][]uint32
	extra   []part // sections besides the blocks
	idx     *indexBuilder
}

// A part is a section yet to be written.
type part struct {
	kind   kind
	field  uint8
	b      []byte
	values []string // of a dictionary
}

// bytes is what p is in the file. Those of a dictionary are made when they are
// written: all at once would be as large as the texts in memory.
func (p *part) bytes() []byte {
	if p.kind == kindDict {
		return dictBytes(p.values)
	}
	return p.b
}

func newBuilder(c *Columns) (*builder, error) {
	b := &builder{
		c: c, codes: make([]uint32, c.N), wide: make([]uint64, c.N), parents: map[annal.Field][]uint32{},
		layout: layout{
			rows: c.N, first: c.PositionAt(0), last: c.PositionAt(c.N - 1), slots: int(annal.NumFields),
			minTime: slices.Min(c.Time), maxTime: slices.Max(c.Time), seed: seedOf(c),
		},
	}
	for f := range b.columns {
		b.columns[f].slot = f
	}
	b.hot, b.cold = make([][]byte, b.blocks()), make([][]byte, b.blocks())
	for i := range b.hot {
		b.hot[i] = append(make([]byte, 0, b.hotHeader()+b.rowsOf(i)*32), make([]byte, b.hotHeader())...)
		b.cold[i] = append(make([]byte, 0, b.coldHeader()+b.rowsOf(i)*24), make([]byte, b.coldHeader())...)
	}
	if err := b.addTenants(); err != nil {
		return nil, err
	}
	b.addPlaces()
	b.addNumbers()
	return b, b.addTexts()
}

// addTenants sorts the rows.
func (b *builder) addTenants() error {
	t := &b.c.Text[annal.Tenant]
	codes, values := t.Codes, t.Values
	if codes == nil {
		if t.Off != nil {
			return errors.New("tenant: codes are needed")
		}
		codes, values = make([]uint32, b.rows), []string{""}
	}
	d := dictionary(codes, values)
	arrivals := make([]uint32, b.rows)
	d.rows(arrivals, nil)
	b.tenants = len(d.values)
	b.order = sortedOrder(b.c.Time, arrivals, b.tenants)
	b.starts = make([]uint32, b.tenants, b.tenants+1)
	b.seqs = make([]uint64, b.tenants)
	for i := range b.seqs {
		b.seqs[i] = math.MaxUint64
	}
	for i, c := range arrivals {
		b.starts[c]++
		b.seqs[c] = min(b.seqs[c], b.c.Seq[i])
	}
	startsOf(b.starts)
	b.starts = append(b.starts, uint32(b.rows))
	b.columns[annal.Tenant] = column{form: formTenant, dict: uint32(b.tenants), slot: int(annal.Tenant)}
	if err := checkDict(d.values); err != nil {
		return fmt.Errorf("%s: %w", annal.Tenant, err)
	}
	b.extra = append(b.extra, part{kind: kindDict, field: uint8(annal.Tenant), values: d.values}, part{kind: kindTenants, b: b.tenantTable()})
	return nil
}

// tenantTable is two vecs: where each tenant's rows begin and its lowest seq.
func (b *builder) tenantTable() []byte {
	t := make([]byte, 2*vecHeader)
	t = appendVec(t, 0, 0, b.starts, 0, false)
	t = appendVec(t, 0, vecHeader, b.seqs, 0, false)
	return append(t, make([]byte, wordPad)...)
}

// writeColumns writes the columns file and returns what ties the index to it.
func (b *builder) writeColumns(w *writer) (uint32, error) {
	lanes := b.lanes()
	var table []byte
	for i := range b.hot {
		table = interleave(table[:0], 0, b.hot[i], b.hotHeader(), lanes, b.rowsOf(i))
		w.section(kindHot, 0, i, table)
		w.section(kindCold, 0, i, b.cold[i])
	}
	for _, p := range b.extra {
		w.section(p.kind, p.field, 0, p.bytes())
	}
	for i := range b.hot {
		table = b.appendSalts(table[:0], i)
		w.section(kindSalts, 0, i, table)
	}
	return w.finish(b.layout.append(nil))
}

// eachBlock calls f with each block and its rows.
func (b *builder) eachBlock(f func(block, lo, hi int)) {
	for i := range b.hot {
		f(i, i<<blockBits, i<<blockBits+b.rowsOf(i))
	}
}

// putCodes packs b.codes[lo:hi] of each block into a slot.
func (b *builder) putCodes(slot int) {
	b.eachBlock(func(i, lo, hi int) {
		b.hot[i] = appendVec(b.hot[i], 0, slot*vecHeader, b.codes[lo:hi], 0, false)
	})
}

// putSubs packs b.wide into the slots of sub-blocks.
func (b *builder) putSubs(slot int, slope bool) {
	b.eachBlock(func(i, lo, hi int) {
		var unit [subBlocks]uint8
		width := 0
		for k, vals := range subsOf(b.wide[lo:hi]) {
			if !slope {
				unit[k] = unitOf(vals)
			}
			width = max(width, widthOf(vals, unit[k], slope))
		}
		for k, vals := range subsOf(b.wide[lo:hi]) {
			b.hot[i] = appendWide(b.hot[i], 0, (slot+k)*vecHeader, vals, unit[k], slope, width)
		}
	})
}

// subsOf cuts the values of a block into those of its sub-blocks.
func subsOf(vals []uint64) iter.Seq2[int, []uint64] {
	return func(yield func(int, []uint64) bool) {
		for k := 0; k*subRows < len(vals); k++ {
			if !yield(k, vals[k*subRows:min(len(vals), (k+1)*subRows)]) {
				return
			}
		}
	}
}

// seedOf returns the seed of a segment's hashes: of the salt of the event that came
// last, which was drawn when the texts of all of them were there. Who chooses texts
// cannot foresee which of them will share buckets.
func seedOf(c *Columns) uint64 { return binary.LittleEndian.Uint64(c.Salt[(c.N-1)*SaltBytes:]) }

// arrival returns which arrival became row.
func (b *builder) arrival(row int) int {
	if b.order == nil {
		return row
	}
	return int(b.order[row])
}

// addPlaces packs times, positions and seqs, and begins the index.
func (b *builder) addPlaces() {
	for row := range b.wide {
		b.wide[row] = uint64(b.c.Time[b.arrival(row)])
	}
	b.putSubs(b.timeSlot(), false)
	b.idx = newIndexBuilder(b.starts, b.seed)
	b.idx.addTimes(b.wide)
	for row := range b.wide {
		b.wide[row] = b.c.PositionAt(b.arrival(row))
	}
	b.putSubs(b.positionSlot(), true)
	b.idx.addOrder(b.order)
	for t, first := range b.seqs {
		lo, hi := int(b.starts[t]), int(b.starts[t+1])
		for row := lo; row < hi; row++ {
			b.wide[row] = b.c.Seq[b.arrival(row)] - first - uint64(row-lo)
		}
	}
	b.eachBlock(func(i, lo, hi int) {
		b.hot[i] = appendVec(b.hot[i], 0, b.seqSlot()*vecHeader, b.wide[lo:hi], 0, false)
	})
}

// appendSalts appends the salts of a block. They lie behind everything else: they
// are a quarter of the file, and few questions ask for them.
func (b *builder) appendSalts(dst []byte, block int) []byte {
	lo := block << blockBits
	for row := lo; row < lo+b.rowsOf(block); row++ {
		a := b.arrival(row) * SaltBytes
		dst = append(dst, b.c.Salt[a:a+SaltBytes]...)
	}
	return dst
}

// addNumbers packs the columns that are no texts, and the parts beside the
// blocks.
func (b *builder) addNumbers() {
	bytes := make([]uint8, b.rows)
	for _, x := range []struct {
		f   annal.Field
		src []uint8
	}{{annal.ResultOutcome, b.c.Outcome}, {annal.SeverityLevel, b.c.Severity}} {
		gather(bytes, x.src, b.order)
		for i, v := range bytes {
			b.codes[i] = uint32(v)
		}
		b.putCodes(int(x.f))
		if x.f == annal.ResultOutcome {
			b.idx.addOutcomes(slices.Clone(bytes), b.codes)
		} else {
			b.idx.addZones(x.f, b.codes, b.codesOf(x.f))
		}
	}
	b.addStatus()
	for row := range b.wide {
		b.wide[row] = uint64(b.c.Duration[b.arrival(row)])
	}
	b.eachBlock(func(i, lo, hi int) {
		vals := b.wide[lo:hi]
		b.hot[i] = appendVec(b.hot[i], 0, int(annal.Duration)*vecHeader, vals, unitOf(vals), false)
	})
	b.addFar()
	b.addReceived()
	b.addKeys()
}

// addStatus packs statuses as codes into a sorted list.
func (b *builder) addStatus() {
	code := map[int32]uint32{}
	last, seen := int32(0), false
	for _, s := range b.c.Status {
		if s != last || !seen {
			code[s], last, seen = 0, s, true
		}
	}
	values := make([]int32, 0, len(code))
	for s := range code {
		values = append(values, s)
	}
	slices.Sort(values)
	list := make([]byte, 0, 4*len(values))
	for i, s := range values {
		code[s] = uint32(i)
		list = binary.LittleEndian.AppendUint32(list, uint32(s))
	}
	c := uint32(0)
	seen = false
	for row := range b.codes {
		if s := b.c.Status[b.arrival(row)]; s != last || !seen {
			c, last, seen = code[s], s, true
		}
		b.codes[row] = c
	}
	b.putCodes(int(annal.Status))
	b.columns[annal.Status].dict = uint32(len(values))
	b.idx.addZones(annal.Status, b.codes, len(values))
	b.extra = append(b.extra, part{kind: kindStatus, b: list})
}
