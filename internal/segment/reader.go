package segment

import (
	"fmt"
	"slices"
	"time"

	"annal"
)

// A Reader reads whole events and texts of a segment. It keeps what it decoded
// last, so that neighbouring rows are cheap. It is for one goroutine.
//
// A row lies in some twenty places, and rows of a page may lie anywhere, so that
// reading one is waiting for memory. Rows are therefore read some at a time and in
// passes: each loads, for all of them, from places that do not depend on one
// another, which the processor waits for together.
type Reader struct {
	s        *Segment
	block    int // whose vecs are at hand; -1: none
	vecs     [annal.NumFields]vec
	dicts    [annal.NumTexts]*Dict
	constant annal.Event               // the texts that are the same in every row
	packed   []annal.Field             // the fields that have vecs
	listed   []annal.Field             // the texts with dictionaries that differ from row to row
	loose    []annal.Field             // the texts without
	derived  [annal.NumTexts]vec       // codes by parent code
	codes    [][annal.NumFields]uint64 // of the rows that are read
	one      [1]*annal.Event
	blobs    [annal.NumTexts]*texts // of the fields without a dictionary
	tenant   tenantSpan
	received receivedSpan
	whole    Texts
	touched  byte // keeps loads that are made early from being left out
}

type tenantSpan struct {
	name   string
	lo, hi int
	first  uint64
}

type receivedSpan struct {
	from, to uint64
	time     time.Time
}

// NewReader returns a reader of s.
func (s *Segment) NewReader() *Reader { return &Reader{s: s, block: -1} }

// Read fills e with a row: everything but ID. The texts of e are lent: they
// hold until the next call on r, and no longer than the segment is open; see
// [annal.Event.Clone].
func (r *Reader) Read(row int, e *annal.Event) error {
	return Guard(func() error {
		r.Fill(row, e)
		e.Salt = r.s.salt(row)
		return nil
	}, r.s)
}

// Fill is Read for callers that run inside [Guard], which costs as much as a
// column, and leaves out the salt: salts are a quarter of a segment, and a page
// of events that nobody proves anything about would have to read them.
func (r *Reader) Fill(row int, e *annal.Event) {
	r.one[0] = e
	rows := [1]uint32{uint32(row)}
	r.FillAll(rows[:], r.one[:], func(int) {})
}

// FillAll is Fill for several rows, best some dozen. It calls each with i when
// events[i] has been filled from rows[i]; until each returns its texts hold.
func (r *Reader) FillAll(rows []uint32, events []*annal.Event, each func(i int)) {
	if r.packed == nil {
		r.prepare()
	}
	for _, row := range rows {
		r.s.col.fetch(r.s.hotAt[row>>blockBits])
		r.s.col.fetch(r.s.coldAt[row>>blockBits])
	}
	for _, row := range rows {
		r.ahead(int(row))
	}
	r.codes = slices.Grow(r.codes[:0], len(rows))[:len(rows)]
	for i, row := range rows {
		r.place(int(row), events[i], &r.codes[i])
	}
	for i := range rows {
		for _, f := range r.listed {
			*events[i].Text(f) = r.dicts[f].At(uint32(r.codes[i][f]))
		}
	}
	for i := range rows {
		for _, f := range r.listed {
			if v := *events[i].Text(f); v != "" {
				r.touched ^= v[0]
			}
		}
	}
	for i, row := range rows {
		r.finish(int(row), events[i], &r.codes[i])
		each(i)
	}
}

// prepare finds out once how each field is kept.
func (r *Reader) prepare() {
	s := r.s
	r.packed = make([]annal.Field, 0, annal.NumFields)
	for f := annal.Tenant + 1; f < annal.NumTexts; f++ {
		c := &s.columns[f]
		r.dicts[f] = s.Dict(f)
		switch {
		case c.form == formBlob:
			r.loose = append(r.loose, f)
			continue
		case c.dict == 1:
			*r.constant.Text(f) = r.dicts[f].At(0)
			continue
		case c.form == formDerived:
			r.derived[f] = vecAt(s.col.bytes(s.colSec[kindParent][f]), 0)
		default:
			r.packed = append(r.packed, f)
		}
		r.listed = append(r.listed, f)
	}
	r.packed = append(r.packed, annal.ResultOutcome, annal.SeverityLevel, annal.Status, annal.Duration)
}

// ahead begins to load what is needed first of a row.
func (r *Reader) ahead(row int) {
	if row >= r.s.rows {
		panic(fmt.Sprintf("segment: row %d of %d", row, r.s.rows))
	}
	block := row >> blockBits
	if block == r.block {
		return
	}
	for hot, at := r.s.hot(block), 0; at < r.s.hotHeader(); at += cacheLine {
		r.touched ^= hot[at]
	}
	if len(r.loose) > 0 {
		r.touched ^= r.s.cold(block)[0]
	}
}

const cacheLine = 64 // bytes

