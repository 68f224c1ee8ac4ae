package segment

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"annal"
)

// Columns returns all rows in the order in which they arrived, for merging and
// rewriting. It is a copy that outlives the segment.
func (s *Segment) Columns() (c *Columns, err error) {
	err = Guard(func() error {
		c = s.columnsByArrival()
		return s.textsByArrival(c)
	}, s)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *Segment) columnsByArrival() *Columns {
	n := s.rows
	rows := s.rowsByArrival()
	c := &Columns{
		N: n, Base: s.first, Time: make([]int64, n), Seq: make([]uint64, n), Salt: make([]byte, n*SaltBytes),
		Outcome: make([]uint8, n), Severity: make([]uint8, n), Status: make([]int32, n), Duration: make([]int64, n),
		Keys: s.Keys(),
	}
	positions := s.Positions(0, n, nil)
	arrive(positions, rows)
	if s.last-s.first+1 != uint64(n) {
		c.Position = asWords(positions)
	}
	gather(c.Time, s.Times(0, n, nil), rows)
	gather(c.Outcome, s.Outcomes(0, n, nil), rows)
	gather(c.Severity, s.Severities(0, n, nil), rows)
	gather(c.Status, s.Statuses(0, n, nil), rows)
	gather(c.Duration, s.Durations(0, n, nil), rows)
	gather(c.Seq, s.seqs(), rows)
	for i := range n {
		row := rowOf(rows, i)
		salt := s.salt(row)
		copy(c.Salt[i*SaltBytes:], salt[:])
		if isFar(c.Time[i]) {
			if c.Far == nil {
				c.Far = map[uint32]time.Time{}
			}
			c.Far[uint32(i)] = s.exact(row, c.Time[i])
		}
	}
	c.Received = s.runs(c)
	return c
}

func (s *Segment) textsByArrival(c *Columns) (err error) {
	rows := s.rowsByArrival()
	for f := range annal.NumTexts {
		if c.Text[f], err = s.textColumn(f, rows); err != nil {
			return fmt.Errorf("segment %s: %s: %w", s.name, f, err)
		}
	}
	return nil
}

// rowsByArrival returns the row of each arrival; nil: the same.
func (s *Segment) rowsByArrival() []uint32 {
	order := s.orderOfArrival()
	if order == nil {
		return nil
	}
	rows := make([]uint32, len(order))
	for row, i := range order {
		rows[i] = uint32(row)
	}
	return rows
}

func rowOf(rows []uint32, i int) int {
	if rows == nil {
		return i
	}
	return int(rows[i])
}

// arrive puts a column in order of arrival.
func arrive[T any](col []T, rows []uint32) {
	if rows != nil {
		gather(col, slices.Clone(col), rows)
	}
}

func (s *Segment) seqs() []uint64 {
	seqs := make([]uint64, s.rows)
	for t := range s.tenants {
		lo, hi, first := s.tenantRows(uint32(t))
		for row := lo; row < hi; row++ {
			seqs[row] = s.seqIn(lo, first, row)
		}
	}
	return seqs
}

// runs turns the runs by position into runs by arrival.
func (s *Segment) runs(c *Columns) []Run {
	b := s.col.bytes(s.colSec[kindReceived][0])
	n := u32(b)
	positions, times := vecAt(b, 4), vecAt(b, 4+vecHeader)
	var runs []Run
	for i := range n {
		p := positions.at(i)
		row := uint32(sort.Search(c.N, func(k int) bool { return c.PositionAt(k) >= p }))
		if int(row) == c.N {
			break
		}
		if k := len(runs); k > 0 && runs[k-1].Row == row {
			runs = runs[:k-1]
		}
		runs = append(runs, Run{row, int64(times.at(i))})
	}
	return runs
}

func (s *Segment) textColumn(f annal.Field, rows []uint32) (TextColumn, error) {
	if d := s.Dict(f); d != nil {
		codes := s.Codes(f, 0, s.rows, make([]uint32, 0, s.rows))
		arrive(codes, rows)
		t := TextColumn{Codes: codes, Values: d.values()}
		if annal.Fields[f].Shared {
			return t, nil
		}
		return t.spread()
	}
	from := &texts{s: s, f: f, block: -1}
	plain := TextColumn{Off: make([]uint32, 1, s.rows+1)}
	for row := range s.rows {
		plain.Bytes = append(plain.Bytes, from.at(row)...)
		plain.Off = append(plain.Off, uint32(len(plain.Bytes)))
	}
	if rows == nil {
		return plain, nil
	}
	return *plain.sorted(rows), nil
}

