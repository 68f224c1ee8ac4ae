package segment

import (
	"encoding/binary"
	"fmt"

	"annal"
)

// Sizes of fixed records.
const (
	farBytes = 16 // u32 row, u32 ns, i64 s since 1970
	keyBytes = 56 // hash 16, digest 16, u64 position, i64 received, u32 count, u32 0
)

func (b *builder) addFar() {
	if len(b.c.Far) == 0 {
		return
	}
	var far []byte
	for row := range b.rows {
		if t, ok := b.c.Far[uint32(b.arrival(row))]; ok {
			far = binary.LittleEndian.AppendUint32(far, uint32(row))
			far = binary.LittleEndian.AppendUint32(far, uint32(t.Nanosecond()))
			far = binary.LittleEndian.AppendUint64(far, uint64(t.Unix()))
		}
	}
	b.extra = append(b.extra, part{kind: kindFar, b: far})
}

// addReceived writes u32 count and two vecs: the position from which each run
// holds, and its time.
func (b *builder) addReceived() {
	positions, micros := make([]uint64, len(b.c.Received)), make([]uint64, len(b.c.Received))
	for i, r := range b.c.Received {
		positions[i], micros[i] = b.c.PositionAt(int(r.Row)), uint64(r.Micros)
	}
	s := binary.LittleEndian.AppendUint32(nil, uint32(len(positions)))
	s = append(s, make([]byte, 2*vecHeader)...)
	s = appendVec(s, 0, 4, positions, 0, false)
	s = appendVec(s, 0, 4+vecHeader, micros, 0, false)
	b.extra = append(b.extra, part{kind: kindReceived, b: append(s, make([]byte, wordPad)...)})
}

func (b *builder) addKeys() {
	if len(b.c.Keys) == 0 {
		return
	}
	s := make([]byte, 0, len(b.c.Keys)*keyBytes)
	for _, k := range b.c.Keys {
		s = append(append(s, k.Hash[:]...), k.Digest[:]...)
		s = binary.LittleEndian.AppendUint64(s, k.Position)
		s = binary.LittleEndian.AppendUint64(s, uint64(k.Received))
		s = binary.LittleEndian.AppendUint32(s, k.Count)
		s = append(s, 0, 0, 0, 0)
	}
	b.extra = append(b.extra, part{kind: kindKeys, b: s})
}

// parentOf names the field that usually settles another one.
func parentOf(f annal.Field) (parent annal.Field, ok bool) {
	switch f {
	case annal.ActorType, annal.ActorName, annal.ActorEmail:
		return annal.ActorID, true
	case annal.BehalfType, annal.BehalfName, annal.BehalfEmail:
		return annal.BehalfID, true
	case annal.ResourceType, annal.ResourceName, annal.ResourceID:
		return annal.ResourcePath, true
	}
	return 0, false
}

// A column is derived only when its parent has so many rows per value.
const rowsPerParent = 4

