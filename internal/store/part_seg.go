package store

import (
	"slices"
	"sort"
	"time"

	"annal"
	"annal/internal/segment"
)

// segPart is a segment as queries see it. One walk has one: its reader keeps
// what it decoded.
type segPart struct {
	seg       *sealed
	reader    *segment.Reader
	matches   wordMatches
	columns   [annal.NumFields]*segment.Column
	times     *segment.Places
	positions *segment.Places
}

func (p *segPart) code(f annal.Field, row uint32) uint32 { return uint32(p.column(f).At(row)) }
func (p *segPart) before(position uint64) bool           { return p.seg.Last() < position }
func (p *segPart) time(row uint32) time.Time             { return p.seg.TimeOf(int(row)) }

func (p *segPart) key(row uint32) int64 { return p.timeColumn().At(row) }

func (p *segPart) keys(rows []uint32, dst []int64) []int64 { return p.timeColumn().All(rows, dst) }

func (p *segPart) timeColumn() *segment.Places {
	if p.times == nil {
		p.times = p.seg.TimeColumn()
	}
	return p.times
}

func (p *segPart) position(row uint32) uint64 {
	if p.positions == nil {
		p.positions = p.seg.PositionColumn()
	}
	return uint64(p.positions.At(row))
}

func (p *segPart) column(f annal.Field) *segment.Column {
	if p.columns[f] == nil {
		p.columns[f] = p.seg.Column(f)
	}
	return p.columns[f]
}

// read, like every read of a part, runs inside the guard of the whole query.
func (p *segPart) read(row uint32, e *annal.Event) { p.rows().Fill(int(row), e) }

func (p *segPart) readAll(rows []uint32, events []*annal.Event, each func(int)) {
	p.rows().FillAll(rows, events, each)
}

// text panics with the damage it meets, as the segment's own reads do; read
// guards the query as a whole.
func (p *segPart) text(f annal.Field, row uint32) string {
	v, err := p.rows().Text(f, int(row))
	if err != nil {
		panic(err)
	}
	return v
}

func (p *segPart) rows() *segment.Reader {
	if p.reader == nil {
		p.reader = p.seg.NewReader()
	}
	return p.reader
}

func (p *segPart) number(f annal.Field, row uint32) int64 {
	if f == annal.Status {
		return int64(p.seg.Status(int(row)))
	}
	return int64(p.column(f).At(row))
}

func (p *segPart) resolve(field annal.Field, f *annal.Filter) (codeSet, bool) {
	d := p.seg.Dict(field)
	if d == nil {
		return codeSet{}, false
	}
	var codes []uint32
	for _, v := range f.Values {
		if !f.Prefix {
			if c, ok := d.Find(v); ok {
				codes = append(codes, c)
			}
			continue
		}
		lo, hi := d.Range(v)
		for c := lo; c < hi; c++ {
			if annal.Under(d.At(c), v) {
				codes = append(codes, c)
			}
		}
	}
	return setOf(codes), true
}

// A rowRange is rows of one tenant within a query's times.
type rowRange struct {
	lo, hi int
	tenant segment.TenantRange
}

// whole says that the range is all the tenant has in the segment.
func (r *rowRange) whole() bool { return r.lo == r.tenant.Lo && r.hi == r.tenant.Hi }

// ranges lists the rows of x within p's tenants and times, tenant by tenant.
func (x *sealed) ranges(p *plan) []rowRange {
	tenants := x.Tenants
	if p.tenants != nil {
		tenants = func() []segment.TenantRange { return x.asked(p) }
	}
	var out []rowRange
	for _, t := range tenants() {
		if t.MaxTime < p.minKey || t.MinTime > p.maxKey {
			continue
		}
		r := rowRange{t.Lo, t.Hi, t}
		if t.MinTime < p.minKey {
			r.lo = x.LowerTime(t.Lo, t.Hi, p.minKey)
		}
		if t.MaxTime > p.maxKey {
			r.hi = x.LowerTime(t.Lo, t.Hi, p.maxKey+1)
		}
		if r.lo < r.hi {
			out = append(out, r)
		}
	}
	return out
}

// asked lists all rows of p's tenants, whatever their times: those of all tenants
// together when p asks for all. Rows ascend.
func (x *sealed) asked(p *plan) []segment.TenantRange {
	if p.tenants == nil {
		return []segment.TenantRange{x.All()}
	}
	var out []segment.TenantRange
	for _, name := range p.tenants {
		if t, ok := x.Tenant(name); ok {
			out = append(out, t)
		}
	}
	return out
}

// runs returns the rows of x that may match p, as one run that opens into one
// for each tenant.
func (x *sealed) runs(p *plan) []*run {
	if x.MaxTime() < p.minKey || x.MinTime() > p.maxKey || x.First() >= p.below {
		return nil
	}
	r := &run{plan: p, key: bound(p, x.MinTime(), x.MaxTime())}
	r.open = func() ([]*run, error) { return x.open(p), nil }
	return []*run{r}
}

func (x *sealed) open(p *plan) []*run {
	p.store.touch(x)
	return x.openRanges(p, x.ranges(p))
}