// values copies all values of a dictionary.
func (d *Dict) values() []string {
	all := string(d.text)
	list := make([]string, d.n)
	for i := range list {
		list[i] = all[u32(d.off[4*i:]):u32(d.off[4*i+4:])]
	}
	return list
}

// spread writes the texts of a coded column out; a column that is absent
// everywhere becomes the zero one.
func (t *TextColumn) spread() (TextColumn, error) {
	if len(t.Values) == 1 && t.Values[0] == "" {
		return TextColumn{}, nil
	}
	size := 0
	for _, c := range t.Codes {
		size += len(t.Values[c])
	}
	if err := textFits(size); err != nil {
		return TextColumn{}, err
	}
	p := TextColumn{Off: make([]uint32, 1, len(t.Codes)+1), Bytes: make([]byte, 0, size)}
	for _, c := range t.Codes {
		p.Bytes = append(p.Bytes, t.Values[c]...)
		p.Off = append(p.Off, uint32(len(p.Bytes)))
	}
	return p, nil
}

// textFits refuses more text than offsets of 32 bits reach.
func textFits(size int) error {
	if size > maxDictText {
		return fmt.Errorf("%d bytes of text; at most %d are allowed", size, uint32(maxDictText))
	}
	return nil
}

// Merge returns the rows of segments whose positions follow one another, as one
// Columns for [Build].
func Merge(segs ...*Segment) (*Columns, error) {
	if len(segs) == 0 {
		return nil, errors.New("merge: no segments")
	}
	parts := make([]*Columns, len(segs))
	total := 0
	for i, s := range segs {
		if i > 0 && segs[i-1].last >= s.first {
			return nil, fmt.Errorf("merge: positions of segment %s do not follow those of %s", s.name, segs[i-1].name)
		}
		if total += s.rows; total > MaxRows {
			return nil, fmt.Errorf("merge: over %d rows", MaxRows)
		}
		c, err := s.Columns()
		if err != nil {
			return nil, err
		}
		parts[i] = c
	}
	return join(parts, total)
}

func join(parts []*Columns, total int) (*Columns, error) {
	out := &Columns{Base: parts[0].PositionAt(0), Position: make([]uint64, 0, total)}
	for _, p := range parts {
		at := uint32(out.N)
		for i := range p.N {
			out.Position = append(out.Position, p.PositionAt(i))
		}
		out.Time = append(out.Time, p.Time...)
		out.Seq = append(out.Seq, p.Seq...)
		out.Salt = append(out.Salt, p.Salt...)
		out.Outcome = append(out.Outcome, p.Outcome...)
		out.Severity = append(out.Severity, p.Severity...)
		out.Status = append(out.Status, p.Status...)
		out.Duration = append(out.Duration, p.Duration...)
		out.Keys = append(out.Keys, p.Keys...)
		for _, r := range p.Received {
			out.Received = append(out.Received, Run{r.Row + at, r.Micros})
		}
		for row, t := range p.Far {
			if out.Far == nil {
				out.Far = map[uint32]time.Time{}
			}
			out.Far[row+at] = t
		}
		out.N += p.N
	}
	if last := out.Position[out.N-1]; last-out.Base+1 == uint64(out.N) {
		out.Position = nil
	}
	for f := range annal.NumTexts {
		if err := joinTexts(&out.Text[f], parts, f); err != nil {
			return nil, fmt.Errorf("merge: %s: %w", f, err)
		}
	}
	return out, nil
}

func joinTexts(out *TextColumn, parts []*Columns, f annal.Field) error {
	if annal.Fields[f].Shared {
		joinCodes(out, parts, f)
		return nil
	}
	size := 0
	for _, p := range parts {
		size += len(p.Text[f].Bytes)
	}
	if size == 0 {
		return nil
	}
	if err := textFits(size); err != nil {
		return err
	}
	out.Off, out.Bytes = []uint32{0}, make([]byte, 0, size)
	for _, p := range parts {
		t, base := &p.Text[f], uint32(len(out.Bytes))
		out.Bytes = append(out.Bytes, t.Bytes...)
		for i := range p.N {
			end := base
			if t.Off != nil {
				end += t.Off[i+1]
			}
			out.Off = append(out.Off, end)
		}
	}
	return nil
}

// joinCodes gives every distinct value one code for all parts.
func joinCodes(out *TextColumn, parts []*Columns, f annal.Field) {
	code := map[string]uint32{}
	for _, p := range parts {
		t := &p.Text[f]
		to := make([]uint32, len(t.Values))
		for i, v := range t.Values {
			c, ok := code[v]
			if !ok {
				c = uint32(len(out.Values))
				code[v] = c
				out.Values = append(out.Values, v)
			}
			to[i] = c
		}
		for _, c := range t.Codes {
			out.Codes = append(out.Codes, to[c])
		}
	}
}
