package segment

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"annal"
	"annal/internal/vfs"
)

// Every block of texts comes back, and those of one shape become templates.
func TestBlobsComeBack(t *testing.T) {
	w := blobWriter{digits: newDigitTable(), zstd: newEncoder()}
	rng := rand.New(rand.NewPCG(41, 42))
	for _, tt := range []struct {
		name     string
		template bool
		text     func(i int) string
	}{
		{"uuid", true, func(int) string {
			x := fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
			return x[:8] + "-" + x[8:12] + "-4" + x[13:16] + "-" + x[16:20] + "-" + x[20:]
		}},
		{"decimal", true, func(int) string { return fmt.Sprintf("n%020d.", rng.Uint64()) }},
		{"ascending", true, func(i int) string { return fmt.Sprintf("%08d", i) }},
		{"capital hex", true, func(int) string { return fmt.Sprintf("%016X", rng.Uint64()) }},
		{"capital base 36", true, func(int) string { return "01" + word(rng, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26) }},
		{"base 64", true, func(int) string { return word(rng, "-_azAZ09", 22) }},
		{"the longest", true, func(int) string { return word(rng, "zZ", maxTemplate) }},
		{"too long", false, func(int) string { return word(rng, "zZ", maxTemplate+1) }},
		{"some absent", true, func(i int) string { return strings.Repeat(fmt.Sprintf("%04x", i&0xfff), i%2) }},
		{"all absent", true, func(int) string { return "" }},
		{"all the same", true, func(int) string { return "é same \x00" }},
		{"lengths differ", false, func(i int) string { return strings.Repeat("x", i%7) }},
		{"other letters", false, func(i int) string { return fmt.Sprintf("%04d+%c", i, 'é'+rune(i%3)) }},
		{"long", false, func(i int) string { return strings.Repeat(word(rng, "ab{}", 9), i%900) }},
	} {
		for _, n := range []int{1, 2, groupRows, groupRows + 1, 700} {
			t.Run(fmt.Sprintf("%s %d", tt.name, n), func(t *testing.T) {
				want := make([]string, n)
				for i := range want {
					want[i] = tt.text(i)
				}
				b := w.append([]byte("before"), 0, n, func(i int) []byte { return []byte(want[i]) })[len("before"):]
				if n > 2 && (b[0] == blobTemplate) != tt.template {
					t.Errorf("kind %d", b[0])
				}
				if what := blobFits(b, n); what != "" {
					t.Fatal(what)
				}
				for i, v := range textsOf(t, b, n) {
					if v != want[i] {
						t.Fatalf("text %d = %q, want %q", i, v, want[i])
					}
				}
			})
		}
	}
}

// textsOf decodes a blob of n rows.
func textsOf(t *testing.T, b []byte, n int) []string {
	t.Helper()
	got := make([]string, n)
	if b[0] == blobTemplate {
		var x template
		if what := x.parse(b, n); what != "" {
			t.Fatal(what)
		}
		for i := range got {
			got[i] = string(x.appendText(nil, i))
		}
		return got
	}
	var g group
	for i := range got {
		if i < g.first || i >= g.end {
			if what := g.decode(b, i); what != "" {
				t.Fatal(what)
			}
		}
		got[i] = string(g.text(i))
	}
	return got
}

func TestVecsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 52))
	for k := range 400 {
		n := 1 + rng.IntN(300)
		width, unit, slope := rng.IntN(65), units[rng.IntN(len(units))], uint64(rng.IntN(2))
		base := rng.Uint64()
		vals := make([]uint64, n)
		for i := range vals {
			vals[i] = base + rng.Uint64()>>(64-width)*unit + slope*uint64(i)
			if width == 0 {
				vals[i] = base + slope*uint64(i)
			}
		}
		sloped := k%2 == 0
		u := uint8(0)
		if !sloped {
			u = unitOf(vals)
		}
		b := appendVec(make([]byte, vecHeader), 0, 0, vals, u, sloped)
		b = append(b, make([]byte, wordPad)...)
		if !vecFits(b, 0, n) {
			t.Fatalf("%d values of %d bits do not fit", n, width)
		}
		v := vecAt(b, 0)
		for i, want := range vals {
			if got := v.at(i); got != want {
				t.Fatalf("value %d of %d, %d bits, unit %d: %d, want %d", i, n, width, unit, got, want)
			}
		}
	}
}

