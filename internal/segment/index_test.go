package segment

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"annal"
)

// naive maps each value of a field to its rows.
func naive(rows []annal.Event, f annal.Field) map[string][]int {
	at := map[string][]int{}
	for row := range rows {
		v := *rows[row].Text(f)
		at[v] = append(at[v], row)
	}
	return at
}

func TestLookupsAnswerAsNaiveOnes(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		rows := m.sorted()
		for f := range annal.NumTexts {
			asked := 0
			for v, want := range naive(rows, f) {
				fast := s.HasPostings(f) || annal.Fields[f].Index == annal.ByHash && v != ""
				if asked++; asked > 300 || !fast && asked > 5 {
					continue
				}
				got, err := s.Lookup(f, v, nil)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("Lookup(%s, %.40q) = %v, %v, want %v", f, v, got, err, want)
				}
				if v != "" || !searched(f) { // absent free text is not listed
					checkCode(t, s, f, v, want)
				}
			}
			if got, err := s.Lookup(f, "nobody has this", nil); err != nil || len(got) > 0 {
				t.Fatalf("Lookup(%s) of an unknown value = %v, %v", f, got, err)
			}
		}
	})
}

// checkCode asks everything that there is to ask about one value.
func checkCode(t *testing.T, s *Segment, f annal.Field, v string, want []int) {
	t.Helper()
	d := s.Dict(f)
	if d == nil {
		return
	}
	code, ok := d.Find(v)
	if !ok || d.At(code) != v {
		t.Fatalf("%s: Find(%.40q) = %d, %v", f, v, code, ok)
	}
	set := NewCodeSet(d.Len())
	set.Add(code)
	for b := range s.Blocks() {
		i, _ := slices.BinarySearch(want, b*BlockRows)
		if i < len(want) && want[i] < (b+1)*BlockRows && !s.MayContain(f, b, set) {
			t.Fatalf("%s: block %d may not contain %.40q", f, b, v)
		}
	}
	if !s.HasPostings(f) {
		return
	}
	r := s.Postings(f, code)
	if r.Len() != len(want) || s.CountOf(f, code) != len(want) {
		t.Fatalf("%s: %d postings of %.40q, want %d", f, r.Len(), v, len(want))
	}
	for _, row := range []int{0, want[0], want[len(want)/2], want[len(want)-1] + 1} {
		if i, _ := slices.BinarySearch(want, row); r.Search(row) != i {
			t.Fatalf("%s: Search(%d) = %d, want %d", f, row, r.Search(row), i)
		}
	}
}

func TestColumnsOfRows(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		rows := m.sorted()
		rng := rand.New(rand.NewPCG(5, 6))
		for range 20 {
			lo := rng.IntN(len(rows))
			hi := lo + rng.IntN(len(rows)-lo) + 1
			checkRange(t, s, rows, lo, hi)
		}
		checkRange(t, s, rows, 0, len(rows))
	})
}

func checkRange(t *testing.T, s *Segment, rows []annal.Event, lo, hi int) {
	t.Helper()
	times, positions, durations := s.Times(lo, hi, nil), s.Positions(lo, hi, nil), s.Durations(lo, hi, nil)
	outcomes, severities, statuses := s.Outcomes(lo, hi, nil), s.Severities(lo, hi, nil), s.Statuses(lo, hi, nil)
	for i := range hi - lo {
		e := &rows[lo+i]
		if times[i] != annal.TimeKey(e.Time) || uint64(positions[i]) != e.Position || durations[i] != int64(e.Request.Duration) ||
			outcomes[i] != uint8(e.Outcome) || severities[i] != uint8(e.Severity) || statuses[i] != e.Request.Status {
			t.Fatalf("row %d of %d to %d: other numbers", lo+i, lo, hi)
		}
		if s.Outcome(lo+i) != e.Outcome || s.Severity(lo+i) != e.Severity || s.Status(lo+i) != e.Request.Status || s.Duration(lo+i) != e.Request.Duration {
			t.Fatalf("row %d: other numbers one by one", lo+i)
		}
	}
	for f := range annal.NumTexts {
		d := s.Dict(f)
		if d == nil {
			continue
		}
		for i, c := range s.Codes(f, lo, hi, nil) {
			if want := *rows[lo+i].Text(f); d.At(c) != want || s.Code(f, lo+i) != c {
				t.Fatalf("row %d: %s has codes %d, %d: %.40q, want %.40q", lo+i, f, c, s.Code(f, lo+i), d.At(c), want)
			}
		}
	}
}