// addTexts packs the text columns, parents first, in an order that the index
// relies on to come out the same when it is rebuilt.
func (b *builder) addTexts() error {
	for _, f := range textOrder() {
		if err := b.addText(f); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	w := blobWriter{digits: newDigitTable(), zstd: newEncoder()}
	for f := range annal.NumTexts {
		b.addBlob(f, &w)
	}
	for i := range b.cold {
		for slot := int(annal.NumTexts); slot <= b.slots; slot++ {
			binary.LittleEndian.PutUint32(b.cold[i][slot*4:], uint32(len(b.cold[i])))
		}
	}
	return nil
}

// addBlob packs a field without a dictionary, if it is one, and notes in each
// block where it lies.
func (b *builder) addBlob(f annal.Field, w *blobWriter) {
	for i := range b.cold {
		binary.LittleEndian.PutUint32(b.cold[i][f*4:], uint32(len(b.cold[i])))
	}
	if b.columns[f].form != formBlob {
		return
	}
	at := b.textAt(f)
	b.eachBlock(func(i, lo, hi int) { b.cold[i] = w.append(b.cold[i], lo, hi, at) })
	b.idx.addBlob(f, at)
}

// textOrder lists the text fields but tenant: first those that may be parents.
func textOrder() []annal.Field {
	first := []annal.Field{annal.ActorID, annal.BehalfID, annal.ResourcePath}
	order := first
	for f := annal.Tenant + 1; f < annal.NumTexts; f++ {
		if f != first[0] && f != first[1] && f != first[2] {
			order = append(order, f)
		}
	}
	return order
}

// textAt returns how to read the texts of a field by row, from a copy in row
// order, since every row is read several times.
func (b *builder) textAt(f annal.Field) func(row int) []byte {
	t := &b.c.Text[f]
	if b.order != nil {
		t = t.sorted(b.order)
	}
	return func(row int) []byte { return t.Bytes[t.Off[row]:t.Off[row+1]] }
}

// sorted returns the texts in the order given.
func (t *TextColumn) sorted(order []uint32) *TextColumn {
	size := uint32(0)
	for _, i := range order {
		size += t.Off[i+1] - t.Off[i]
	}
	c := &TextColumn{Off: make([]uint32, 1, len(order)+1), Bytes: make([]byte, 0, size)}
	for _, i := range order {
		c.Bytes = append(c.Bytes, t.Bytes[t.Off[i]:t.Off[i+1]]...)
		c.Off = append(c.Off, uint32(len(c.Bytes)))
	}
	return c
}

func (b *builder) addText(f annal.Field) error {
	d, ok := b.coded(f)
	if !ok {
		b.columns[f].form = formBlob
		return nil
	}
	if err := checkDict(d.values); err != nil {
		return err
	}
	b.extra = append(b.extra, part{kind: kindDict, field: uint8(f), values: d.values})
	b.columns[f].form, b.columns[f].dict = formDict, uint32(len(d.values))
	d.rows(b.codes, b.order)
	if len(d.values) > 1 {
		b.placeCodes(f)
	}
	switch f {
	case annal.ActorID, annal.BehalfID, annal.ResourcePath:
		b.parents[f] = append([]uint32(nil), b.codes...)
	}
	b.idx.addCodes(f, b.codes, len(d.values), d.values[0] == "")
	b.idx.addDict(f, len(d.values), func(code int) []byte { return raw(d.values[code]) })
	return nil
}

// placeCodes packs b.codes, or derives them from the parent's.
func (b *builder) placeCodes(f annal.Field) {
	if p, ok := parentOf(f); ok && b.columns[p].form == formDict {
		size := int(b.columns[p].dict)
		if of, ok := derive(b.codes, b.parents[p], size); ok && size <= b.rows/rowsPerParent {
			b.columns[f].form, b.columns[f].parent = formDerived, p
			s := appendArray(nil, 0, of)
			b.extra = append(b.extra, part{kind: kindParent, field: uint8(f), b: append(s, make([]byte, wordPad)...)})
			return
		}
	}
	b.putCodes(int(f))
}

// derive finds the code that goes with each parent code, if there is but one.
func derive(codes, parents []uint32, size int) ([]uint32, bool) {
	const unknown = ^uint32(0)
	of := make([]uint32, size)
	for i := range of {
		of[i] = unknown
	}
	for i, p := range parents {
		if of[p] == unknown {
			of[p] = codes[i]
		} else if of[p] != codes[i] {
			return nil, false
		}
	}
	return of, true
}

// Shares of distinct values up to which a text column gets a dictionary.
const (
	hashShare = 3  // one in 3 rows, for fields looked up by value
	textShare = 16 // one in 16 rows, for the others
)

// coded returns the field as dictionary codes, unless it has too many values.
func (b *builder) coded(f annal.Field) (coded, bool) {
	t := &b.c.Text[f]
	switch {
	case t.Codes != nil:
		return dictionary(t.Codes, t.Values), true
	case t.Off == nil:
		return dictionary(make([]uint32, b.rows), []string{""}), true
	}
	share := textShare
	if annal.Fields[f].Index == annal.ByHash {
		share = hashShare
	}
	limit := max(1, b.rows/share)
	if annal.Fields[f].Shared {
		limit = b.rows
	} else if t.seemsUnique(b.rows, b.seed) {
		return coded{}, false
	}
	codes, values, ok := t.intern(b.rows, limit, b.seed)
	if !ok {
		return coded{}, false
	}
	return dictionary(codes, values), true
}