// Vecs of any widths, with and without slopes, give the same values side by side
// in a table as by themselves, and each strip lies where the format says.
func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(71, 72))
	for _, n := range []int{1, 15, 16, 17, 100, subRows, subRows + 1, BlockRows - 1, BlockRows} {
		const columns = 9
		flat := make([]byte, columns*vecHeader)
		want := make([][]uint64, columns)
		var lanes []lane
		for c := range columns {
			want[c] = make([]uint64, n)
			for i := range want[c] {
				want[c][i] = 7 + rng.Uint64()&(1<<(c*c)-1)
			}
			flat = appendVec(flat, 0, c*vecHeader, want[c], 0, c%2 == 0)
			lanes = append(lanes, lane{[]int{c * vecHeader}, BlockRows})
		}
		const before = 5 // bytes of the section before the table
		b := interleave(make([]byte, before), 0, flat, columns*vecHeader, lanes, n)
		stride := 0
		for c := range columns {
			stride += widthAt(flat, c*vecHeader)
		}
		if size := before + columns*vecHeader + (n+stripRows-1)/stripRows*stride*stripUnit + wordPad; len(b) != size {
			t.Errorf("%d rows: %d bytes, want %d", n, len(b), size)
		}
		for c := range columns {
			if !vecFits(b, before+c*vecHeader, n) {
				t.Fatalf("%d rows: column %d does not fit", n, c)
			}
			v := vecAt(b, before+c*vecHeader)
			for i, w := range want[c] {
				if got := v.at(i); got != w {
					t.Fatalf("%d rows: column %d has %d in row %d, want %d", n, c, got, i, w)
				}
			}
		}
	}
}

func TestManyReadAtOnce(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(61, 62)), mix{rows: 3000, tenants: 3, shuffled: true, templated: true})
	dir := t.TempDir()
	name, err := Build(vfs.OS{}, dir, m.columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(vfs.OS{}, dir, name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	rows := m.sorted()
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			r := s.NewReader()
			var e annal.Event
			for row := k; row < len(rows); row += 3 {
				if err := r.Read(row, &e); err != nil || e != rows[row] {
					t.Errorf("row %d: %v, other than it was", row, err)
					return
				}
				if got, err := s.Lookup(annal.RequestID, e.Request.ID, nil); err != nil || len(got) == 0 {
					t.Errorf("Lookup(%s) = %v, %v", e.Request.ID, got, err)
				}
				if row%1000 == 0 {
					s.Release()
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Columns whose values recur get a dictionary wherever the repeats are.
func TestWhichColumnsSeemUnique(t *testing.T) {
	const n = 64 << 10
	for _, tt := range []struct {
		name   string
		unique bool
		value  func(i int) int
	}{
		{"all different", true, func(i int) int { return i }},
		{"repeats next to each other", false, func(i int) int { return i / 4 }},
		{"repeats anywhere", false, func(i int) int { return i * 7919 % n % (n / 4) }},
		{"one value", false, func(int) int { return 1 }},
	} {
		c := TextColumn{Off: []uint32{0}}
		for i := range n {
			c.Bytes = fmt.Appendf(c.Bytes, "ses_%08x", tt.value(i))
			c.Off = append(c.Off, uint32(len(c.Bytes)))
		}
		if got := c.seemsUnique(n, 1); got != tt.unique {
			t.Errorf("%s: seemsUnique = %v, want %v", tt.name, got, tt.unique)
		}
		_, values, ok := c.intern(n, n/hashShare, 1)
		if ok == tt.unique {
			t.Errorf("%s: intern finds %d values, %v", tt.name, len(values), ok)
		}
	}
}
