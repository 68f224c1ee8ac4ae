package store

import (
	"cmp"
	"slices"
	"strings"
	"unsafe"

	"annal"
	"annal/internal/fold"
	"annal/internal/segment"
)

// A word is one word of free text while a query looks for it.
type word struct {
	text   string // lower case
	finder *fold.Finder
	seen   [annal.NumTexts]int // values of the field's space looked at so far
	hits   [annal.NumTexts][]uint64
	any    [annal.NumTexts]bool // hits has a bit
}

// newWords returns the words of a text that say something: a word that another one
// contains is wherever that is. The longest, which most likely find least, come
// first.
func newWords(text string) (out []*word) {
	words := annal.Words(text)
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, w := range words {
		if !slices.ContainsFunc(out, func(longer *word) bool { return strings.Contains(longer.text, w) }) {
			out = append(out, &word{text: w, finder: fold.New(w)})
		}
	}
	return out
}

// look finds the codes of f's space, up to n, whose values contain the word. A
// value that many segments have is so looked at once.
func (w *word) look(f annal.Field, values []string) {
	if n := (len(values) + 63) / 64; n > len(w.hits[f]) {
		w.hits[f] = append(w.hits[f], make([]uint64, n-len(w.hits[f]))...)
	}
	for c := w.seen[f]; c < len(values); {
		all, end := adjacent(values, c)
		start := c
		w.finder.Each(all, end-start, func(i int) int { return offset(values, start, start+i+1) }, func(i int) {
			w.hits[f][(start+i)>>6] |= 1 << ((start + i) & 63)
			w.any[f] = true
		})
		c = end
	}
	w.seen[f] = len(values)
}

// adjacent returns the texts from values[c] on that stand one behind the other
// in memory, as an interner's mostly do, as one, and the first that does not.
func adjacent(values []string, c int) (all []byte, end int) {
	if values[c] == "" {
		return nil, c + 1
	}
	first := unsafe.StringData(values[c])
	size := len(values[c])
	for end = c + 1; end < len(values) && size < arenaBlock; end++ {
		next := unsafe.StringData(values[end])
		if uintptr(unsafe.Pointer(next)) != uintptr(unsafe.Pointer(first))+uintptr(size) {
			break
		}
		size += len(values[end])
	}
	return unsafe.Slice(first, size), end
}

// offset is how far behind values[from] the text before values[to] ends, in
// memory that adjacent found to be one piece.
func offset(values []string, from, to int) int {
	last := values[to-1]
	return int(uintptr(unsafe.Pointer(unsafe.StringData(last)))-uintptr(unsafe.Pointer(unsafe.StringData(values[from])))) + len(last)
}

// translated returns the part's codes whose values contain the word.
func (w *word) translated(f annal.Field, t translation) codeSet {
	if !w.any[f] {
		return codeSet{}
	}
	var codes []uint32
	for c, g := range t {
		if w.hits[f][g>>6]&(1<<(g&63)) != 0 {
			codes = append(codes, uint32(c))
		}
	}
	return setOf(codes)
}

// A wordMatch is where a part may have a word.
type wordMatch struct {
	fields []annal.Field // coded fields with it
	sets   []codeSet     // the codes, for each of fields
	plain  []annal.Field // fields without codes, to be searched
}

func (m *wordMatch) add(f annal.Field, set codeSet) {
	if set.n > 0 {
		m.fields, m.sets = append(m.fields, f), append(m.sets, set)
	}
}

// wordMatches remembers what was found for each word of a query in one part.
type wordMatches map[*word]*wordMatch

func (k *wordMatches) of(w *word, find func(*wordMatch)) *wordMatch {
	if *k == nil {
		*k = wordMatches{}
	}
	m := (*k)[w]
	if m == nil {
		m = new(wordMatch)
		find(m)
		(*k)[w] = m
	}
	return m
}

// coded reports whether a row has the word in a coded field.
func (m *wordMatch) coded(in part, row uint32) bool {
	for i, f := range m.fields {
		if m.sets[i].has(in.code(f, row)) {
			return true
		}
	}
	return false
}

// match finds where the segment may have w.
func (p *segPart) match(s *Store, w *word) *wordMatch {
	return p.matches.of(w, func(m *wordMatch) { p.findWord(s, w, m) })
}

func (p *segPart) findWord(s *Store, w *word, m *wordMatch) {
	for f := range annal.NumTexts {
		if !annal.Fields[f].Search {
			continue
		}
		d := p.seg.Dict(f)
		if d == nil {
			m.plain = append(m.plain, f)
			continue
		}
		if annal.Fields[f].Shared {
			if t, ok := s.translate(p.seg, f); ok {
				if values, ok := s.spaces[f].values(); ok {
					w.look(f, values)
					m.add(f, w.translated(f, t))
					continue
				}
			}
		}
		m.add(f, setOf(p.seg.Matching(f, w.finder, w.text, nil)))
		s.relieveAt(s.cfg.Now().UnixNano()) // one segment's values may be more than fits
	}
}