func TestTenantsAndCounts(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		rows := m.sorted()
		next := 0
		for _, tr := range s.Tenants() {
			if tr.Lo != next || tr.Events != uint64(tr.Hi-tr.Lo) || tr.Hi <= tr.Lo {
				t.Fatalf("tenant %q has rows %d to %d, want them from %d", tr.Tenant, tr.Lo, tr.Hi, next)
			}
			next = tr.Hi
			if got, ok := s.Tenant(tr.Tenant); !ok || got != tr {
				t.Fatalf("Tenant(%q) = %+v, %v, want %+v", tr.Tenant, got, ok, tr)
			}
			checkTenant(t, s, rows[tr.Lo:tr.Hi], tr)
		}
		if next != len(rows) {
			t.Fatalf("tenants cover %d rows of %d", next, len(rows))
		}
		if _, ok := s.Tenant("nobody"); ok {
			t.Fatal("an unknown tenant has rows")
		}
		all := s.All()
		if all.Lo != 0 || all.Hi != len(rows) || all.Events != uint64(len(rows)) || all.MinTime != s.MinTime() || all.MaxTime != s.MaxTime() {
			t.Fatalf("All() = %+v of %d rows", all, len(rows))
		}
		for _, e := range rows {
			all.Outcomes[e.Outcome]--
		}
		if all.Outcomes != [annal.NumOutcomes]uint64{} {
			t.Fatalf("All() counts outcomes wrong, by %v", all.Outcomes)
		}
		checkCounts(t, s, rows, s.All())
	})
}

func checkTenant(t *testing.T, s *Segment, rows []annal.Event, tr TenantRange) {
	t.Helper()
	want := TenantRange{
		Tenant: tr.Tenant, Code: tr.Code, Lo: tr.Lo, Hi: tr.Hi, FirstSeq: rows[0].Seq, Events: uint64(len(rows)),
		MinTime: annal.TimeKey(rows[0].Time), MaxTime: annal.TimeKey(rows[len(rows)-1].Time),
	}
	for i := range rows {
		want.FirstSeq = min(want.FirstSeq, rows[i].Seq)
		want.Outcomes[rows[i].Outcome]++
		if rows[i].Tenant != tr.Tenant {
			t.Fatalf("a row of %q lies among those of %q", rows[i].Tenant, tr.Tenant)
		}
	}
	if tr != want {
		t.Fatalf("tenant %+v, want %+v", tr, want)
	}
	for k, e := range rows {
		if k%97 == 0 {
			key := annal.TimeKey(e.Time)
			i := 0
			for i < len(rows) && annal.TimeKey(rows[i].Time) < key {
				i++
			}
			if got := s.LowerTime(tr.Lo, tr.Hi, key); got != tr.Lo+i {
				t.Fatalf("LowerTime(%d) = %d, want %d", key, got, tr.Lo+i)
			}
		}
	}
	checkCounts(t, s, rows, tr)
}

// checkCounts compares the counts of a tenant, or of all, with its rows.
func checkCounts(t *testing.T, s *Segment, rows []annal.Event, tr TenantRange) {
	t.Helper()
	for _, f := range []annal.Field{annal.Action, annal.ActorID, annal.ResourcePath} {
		n, failed := map[string]uint64{}, map[string]uint64{}
		for i := range rows {
			n[*rows[i].Text(f)]++
			if rows[i].Outcome != annal.Success {
				failed[*rows[i].Text(f)]++
			}
		}
		added := map[uint32][2]uint64{}
		s.AddCounts(f, tr, func(codes, n, failed []uint32) {
			for i, c := range codes {
				added[c] = [2]uint64{added[c][0] + uint64(n[i]), added[c][1] + uint64(failed[i])}
			}
		})
		last := -1
		counts := s.Counts(f, tr)
		for codes, rows, lost := counts.Next(); len(codes) > 0; codes, rows, lost = counts.Next() {
			for i, c := range codes {
				v, got := s.Dict(f).At(c), [2]uint64{uint64(rows[i]), uint64(lost[i])}
				if int(c) <= last || got != [2]uint64{n[v], failed[v]} || got[0] == 0 || added[c] != got {
					t.Fatalf("%s of %q: %.40q counted %v, added up to %v, want %d, %d failed", f, tr.Tenant, v, got, added[c], n[v], failed[v])
				}
				last = int(c)
				delete(n, v)
				delete(added, c)
			}
		}
		for c := 0; c < s.Dict(f).Len(); c += 59 {
			var want [2]uint64
			for i := range rows {
				if *rows[i].Text(f) == s.Dict(f).At(uint32(c)) {
					want[0]++
					want[1] += uint64(flag(rows[i].Outcome != annal.Success))
				}
			}
			if n, lost := counts.Of(uint32(c)); [2]uint64{n, lost} != want {
				t.Fatalf("%s of %q: code %d counts %d, %d failed, want %v", f, tr.Tenant, c, n, lost, want)
			}
		}
		if len(n)+len(added) > 0 {
			t.Fatalf("%s of %q: %d values are not counted, %d too many are", f, tr.Tenant, len(n), len(added))
		}
	}
}