// openRanges returns the runs of some ranges of x's rows.
func (x *sealed) openRanges(p *plan, ranges []rowRange) []*run {
	if len(ranges) == 0 {
		return nil
	}
	in := &segPart{seg: x}
	list, by, found := in.candidates(p)
	if found && list.Len() == 0 {
		return nil
	}
	tests, possible := p.tests(in, by)
	if !possible {
		return nil
	}
	out := make([]*run, 0, len(ranges))
	for _, g := range ranges {
		r := &run{plan: p, part: &segPart{seg: x}, tests: tests, lo: g.lo, hi: g.hi,
			key: bound(p, g.tenant.MinTime, g.tenant.MaxTime)}
		if found {
			r.list = list
			r.lo = sort.Search(list.Len(), func(i int) bool { return list.At(i) >= g.lo })
			r.hi = sort.Search(list.Len(), func(i int) bool { return list.At(i) >= g.hi })
			if r.lo == r.hi {
				continue
			}
		} else if len(tests) > 0 {
			r.skip = in.skipper(p, g)
		}
		out = append(out, r)
	}
	return out
}

// Rows found through an index are worth it when they are fewer than one in
// indexShare of the segment's.
const indexShare = 8

// candidates returns the rows that the most selective indexed filter or word
// finds, when that is a small part of the segment, and the filter that all of
// them fulfil, if it was one.
func (p *segPart) candidates(pl *plan) (list rowList, by *annal.Filter, found bool) {
	limit := p.seg.Rows()/indexShare + 1
	var best codeSet
	for i := range pl.where {
		f := &pl.where[i]
		if len(f.Fields) != 1 || f.Not || f.Fields[0] >= annal.NumTexts {
			continue
		}
		field := f.Fields[0]
		if list, ok := p.hashed(field, f); ok {
			return list, f, true
		}
		set, coded := p.resolve(field, f)
		if !coded || annal.Fields[field].Index == annal.ByScan {
			continue
		}
		if n := p.postingsOf(field, &set); n < limit {
			limit, best, by = n, set, f
		}
	}
	if by != nil {
		return p.collect(by.Fields[0], &best), by, true
	}
	for _, w := range pl.words {
		if pl.stop() {
			return rows(nil), nil, true
		}
		if list, ok := p.wordRows(pl.store, w, limit); ok {
			return list, nil, true
		}
	}
	return nil, nil, false
}

// hashed finds rows by fingerprint, in fields that are nearly unique.
func (p *segPart) hashed(field annal.Field, f *annal.Filter) (rowList, bool) {
	if annal.Fields[field].Index != annal.ByHash || p.seg.Dict(field) != nil || f.Prefix {
		return nil, false
	}
	var found []int
	for _, v := range f.Values {
		if v == "" {
			return nil, false
		}
		var err error
		if found, err = p.seg.Lookup(field, v, found); err != nil {
			panic(err)
		}
	}
	list := make(rows, len(found))
	for i, row := range found {
		list[i] = uint32(row)
	}
	return sortedRows(list), true
}

func (p *segPart) postingsOf(field annal.Field, set *codeSet) int {
	n := 0
	set.each(func(c uint32) { n += p.seg.CountOf(field, c) })
	return n
}

// collect lists the rows of all codes in set, ascending.
func (p *segPart) collect(field annal.Field, set *codeSet) rowList {
	if set.n == 1 {
		list := p.seg.Postings(field, set.lo)
		return &list
	}
	return sortedRows(p.appendPostings(nil, field, set))
}

// appendPostings appends the rows of all codes in set, code by code.
func (p *segPart) appendPostings(list rows, field annal.Field, set *codeSet) rows {
	set.each(func(c uint32) {
		post := p.seg.Postings(field, c)
		for i := range post.Len() {
			list = append(list, uint32(post.At(i)))
		}
	})
	return list
}

// sortedRows puts list in order, each row once.
func sortedRows(list rows) rows {
	slices.Sort(list)
	return slices.Compact(list)
}

// skipper passes over blocks in which no row can fulfil the filters.
func (p *segPart) skipper(pl *plan, g rowRange) func(row uint32) int {
	type zone struct {
		field annal.Field
		codes *segment.CodeSet
	}
	var zones []zone
	for i := range pl.where {
		f := &pl.where[i]
		if len(f.Fields) != 1 || f.Not {
			continue
		}
		if codes := p.zoneCodes(f.Fields[0], f); codes != nil {
			zones = append(zones, zone{f.Fields[0], codes})
		}
	}
	known := -1
	return func(row uint32) int {
		b := int(row) / segment.BlockRows
		if b == known {
			return 0
		}
		for _, z := range zones {
			if !p.seg.MayContain(z.field, b, z.codes) {
				if pl.oldest {
					return min((b+1)*segment.BlockRows, g.hi) - int(row)
				}
				return int(row) + 1 - max(b*segment.BlockRows, g.lo)
			}
		}
		known = b
		return 0
	}
}

// zoneCodes returns the codes that f asks for, in the segment's own form.
func (p *segPart) zoneCodes(field annal.Field, f *annal.Filter) *segment.CodeSet {
	if field >= annal.NumTexts {
		if field != annal.ResultOutcome && field != annal.SeverityLevel || f.Prefix {
			return nil
		}
		codes := segment.NewCodeSet(64)
		for _, v := range f.Values {
			if n, ok := numberOf(field, v); ok {
				codes.Add(uint32(n))
			}
		}
		return codes
	}
	set, coded := p.resolve(field, f)
	if !coded {
		return nil
	}
	codes := segment.NewCodeSet(p.seg.Dict(field).Len())
	set.each(codes.Add)
	return codes
}
