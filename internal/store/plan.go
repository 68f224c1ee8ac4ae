package store

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"annal"
)

// A plan is a query in the form that parts of the log are asked in.
type plan struct {
	store   *Store
	turn    *turn           // of who asks; nil: it needs none
	ctx     context.Context // of who asks; nil: they wait
	ended   error           // of ctx, once something was left out because of it
	tenants []string        // each once, by name; nil: all
	minKey  int64           // minKey ≤ time key ≤ maxKey
	maxKey  int64
	below   uint64 // only positions below
	where   []annal.Filter
	words   []*word
	oldest  bool
	after   *annal.Mark

	far          bool // a bound lies where keys end: rows there are compared by their exact time
	since, until time.Time
}

func isFar(key int64) bool { return key == math.MinInt64 || key == math.MaxInt64 }

// farTest compares the exact times of the rows whose keys do not tell.
func (p *plan) farTest(in part) test {
	return func(row uint32) bool {
		if !isFar(in.key(row)) {
			return true
		}
		t := in.time(row)
		return (p.since.IsZero() || !t.Before(p.since)) && (p.until.IsZero() || t.Before(p.until))
	}
}

// plan prepares q for a log that ends at end.
func (s *Store) plan(q *annal.Query, end uint64) *plan {
	p := &plan{store: s, tenants: sortedSet(q.Tenants), minKey: math.MinInt64, maxKey: math.MaxInt64, below: end,
		where: q.Where, words: newWords(q.Text), oldest: q.Oldest, after: q.After}
	if q.Below != 0 {
		p.below = min(end, q.Below)
	}
	if !q.Since.IsZero() {
		p.minKey = annal.TimeKey(q.Since)
		p.far = p.far || isFar(p.minKey)
	}
	if !q.Until.IsZero() {
		p.maxKey = annal.TimeKey(q.Until)
		if isFar(p.maxKey) {
			p.far = true
		} else {
			p.maxKey--
		}
	}
	p.since, p.until = q.Since, q.Until
	if p.after != nil && p.oldest {
		p.minKey = max(p.minKey, p.after.Time)
	} else if p.after != nil {
		p.maxKey = min(p.maxKey, p.after.Time)
	}
	return p
}

