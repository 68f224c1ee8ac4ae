package store

import (
	"cmp"
	"slices"
	"time"

	"annal"
	"annal/internal/segment"
)

// memPart is a memtable as queries see it.
type memPart struct {
	*memView
	tenants  codeSet // of the plan, when it names any
	matches  wordMatches
	prefixes map[*annal.Filter]codeSet // what was found for each filter by prefix
}

func (p *memPart) before(position uint64) bool           { return p.cols.Base+uint64(p.cols.N) <= position }
func (p *memPart) text(f annal.Field, row uint32) string { return p.memView.text(f, int(row)) }
func (p *memPart) key(row uint32) int64                  { return p.cols.Time[row] }
func (p *memPart) time(row uint32) time.Time             { return p.timeOf(int(row)) }
func (p *memPart) position(row uint32) uint64            { return p.memView.position(int(row)) }

func (p *memPart) read(row uint32, e *annal.Event) {
	p.memView.read(int(row), e)
	e.Salt = [segment.SaltBytes]byte{} // as from segments
}

func (p *memPart) readAll(rows []uint32, events []*annal.Event, each func(int)) {
	for i, row := range rows {
		p.read(row, events[i])
		each(i)
	}
}

func (p *memPart) keys(rows []uint32, dst []int64) []int64 {
	for _, row := range rows {
		dst = append(dst, p.key(row))
	}
	return dst
}

func (p *memPart) number(f annal.Field, row uint32) int64 {
	switch f {
	case annal.ResultOutcome:
		return int64(p.cols.Outcome[row])
	case annal.SeverityLevel:
		return int64(p.cols.Severity[row])
	case annal.Status:
		return int64(p.cols.Status[row])
	}
	return p.cols.Duration[row]
}

func (p *memPart) resolve(field annal.Field, f *annal.Filter) (codeSet, bool) {
	if !annal.Fields[field].Shared {
		return codeSet{}, false
	}
	if f.Prefix {
		return p.under(field, f), true
	}
	var codes []uint32
	for _, v := range f.Values {
		if c, ok := p.find(field, v); ok {
			codes = append(codes, c)
		}
	}
	return setOf(codes), true
}

// under finds the codes of a filter by prefix, which looks at every value, once.
func (p *memPart) under(field annal.Field, f *annal.Filter) codeSet {
	if set, known := p.prefixes[f]; known && len(f.Fields) == 1 {
		return set
	}
	var codes []uint32
	for c, v := range p.cols.Text[field].Values {
		if holds(v, f) {
			codes = append(codes, uint32(c))
		}
	}
	if p.prefixes == nil {
		p.prefixes = map[*annal.Filter]codeSet{}
	}
	p.prefixes[f] = setOf(codes)
	return p.prefixes[f]
}

// runs returns the rows that may match p, as one run that opens into the chunks
// of the memtable.
func (m *memtable) runs(p *plan) []*run {
	v := m.view()
	if v.cols.N == 0 || v.maxKey < p.minKey || v.minKey > p.maxKey || v.cols.Base >= p.below {
		return nil
	}
	in := &memPart{memView: v}
	tests, possible := p.tests(in, nil)
	if !possible {
		return nil
	}
	if p.tenants != nil {
		if in.tenants, _ = in.resolve(annal.Tenant, &annal.Filter{Values: p.tenants}); in.tenants.n == 0 {
			return nil
		}
		// When the memtable has one tenant, every row is the tenant's.
		if len(v.cols.Text[annal.Tenant].Values) > 2 {
			tests = append([]test{in.tenantTest()}, tests...)
		}
	}
	r := &run{plan: p, part: in, tests: tests, key: bound(p, v.minKey, v.maxKey)}
	r.open = func() ([]*run, error) { return in.open(p, tests), nil }
	return []*run{r}
}

// tenantTest tests for the plan's tenants, of which there often is one.
func (p *memPart) tenantTest() test {
	codes, only := p.cols.Text[annal.Tenant].Codes, p.tenants.lo
	if p.tenants.n > 1 || codes == nil {
		return func(row uint32) bool { return p.tenants.has(p.code(annal.Tenant, row)) }
	}
	return func(row uint32) bool { return codes[row] == only }
}

// bound is the best key in the order of p among those from lo to hi.
func bound(p *plan, lo, hi int64) int64 {
	if p.oldest {
		return max(lo, p.minKey)
	}
	return min(hi, p.maxKey)
}

// open returns the runs of the view's chunks, or one run of the rows that a
// selective filter finds.
func (p *memPart) open(pl *plan, tests []test) []*run {
	if few, ok := p.candidates(pl); ok {
		return []*run{p.listRun(pl, tests, few)}
	}
	var out []*run
	for i := range len(p.chunks) + 1 {
		ch := &p.tail
		if i < len(p.chunks) {
			ch = &p.chunks[i]
		}
		if len(ch.order) == 0 || ch.max < pl.minKey || ch.min > pl.maxKey {
			continue
		}
		r := &run{plan: pl, part: p, tests: tests, list: rows(ch.order), hi: len(ch.order), key: bound(pl, ch.min, ch.max)}
		if ch.min < pl.minKey || ch.max > pl.maxKey {
			r.narrow()
		}
		out = append(out, r)
	}
	return out
}

// listRun sorts list, which it keeps, and runs over it.
func (p *memPart) listRun(pl *plan, tests []test, list rows) *run {
	keys := p.cols.Time
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(a, b)) })
	r := &run{plan: pl, part: p, tests: tests, list: list, hi: len(list), key: bound(pl, p.minKey, p.maxKey)}
	r.narrow()
	return r
}

// selective is how many rows of a memtable a filter may find so that collecting
// and sorting them is cheaper than walking the chunks.
const selective = 16 << 10

// candidates collects the rows of a filter that finds few, if there is one.
func (p *memPart) candidates(pl *plan) (rows, bool) {
	for i := range pl.where {
		f := &pl.where[i]
		if len(f.Fields) != 1 || f.Not || f.Fields[0] >= annal.NumTexts {
			continue
		}
		switch field := f.Fields[0]; annal.Fields[field].Index {
		case annal.ByHash:
			if list, ok := p.hashed(field, f); ok {
				return list, true
			}
		case annal.ByPostings:
			if list, ok := p.coded(field, f); ok {
				return list, true
			}
		}
	}
	for _, w := range pl.words {
		if pl.stop() {
			return nil, true
		}
		if list, ok := p.wordRows(pl.store, w, selective); ok {
			return list, true
		}
	}
	return nil, false
}

// coded lists the rows whose value of field fulfils f, unless they are many.
func (p *memPart) coded(field annal.Field, f *annal.Filter) (out rows, ok bool) {
	set, _ := p.resolve(field, f)
	if p.cols.Text[field].Codes == nil && set.has(0) || p.uses(field, &set) > selective {
		return nil, false
	}
	set.each(func(code uint32) {
		p.chained(field, code, func(row int) { out = append(out, uint32(row)) })
	})
	return out, true
}

// hashed lists the rows that have one of f's values in field.
func (p *memPart) hashed(field annal.Field, f *annal.Filter) (out rows, ok bool) {
	for _, v := range f.Values {
		if v == "" || f.Prefix {
			return nil, false
		}
		p.linked(field, v, func(row int) {
			if p.memView.text(field, row) == v {
				out = append(out, uint32(row))
			}
		})
	}
	return sortedRows(out), true
}
