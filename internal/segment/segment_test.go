package segment

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"annal"
)

func TestRowsComeBack(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		_, s := built(t, m)
		if got, want := s.Rows(), len(m.events); got != want {
			t.Fatalf("Rows = %d, want %d", got, want)
		}
		r := s.NewReader()
		var got annal.Event
		for row, want := range m.sorted() {
			if err := r.Read(row, &got); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("row %d: (-want +got)\n%s", row, cmp.Diff(want, got))
			}
			if k := s.TimeAt(row); k != annal.TimeKey(want.Time) || !s.TimeOf(row).Equal(want.Time) {
				t.Fatalf("row %d: TimeAt %d, TimeOf %v, want %v", row, k, s.TimeOf(row), want.Time)
			}
			if p, q := s.PositionAt(row), s.SeqAt(row); p != want.Position || q != want.Seq {
				t.Fatalf("row %d: position %d, seq %d, want %d, %d", row, p, q, want.Position, want.Seq)
			}
			if us := s.ReceivedAt(row); us != want.Received.UnixMicro() {
				t.Fatalf("row %d: received %d, want %d", row, us, want.Received.UnixMicro())
			}
			if at, ok := s.RowOf(want.Position); at != row || !ok {
				t.Fatalf("RowOf(%d) = %d, %v, want %d", want.Position, at, ok, row)
			}
		}
	})
}

func TestColumnsComeBack(t *testing.T) {
	eachMix(t, func(t *testing.T, m *model) {
		disk, s := built(t, m)
		c, err := s.Columns()
		if err != nil {
			t.Fatal(err)
		}
		sameColumns(t, c, m.columns())
		name, err := Build(disk, "d", c, testLog)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{ColSuffix, IdxSuffix} {
			if a, b := contents(t, disk, s.Name()+suffix), contents(t, disk, name+suffix); a != b {
				t.Errorf("%s: built again from its own columns it has other bytes", suffix)
			}
		}
	})
}

// sameColumns compares values, not codes.
func sameColumns(t *testing.T, got, want *Columns) {
	t.Helper()
	for f := range annal.NumTexts {
		for i := range want.N {
			if g, w := got.Text[f].At(i), want.Text[f].At(i); g != w {
				t.Fatalf("%s of arrival %d = %.80q, want %.80q", f, i, g, w)
			}
		}
	}
	g, w := *got, *want
	g.Text, w.Text = [annal.NumTexts]TextColumn{}, [annal.NumTexts]TextColumn{}
	if len(w.Far) == 0 {
		w.Far = nil
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Fatalf("columns (-want +got)\n%.2000s", d)
	}
}