// sortedSet returns the names in order, each once; nil when there is no list.
func sortedSet(names []string) []string {
	if len(names) < 2 {
		return names
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// empty says that no event can match.
func (p *plan) empty() bool {
	return p.minKey > p.maxKey || p.tenants != nil && len(p.tenants) == 0 || p.below == 0
}

// plain says that time, tenant and snapshot are the only conditions.
func (p *plan) plain() bool {
	return len(p.where) == 0 && len(p.words) == 0 && p.after == nil && !p.far
}

// passed says that the event that r is at lies at or before the mark that the
// query goes on behind.
func (p *plan) passed(r *run) bool {
	if p.after == nil || r.key != p.after.Time {
		return false
	}
	if p.oldest {
		return r.place() <= p.after.Position
	}
	return r.place() >= p.after.Position
}

// A part is one place that holds events, a segment or a memtable, column by
// column.
type part interface {
	code(f annal.Field, row uint32) uint32 // where resolve gave codes
	text(f annal.Field, row uint32) string
	number(f annal.Field, row uint32) int64
	key(row uint32) int64
	keys(rows []uint32, dst []int64) []int64 // appends the keys of all rows
	time(row uint32) time.Time               // exact, also where key is at an end
	position(row uint32) uint64
	read(row uint32, e *annal.Event)
	// readAll reads several rows; the texts of events[i] hold while each(i) runs.
	readAll(rows []uint32, events []*annal.Event, each func(i int))
	before(position uint64) bool // every row is at a lower position

	// resolve finds the codes of the values that f fulfils in field; coded is
	// false when the part keeps that field as plain texts.
	resolve(field annal.Field, f *annal.Filter) (set codeSet, coded bool)
	// wordTest tests for a word in the fields that free text looks at.
	wordTest(s *Store, w *word) test
}

// A test says whether a row fulfils a condition.
type test func(row uint32) bool

// tests makes the tests of p's filters and words for one part, but for the filter
// that is known to be fulfilled; none means that every row matches. It reports
// false when no row can.
func (p *plan) tests(in part, known *annal.Filter) ([]test, bool) {
	var out []test
	for i := range p.where {
		if &p.where[i] == known {
			continue
		}
		t, possible := filterTest(in, &p.where[i])
		if !possible {
			return nil, false
		}
		if t != nil {
			out = append(out, t)
		}
	}
	if p.far {
		out = append(out, p.farTest(in))
	}
	for _, w := range p.words {
		if p.stop() {
			return nil, false
		}
		out = append(out, in.wordTest(p.store, w))
	}
	return out, true
}

// stop reports whether the context has ended. Then the answer is its error,
// whatever else becomes of it.
func (p *plan) stop() bool {
	if p.ctx != nil && p.ended == nil {
		p.ended = p.ctx.Err()
	}
	return p.ended != nil
}

// filterTest makes the test of one filter. No test means that every row
// fulfils it.
func filterTest(in part, f *annal.Filter) (t test, possible bool) {
	var any []test
	for _, field := range f.Fields {
		if t := fieldTest(in, field, f); t != nil {
			any = append(any, t)
		}
	}
	switch {
	case len(any) == 0:
		return nil, f.Not
	case len(any) == 1:
		t = any[0]
	default:
		t = func(row uint32) bool {
			for _, t := range any {
				if t(row) {
					return true
				}
			}
			return false
		}
	}
	if f.Not {
		is := t
		return func(row uint32) bool { return !is(row) }, true
	}
	return t, true
}

// fieldTest tests one field, Not aside; nil when no row can fulfil it.
func fieldTest(in part, field annal.Field, f *annal.Filter) test {
	if field >= annal.NumTexts {
		return numberTest(in, field, f)
	}
	set, coded := in.resolve(field, f)
	switch {
	case !coded:
		return textTest(in, field, f)
	case set.n == 0:
		return nil
	case set.n == 1:
		only := set.lo
		return func(row uint32) bool { return in.code(field, row) == only }
	case set.bits == nil:
		lo, width := set.lo, set.hi-set.lo
		return func(row uint32) bool { return in.code(field, row)-lo < width }
	}
	return func(row uint32) bool { return set.has(in.code(field, row)) }
}

func textTest(in part, field annal.Field, f *annal.Filter) test {
	return func(row uint32) bool { return holds(in.text(field, row), f) }
}

// holds reports whether text v fulfils f, Not aside.
func holds(v string, f *annal.Filter) bool {
	for _, want := range f.Values {
		if v == want || f.Prefix && annal.Under(v, want) {
			return true
		}
	}
	return false
}

func numberTest(in part, field annal.Field, f *annal.Filter) test {
	if f.Prefix || field == annal.Duration && slices.ContainsFunc(f.Values, rounded) {
		return func(row uint32) bool { return holds(numberText(field, in.number(field, row)), f) }
	}
	var want []int64
	for _, v := range f.Values {
		if n, ok := numberOf(field, v); ok {
			want = append(want, n)
		}
	}
	switch len(want) {
	case 0:
		return nil
	case 1:
		only := want[0]
		return func(row uint32) bool { return in.number(field, row) == only }
	}
	return func(row uint32) bool {
		n := in.number(field, row)
		for _, w := range want {
			if n == w {
				return true
			}
		}
		return false
	}
}

// rounded reports whether a duration in milliseconds is so long that its text is
// rounded, and stands for no single number of nanoseconds.
func rounded(v string) bool {
	ms, err := strconv.ParseFloat(v, 64)
	return err == nil && ms >= 1e9
}

// numberOf is the number that a field's text stands for; only the very text
// that annal shows counts.
func numberOf(field annal.Field, v string) (int64, bool) {
	var n int64
	switch field {
	case annal.ResultOutcome:
		o, ok := annal.ParseOutcome(v)
		return int64(o), ok
	case annal.SeverityLevel:
		s, ok := annal.ParseSeverity(v)
		return int64(s), ok
	case annal.Status:
		i, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return 0, false
		}
		n = i
	case annal.Duration:
		ms, err := strconv.ParseFloat(v, 64)
		if err != nil || ms < 0 || ms > annal.Milliseconds(annal.MaxDuration) {
			return 0, false
		}
		n = int64(math.Round(ms * 1e6))
	}
	return n, numberText(field, n) == v
}

func numberText(field annal.Field, n int64) string {
	switch field {
	case annal.ResultOutcome:
		return annal.Outcome(n).String()
	case annal.SeverityLevel:
		return annal.Severity(n).String()
	case annal.Status:
		return strconv.FormatInt(n, 10)
	}
	return string(annal.AppendNumber(nil, float64(n)/1e6))
}

// A codeSet is a set of dictionary codes: the n codes from lo to hi, or those
// among them with a bit.
type codeSet struct {
	lo, hi uint32 // lo ≤ code < hi
	bits   []uint64
	n      int
}

func (s *codeSet) has(c uint32) bool {
	if c < s.lo || c >= s.hi {
		return false
	}
	return s.bits == nil || s.bits[(c-s.lo)>>6]&(1<<((c-s.lo)&63)) != 0
}

// setOf makes a codeSet of codes in any order.
func setOf(codes []uint32) codeSet {
	if len(codes) == 0 {
		return codeSet{}
	}
	s := codeSet{lo: codes[0], hi: codes[0] + 1}
	for _, c := range codes {
		s.lo, s.hi = min(s.lo, c), max(s.hi, c+1)
	}
	bits := make([]uint64, (s.hi-s.lo+63)/64)
	for _, c := range codes {
		i := c - s.lo
		if bits[i>>6]&(1<<(i&63)) == 0 {
			bits[i>>6] |= 1 << (i & 63)
			s.n++
		}
	}
	if s.n != int(s.hi-s.lo) {
		s.bits = bits
	}
	return s
}

// each calls fn with every code of s, ascending.
func (s *codeSet) each(fn func(c uint32)) {
	for c := s.lo; c < s.hi; c++ {
		if s.bits == nil || s.has(c) {
			fn(c)
		}
	}
}

// A watch stops a query when its context ends. Asking the context at every row
// would cost more than the row.
type watch struct {
	ctx   context.Context
	store *Store
	turn  *turn // nil: it needs none
	count int
}

// watch returns a watch over what p does for ctx.
func (p *plan) watch(ctx context.Context) *watch {
	return &watch{ctx: ctx, store: p.store, turn: p.turn}
}

// rowsPerLook is how many rows a query handles between looks at its context.
const rowsPerLook = 1 << 15

// add counts n rows and returns the context's error once it has ended. On the
// same occasions it gives back what the query made resident, and lets others work.
func (w *watch) add(n int) error {
	if w.count += n; w.count < rowsPerLook {
		return nil
	}
	w.count = 0
	w.store.relieve()
	return w.turn.pass(w.ctx)
}
