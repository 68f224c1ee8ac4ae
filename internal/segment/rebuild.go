package segment

import (
	"path"
	"slices"

	"annal"
	"annal/internal/vfs"
)

// rebuild writes the index file from the columns.
func (s *Segment) rebuild(fs vfs.FS, dir string, logID [16]byte) error {
	return Guard(func() error {
		x := s.index()
		full := path.Join(dir, s.name) + IdxSuffix
		if err := x.write(newWriter(fs, full, idxMagic, logID, s.col.sum)); err != nil {
			return err
		}
		return install(fs, dir, full)
	}, s)
}

// index makes the index from the columns, in the order in which a builder does.
func (s *Segment) index() *indexBuilder {
	starts := make([]uint32, s.tenants+1)
	table := vecAt(s.tenantTable(), 0)
	for i := range starts {
		starts[i] = uint32(table.at(i))
	}
	x := newIndexBuilder(starts, s.seed)
	x.addTimes(asWords(s.Times(0, s.rows, nil)))
	x.addOrder(s.orderOfArrival())
	codes := s.Codes(annal.ResultOutcome, 0, s.rows, make([]uint32, 0, s.rows))
	x.addOutcomes(s.Outcomes(0, s.rows, nil), codes)
	for _, f := range []annal.Field{annal.SeverityLevel, annal.Status} {
		codes = s.Codes(f, 0, s.rows, codes[:0])
		x.addZones(f, codes, s.codesOf(f))
	}
	for _, f := range textOrder() {
		if c := &s.columns[f]; c.form != formBlob && c.slot >= 0 {
			codes = s.Codes(f, 0, s.rows, codes[:0])
			d := s.Dict(f)
			x.addCodes(f, codes, s.codesOf(f), d.At(0) == "")
			x.addDict(f, d.Len(), func(code int) []byte { return raw(d.At(uint32(code))) })
		}
	}
	for f := range annal.NumTexts {
		if s.columns[f].form == formBlob {
			x.addBlob(f, (&texts{s: s, f: f, block: -1}).at)
		}
	}
	return x
}

// orderOfArrival returns which arrival each row is, or nil when rows are in
// order of arrival.
func (s *Segment) orderOfArrival() []uint32 {
	positions := s.Positions(0, s.rows, nil)
	if slices.IsSorted(positions) {
		return nil
	}
	rows := make([]uint32, s.rows)
	for i := range rows {
		rows[i] = uint32(i)
	}
	rows = radixByTime(rows, positions)
	order := make([]uint32, s.rows)
	for arrival, row := range rows {
		order[row] = uint32(arrival)
	}
	return order
}

func asWords(v []int64) []uint64 {
	w := make([]uint64, len(v))
	for i, x := range v {
		w[i] = uint64(x)
	}
	return w
}
