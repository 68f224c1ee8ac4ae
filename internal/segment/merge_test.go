package segment

import (
	"math/rand/v2"
	"strings"
	"testing"

	"annal"
	"annal/internal/vfs"
)

func TestMergedPartsEqualTheWhole(t *testing.T) {
	for i, x := range mixes {
		if x.rows < 4 || x.huge {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 21))
			m := newModel(rng, x.mix)
			m.keys = nil
			disk, whole := built(t, m)
			var parts []*Segment
			for lo := 0; lo < len(m.events); {
				hi := lo + 1 + rng.IntN(len(m.events)-lo)
				parts = append(parts, openPart(t, disk, &model{events: m.events[lo:hi]}))
				lo = hi
			}
			c, err := Merge(parts...)
			if err != nil {
				t.Fatal(err)
			}
			dropRepeats(c)
			name, err := Build(disk, "d", c, testLog)
			if err != nil {
				t.Fatal(err)
			}
			for _, suffix := range []string{ColSuffix, IdxSuffix} {
				if contents(t, disk, name+suffix) != contents(t, disk, whole.Name()+suffix) {
					t.Errorf("%s: %d parts merged give other bytes than the whole", suffix, len(parts))
				}
			}
			if _, err := Merge(whole, parts[0]); err == nil {
				t.Error("Merge takes rows twice")
			}
		})
	}
}

// dropRepeats removes the runs that only say again what holds already.
func dropRepeats(c *Columns) {
	kept := c.Received[:1]
	for _, r := range c.Received[1:] {
		if r.Micros != kept[len(kept)-1].Micros {
			kept = append(kept, r)
		}
	}
	c.Received = kept
}

func openPart(t *testing.T, disk vfs.FS, m *model) *Segment {
	t.Helper()
	name, err := Build(disk, "d", m.columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(disk, "d", name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestKeepLeavesRowsOut(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		rng := rand.New(rand.NewPCG(31, 32))
		keep := make([]bool, len(m.events))
		left := &model{keys: m.keys}
		for i := range keep {
			if keep[i] = rng.IntN(3) > 0 || i == 0; keep[i] {
				left.events = append(left.events, m.events[i])
			}
		}
		c := m.columns().Keep(func(i int) bool { return keep[i] })
		if c.N != len(left.events) {
			t.Fatalf("%d rows are left, want %d", c.N, len(left.events))
		}
		disk, s := built(t, left)
		dropRepeats(c)
		name, err := Build(disk, "d", c, testLog)
		if err != nil {
			t.Fatal(err)
		}
		if contents(t, disk, name+ColSuffix) != contents(t, disk, s.Name()+ColSuffix) {
			t.Error("the rows that are left give other bytes than had they been alone")
		}
	})
}

func TestBuildRefusesColumnsThatDoNotFit(t *testing.T) {
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		spoil      func(c *Columns)
	}{
		{"no rows", "0 rows", func(c *Columns) { c.N = 0 }},
		{"short times", "Time", func(c *Columns) { c.Time = c.Time[1:] }},
		{"short salt", "Salt", func(c *Columns) { c.Salt = c.Salt[16:] }},
		{"positions fall", "Position", func(c *Columns) { c.Position[3] = c.Position[2] }},
		{"no received time", "Received", func(c *Columns) { c.Received = nil }},
		{"received beyond the end", "Received", func(c *Columns) { c.Received = append(c.Received, Run{1000, 1}) }},
		{"outcome", "outcome 4", func(c *Columns) { c.Outcome[1] = 4 }},
		{"far time missing", "Far", func(c *Columns) { c.Time[5] = -1 << 63 }},
		{"far time too many", "Far", func(c *Columns) { c.Far[5] = annal.KeyTime(0) }},
		{"code without value", "action: code", func(c *Columns) { c.Text[annal.Action].Codes[0] = 1 << 20 }},
		{"short codes", "actor.id: ", func(c *Columns) { c.Text[annal.ActorID].Codes = c.Text[annal.ActorID].Codes[1:] }},
		{"offsets fall", "extra: row 2", func(c *Columns) { c.Text[annal.Extra].Off[2] = 1 << 20 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newModel(rand.New(rand.NewPCG(2, 2)), mix{rows: 50, gaps: true}).columns()
			tt.spoil(c)
			if _, err := Build(disk, "d", c, testLog); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Build: %v, want it to name %q", err, tt.want)
			}
		})
	}
	if names, err := disk.List("d"); err != nil || len(names) > 0 {
		t.Errorf("refused columns left %v, %v", names, err)
	}
}

func TestNames(t *testing.T) {
	n := Name(7, 1<<63, 3)
	if f, l, g, ok := ParseName(n); f != 7 || l != 1<<63 || g != 3 || !ok {
		t.Errorf("ParseName(%q) = %d, %d, %d, %v", n, f, l, g, ok)
	}
	for _, bad := range []string{"", "x", n + "x", "7-8-0", Name(9, 8, 0), n + ColSuffix} {
		if _, _, _, ok := ParseName(bad); ok {
			t.Errorf("ParseName(%q) is ok", bad)
		}
	}
}