func TestTextIsNeverMissed(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		r := s.NewReader()
		for _, f := range []annal.Field{annal.Message, annal.Extra, annal.RequestID} {
			if s.Dict(f) != nil {
				continue
			}
			rows := m.sorted()
			for b := range s.Blocks() {
				texts, err := r.TextBlock(f, b)
				if err != nil {
					t.Fatal(err)
				}
				for i := range len(texts.Off) - 1 {
					v := *rows[texts.Row+i].Text(f)
					if got := string(texts.Bytes[texts.Off[i]:texts.Off[i+1]]); got != v {
						t.Fatalf("block %d, text %d of %s = %.40q, want %.40q", b, i, f, got, v)
					}
					if lower := strings.ToLower(v); annal.Fields[f].Search && i%7 == 0 && !s.MayHaveText(b, lower[len(lower)/3:]) {
						t.Fatalf("block %d may not have %.40q", b, lower[len(lower)/3:])
					}
				}
				if len(texts.Off)-1 != s.rowsOf(b) {
					t.Fatalf("block %d has %d texts, want %d", b, len(texts.Off)-1, s.rowsOf(b))
				}
			}
		}
	})
}

func TestPrefixIsARangeOfCodes(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		d := s.Dict(annal.ResourcePath)
		for _, prefix := range []string{"", "r", "resource.path/1", "resource.path", "\xff", "\xff\xff", "zzz"} {
			lo, hi := d.Range(prefix)
			for c := range uint32(d.Len()) {
				if in, want := lo <= c && c < hi, strings.HasPrefix(d.At(c), prefix); in != want {
					t.Fatalf("Range(%q) = %d, %d: %.40q is in it: %v, want %v", prefix, lo, hi, d.At(c), in, want)
				}
			}
		}
	})
}

func TestCodeSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 300 {
		size := 1 + rng.IntN(300)
		set, has := NewCodeSet(size), make([]bool, size)
		for range rng.IntN(4) {
			c := rng.IntN(size)
			set.Add(uint32(c))
			has[c] = true
		}
		n := 0
		for c, want := range has {
			if set.Has(uint32(c)) != want {
				t.Fatalf("Has(%d) = %v", c, !want)
			}
			n += int(flag(want))
		}
		lo := rng.IntN(size)
		hi := lo + rng.IntN(size-lo)
		if got, want := set.anyIn(uint32(lo), uint32(hi)), slices.Contains(has[lo:hi+1], true); got != want || set.Len() != n {
			t.Fatalf("anyIn(%d, %d) = %v, Len %d, want %v, %d", lo, hi, got, set.Len(), want, n)
		}
	}
}

// TestCollisionsCannotBeChosen fills a segment with texts that share a bucket when
// they are hashed without its seed.
func TestCollisionsCannotBeChosen(t *testing.T) {
	const rows = 2048
	c := auditColumns(rows, 1)
	column := TextColumn{Off: []uint32{0}}
	shift := bucketBits(rows)
	for i, chosen := 0, 0; chosen < rows; i++ {
		if s := "id-" + strconv.Itoa(i); xxh3.HashString(s)>>(64-shift) == 0 {
			column.Bytes = append(column.Bytes, s...)
			column.Off = append(column.Off, uint32(len(column.Bytes)))
			chosen++
		}
	}
	c.Text[annal.RequestID] = column
	_, s := builtOf(t, c)
	b := s.idx.bytes(s.idxSec[kindHash][annal.RequestID])
	starts := vecAt(b, 8)
	most := uint64(0)
	for i := range 1 << shift {
		most = max(most, starts.at(i+1)-starts.at(i))
	}
	if limit := uint64(4 << bucketShift); most > limit {
		t.Errorf("one bucket has %d of %d rows, want at most %d", most, rows, limit)
	}
}

// TestDictionariesCannotBeTakenAway repeats texts that share a slot when they are
// hashed without the segment's seed: so many that looking for them would take more
// probes than a column may, which then had no dictionary.
func TestDictionariesCannotBeTakenAway(t *testing.T) {
	const rows, texts = 2048, 256
	mask := uint64(1)<<bits.Len(2*(rows/hashShare)+1) - 1
	var chosen []string
	for i := 0; len(chosen) < texts; i++ {
		if s := "id-" + strconv.Itoa(i); xxh3.HashString(s)&mask == 0 {
			chosen = append(chosen, s)
		}
	}
	column := TextColumn{Off: []uint32{0}}
	for row := range rows {
		column.Bytes = append(column.Bytes, chosen[row%texts]...)
		column.Off = append(column.Off, uint32(len(column.Bytes)))
	}
	c := auditColumns(rows, 1)
	c.Text[annal.RequestID] = column
	_, s := builtOf(t, c)
	if d := s.Dict(annal.RequestID); d == nil || d.n != texts {
		t.Errorf("the dictionary is %v, want one of %d texts", d, texts)
	}
}