func (p *segPart) wordTest(s *Store, w *word) test {
	m := p.match(s, w)
	block, may := -1, false
	return func(row uint32) bool {
		if m.coded(p, row) {
			return true
		}
		if len(m.plain) == 0 {
			return false
		}
		if b := int(row) / segment.BlockRows; b != block {
			block, may = b, p.seg.MayHaveText(b, w.text)
		}
		if !may {
			return false
		}
		for _, f := range m.plain {
			if w.finder.In(p.text(f, row)) {
				return true
			}
		}
		return false
	}
}

// wordRows lists the rows that have w, unless they are more than limit.
func (p *segPart) wordRows(s *Store, w *word, limit int) (list rows, ok bool) {
	m := p.match(s, w)
	n := 0
	for i, f := range m.fields {
		if p.seg.HasPostings(f) {
			n += p.postingsOf(f, &m.sets[i])
		}
	}
	if n > limit {
		return nil, false
	}
	for i, f := range m.fields {
		if p.seg.HasPostings(f) {
			list = p.appendPostings(list, f, &m.sets[i])
		} else {
			list = p.appendCoded(list, f, &m.sets[i], limit)
		}
		if len(list) > limit {
			return nil, false
		}
	}
	for b := 0; len(m.plain) > 0 && b < p.seg.Blocks(); b++ {
		if !p.seg.MayHaveText(b, w.text) {
			continue
		}
		for _, f := range m.plain {
			texts, err := p.rows().TextBlock(f, b)
			if err != nil {
				panic(err) // read guards the query
			}
			list = texts.Matching(w.finder, list)
		}
		if len(list) > limit {
			return nil, false
		}
	}
	return sortedRows(list), true
}

// appendCoded appends the rows whose code of f is in set, of a field without
// postings; it gives up beyond limit.
func (p *segPart) appendCoded(list rows, f annal.Field, set *codeSet, limit int) rows {
	zone := segment.NewCodeSet(p.seg.Dict(f).Len())
	set.each(zone.Add)
	var codes []uint32
	for b := 0; b < p.seg.Blocks() && len(list) <= limit; b++ {
		if !p.seg.MayContain(f, b, zone) {
			continue
		}
		lo := b * segment.BlockRows
		codes = p.seg.Codes(f, lo, min(lo+segment.BlockRows, p.seg.Rows()), codes[:0])
		for i, c := range codes {
			if set.has(c) {
				list = append(list, uint32(lo+i))
			}
		}
	}
	return list
}

// match finds where the memtable may have w.
func (p *memPart) match(s *Store, w *word) *wordMatch {
	return p.matches.of(w, func(m *wordMatch) { p.findWord(s, w, m) })
}

func (p *memPart) findWord(s *Store, w *word, m *wordMatch) {
	for f := range annal.NumTexts {
		if !annal.Fields[f].Search {
			continue
		}
		if !annal.Fields[f].Shared {
			m.plain = append(m.plain, f)
			continue
		}
		if t, ok := s.translateMem(p.memView, f); ok {
			if values, ok := s.spaces[f].values(); ok {
				w.look(f, values)
				m.add(f, w.translated(f, t))
				continue
			}
		}
		var codes []uint32
		for c, v := range p.cols.Text[f].Values {
			if w.finder.In(v) {
				codes = append(codes, uint32(c))
			}
		}
		m.add(f, setOf(codes))
	}
}

func (p *memPart) wordTest(s *Store, w *word) test {
	m := p.match(s, w)
	return func(row uint32) bool {
		if m.coded(p, row) {
			return true
		}
		for _, f := range m.plain {
			if w.finder.In(p.text(f, row)) {
				return true
			}
		}
		return false
	}
}

// wordUnit is how many rows of a memtable are looked through for a word before it
// is asked whether it has too many.
const wordUnit = 8 << 10

// wordRows lists the rows that have w, unless they are more than limit.
func (p *memPart) wordRows(s *Store, w *word, limit int) (list rows, ok bool) {
	m := p.match(s, w)
	for i, f := range m.fields {
		codes := p.cols.Text[f].Codes
		if codes == nil {
			continue // absent in every row, and no word is in the absent text
		}
		for row, c := range codes[:p.cols.N] {
			if m.sets[i].has(c) {
				list = append(list, uint32(row))
			}
		}
		if len(list) > limit {
			return nil, false
		}
	}
	for _, f := range m.plain {
		t := &p.cols.Text[f]
		if t.Off == nil {
			continue
		}
		for from := 0; from < p.cols.N; from += wordUnit {
			to := min(from+wordUnit, p.cols.N)
			start := t.Off[from]
			end := func(i int) int { return int(t.Off[from+i+1] - start) }
			w.finder.Each(t.Bytes[start:t.Off[to]], to-from, end, func(i int) { list = append(list, uint32(from+i)) })
			if len(list) > limit {
				return nil, false
			}
		}
	}
	return sortedRows(list), true
}