// enter makes the vecs of a block ready.
func (r *Reader) enter(block int) {
	s := r.s
	r.block = -1
	hot := s.hot(block)
	for _, f := range r.packed {
		r.vecs[f] = vecAt(hot, s.columns[f].slot*vecHeader)
	}
	for _, f := range r.loose {
		r.touched ^= s.blob(f, block)[0]
	}
	r.block = block
}

// place reads the numbers of a row: codes, and where and when it is.
func (r *Reader) place(row int, e *annal.Event, codes *[annal.NumFields]uint64) {
	s := r.s
	if block := row >> blockBits; block != r.block {
		r.enter(block)
	}
	if row < r.tenant.lo || row >= r.tenant.hi {
		r.tenant = tenantSpan{}
		code := s.tenantOf(row)
		lo, hi, first := s.tenantRows(code)
		r.tenant = tenantSpan{s.Dict(annal.Tenant).At(code), lo, hi, first}
	}
	*e = r.constant
	e.Tenant = r.tenant.name
	e.Position, e.Seq, e.Time = s.PositionAt(row), s.seqIn(r.tenant.lo, r.tenant.first, row), s.TimeOf(row)
	i := row & blockMask
	for _, f := range r.packed {
		codes[f] = r.vecs[f].at(i)
	}
	for _, f := range r.listed {
		if c := &s.columns[f]; c.form == formDerived {
			codes[f] = r.derived[f].at(int(codes[c.parent]))
		}
	}
}

// finish fills in what takes no waiting any more.
func (r *Reader) finish(row int, e *annal.Event, codes *[annal.NumFields]uint64) {
	for _, f := range r.loose {
		*e.Text(f) = text(r.blob(f).at(row))
	}
	e.Received = r.receivedAt(e.Position)
	e.Outcome = annal.Outcome(codes[annal.ResultOutcome])
	e.Severity = annal.Severity(codes[annal.SeverityLevel])
	e.Request.Status = r.s.statusOf(uint32(codes[annal.Status]))
	e.Request.Duration = time.Duration(codes[annal.Duration])
}

func (r *Reader) receivedAt(position uint64) time.Time {
	if position < r.received.from || position >= r.received.to {
		micros, from, to := r.s.receivedOf(position)
		r.received = receivedSpan{from, to, time.UnixMicro(micros).UTC()}
	}
	return r.received.time
}

// Text returns one text of a row; it is lent as those of [Reader.Read] are.
func (r *Reader) Text(f annal.Field, row int) (v string, err error) {
	err = Guard(func() error {
		if d := r.s.Dict(f); d != nil {
			v = d.At(r.s.Code(f, row))
		} else {
			v = text(r.blob(f).at(row))
		}
		return nil
	}, r.s)
	return v, err
}

func (r *Reader) blob(f annal.Field) *texts {
	if r.blobs[f] == nil {
		r.blobs[f] = &texts{s: r.s, f: f, block: -1}
	}
	return r.blobs[f]
}

// Texts are the texts of one field in the rows of one block, one behind the
// other: that of row Row+i is Bytes[Off[i]:Off[i+1]].
type Texts struct {
	Row   int
	Bytes []byte
	Off   []uint32
}

// TextBlock returns all texts of a block in a field without a dictionary, for
// searching. They hold until the next call of TextBlock.
func (r *Reader) TextBlock(f annal.Field, block int) (*Texts, error) {
	t := &r.whole
	t.Row, t.Bytes, t.Off = block<<blockBits, t.Bytes[:0], append(t.Off[:0], 0)
	err := Guard(func() error {
		from := r.blob(f)
		for row := t.Row; row < t.Row+r.s.rowsOf(block); row++ {
			t.Bytes = append(t.Bytes, from.at(row)...)
			t.Off = append(t.Off, uint32(len(t.Bytes)))
		}
		return nil
	}, r.s)
	return t, err
}

// texts reads one field without a dictionary.
type texts struct {
	s     *Segment
	f     annal.Field
	block int // at hand; -1: none
	b     []byte
	form  template // of the block, when b is a template
	out   []byte
	group group
}

// at returns the text of a row, until the next call.
func (t *texts) at(row int) []byte {
	block := row >> blockBits
	if block != t.block {
		t.enter(block)
	}
	i := row & blockMask
	if t.b[0] == blobTemplate {
		t.out = t.form.appendText(t.out[:0], i)
		return t.out
	}
	if i < t.group.first || i >= t.group.end {
		if what := t.group.decode(t.b, i); what != "" {
			panic(t.damage(what))
		}
	}
	return t.group.text(i)
}

func (t *texts) enter(block int) {
	t.block, t.group.first, t.group.end = -1, 0, 0
	t.b = t.s.blob(t.f, block)
	if t.b[0] == blobTemplate {
		if what := t.form.parse(t.b, t.s.rowsOf(block)); what != "" {
			panic(t.damage(what))
		}
	}
	t.block = block
}

func (t *texts) damage(what string) error {
	sec := t.s.col.secs[t.s.coldAt[max(t.block, 0)]]
	return t.s.col.damage(t.f.String()+": "+what, sec.off, sec.off+sec.size)
}
