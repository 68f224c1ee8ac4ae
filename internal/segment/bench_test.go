package segment

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"annal"
	"annal/internal/vfs"
)

// auditColumns are events as a secrets vault logs them: 10,000 identities and
// 50,000 paths of unequal popularity, unique request ids, sessions of about five
// events, little extra data.
func auditColumns(n, tenants int) *Columns {
	r := rand.New(rand.NewPCG(1, 2))
	c := &Columns{
		N: n, Time: make([]int64, n), Seq: make([]uint64, n), Salt: make([]byte, n*SaltBytes), Outcome: make([]uint8, n),
		Severity: make([]uint8, n), Status: make([]int32, n), Duration: make([]int64, n),
	}
	sharedValues(c, tenants)
	for _, f := range []annal.Field{annal.Session, annal.RequestID, annal.Message, annal.Extra} {
		c.Text[f].Off = make([]uint32, 1, n+1)
	}
	seqs, at := make([]uint64, tenants), int64(1_780_000_000_000_000_000)
	for i := range n {
		at += r.Int64N(2*778_000_000/1000) * 1000
		c.Time[i] = at - r.Int64N(50_000_000)/1000*1000
		t := zipf(r, tenants)
		c.Seq[i] = seqs[t]
		seqs[t]++
		if i%1000 == 0 {
			c.Received = append(c.Received, Run{uint32(i), at / 1000})
		}
		for k := range 16 {
			c.Salt[i*16+k] = byte(r.Uint32())
		}
		who, failed := zipf(r, 10_000), r.IntN(100) < 7
		addCodes(c, i, t, who, r)
		c.Status[i] = 200
		message := ""
		if failed {
			c.Outcome[i], c.Severity[i], c.Status[i] = 2, 1, 403
			c.Text[annal.ErrorCode].Codes[i] = 1 + uint32(r.IntN(5))
			message = "no policy allows this action on this path"
		}
		c.Duration[i] = (200 + r.Int64N(1<<15)) * 1000
		addPlain(c, annal.Session, fmt.Sprintf("ses_%016x", uint64(i/40*8+r.IntN(8))*0x9e3779b97f4a7c15))
		addPlain(c, annal.RequestID, fmt.Sprintf("req_%016x", r.Uint64()))
		addPlain(c, annal.Message, message)
		addPlain(c, annal.Extra, someExtra(r))
	}
	return c
}

func sharedValues(c *Columns, tenants int) {
	n := c.N
	shared := func(f annal.Field, size int, at func(i int) string) {
		c.Text[f] = TextColumn{Codes: make([]uint32, n), Values: make([]string, size)}
		for i := range size {
			c.Text[f].Values[i] = at(i)
		}
	}
	shared(annal.Tenant, tenants, func(i int) string { return fmt.Sprintf("tenant-%06d", i) })
	shared(annal.Action, 22, func(i int) string { return fmt.Sprintf("action_%d", i) })
	shared(annal.ActorID, 10_000, func(i int) string { return fmt.Sprintf("sa:reporting-service-%05d", i) })
	shared(annal.ActorType, 3, func(i int) string { return []string{"service_account", "user", "group"}[i] })
	shared(annal.ResourceType, 8, func(i int) string { return fmt.Sprintf("type-%d", i) })
	shared(annal.ResourcePath, 50_000, func(i int) string {
		return fmt.Sprintf("environments/production/service-%d/api-credentials-%02d", i/100, i%100)
	})
	shared(annal.SourceIP, 4_000, func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i%7, i/256, i%256) })
	shared(annal.UserAgent, 200, func(i int) string { return fmt.Sprintf("vault-agent/1.%d (linux; amd64)", i) })
	shared(annal.Method, 4, func(i int) string { return []string{"GET", "PUT", "POST", "DELETE"}[i] })
	shared(annal.ErrorCode, 6, func(i int) string { return []string{"", "access_denied", "e2", "e3", "e4", "e5"}[i] })
}

func addCodes(c *Columns, i int, t, who uint32, r *rand.Rand) {
	c.Text[annal.Tenant].Codes[i] = t
	c.Text[annal.Action].Codes[i] = zipf(r, 22)
	c.Text[annal.ActorID].Codes[i] = who
	c.Text[annal.ActorType].Codes[i] = who % 3
	c.Text[annal.ResourceType].Codes[i] = zipf(r, 8)
	c.Text[annal.ResourcePath].Codes[i] = zipf(r, 50_000)
	c.Text[annal.SourceIP].Codes[i] = who % 4000
	c.Text[annal.UserAgent].Codes[i] = who % 200
	c.Text[annal.Method].Codes[i] = zipf(r, 4)
}

func someExtra(r *rand.Rand) string {
	switch x := r.IntN(100); {
	case x < 35:
		return fmt.Sprintf(`{"version":%d}`, 1+r.IntN(40))
	case x < 55:
		return fmt.Sprintf(`{"lease_id":"%08x","ttl":%d}`, r.Uint32(), r.IntN(3600))
	}
	return ""
}

func addPlain(c *Columns, f annal.Field, s string) {
	t := &c.Text[f]
	t.Bytes = append(t.Bytes, s...)
	t.Off = append(t.Off, uint32(len(t.Bytes)))
}

func zipf(r *rand.Rand, size int) uint32 {
	x := r.Float64()
	return uint32(float64(size) * x * x * x)
}

const benchRows = 512 << 10

func BenchmarkBuild(b *testing.B) {
	for _, tenants := range []int{1, 1000} {
		c := auditColumns(benchRows, tenants)
		b.Run(fmt.Sprintf("tenants=%d", tenants), func(b *testing.B) {
			dir := b.TempDir()
			for range b.N {
				if _, err := Build(vfs.OS{}, dir, c, testLog); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}

func benchSegment(b *testing.B, tenants int) *Segment {
	b.Helper()
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("d"); err != nil {
		b.Fatal(err)
	}
	name, err := Build(disk, "d", auditColumns(benchRows, tenants), testLog)
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(disk, "d", name, testLog)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkRead(b *testing.B) {
	s := benchSegment(b, 1)
	var e annal.Event
	b.Run("stream", func(b *testing.B) {
		r := s.NewReader()
		for i := range b.N {
			if err := r.Read(i%benchRows, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("page of 100 apart", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(3, 4))
		for range b.N {
			r := s.NewReader()
			for range 100 {
				if err := r.Read(rng.IntN(benchRows), &e); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("codes", func(b *testing.B) {
		var codes []uint32
		for range b.N {
			codes = s.Codes(annal.ResourcePath, 0, benchRows, codes[:0])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	})
	b.Run("lookup", func(b *testing.B) {
		r := s.NewReader()
		id, err := r.Text(annal.RequestID, benchRows/2)
		if err != nil {
			b.Fatal(err)
		}
		var rows []int
		for range b.N {
			if rows, err = s.Lookup(annal.RequestID, id, rows[:0]); err != nil || len(rows) != 1 {
				b.Fatal(rows, err)
			}
		}
	})
}

// BenchmarkSize prints where the bytes of an event go: go test -bench Size -v.
func BenchmarkSize(b *testing.B) {
	for _, tenants := range []int{1, 1000} {
		s := benchSegment(b, tenants)
		for line := range strings.Lines(sizes(s)) {
			b.Logf("tenants=%d %s", tenants, line)
		}
		col, idx := s.Bytes()
		b.ReportMetric(float64(col+idx)/float64(s.Rows()), "B/event")
	}
}

// sizes is a table of bytes per event by section, and within the blocks by
// field.
func sizes(s *Segment) string {
	out := ""
	for _, f := range []*file{s.col, s.idx} {
		total := map[string]uint64{}
		var names []string
		for _, sec := range f.secs {
			name := kindNames[sec.kind]
			if sec.kind > kindCold {
				if x, ok := s.fieldOf(sec.field); ok && (x != annal.Tenant || sec.kind == kindDict) {
					name += " " + x.String()
				}
			}
			if _, ok := total[name]; !ok {
				names = append(names, name)
			}
			total[name] += sec.size
		}
		for _, name := range names {
			out += fmt.Sprintf("%8.3f  %s\n", float64(total[name])/float64(s.rows), name)
		}
		out += fmt.Sprintf("%8.3f  whole file\n\n", float64(len(f.b))/float64(s.rows))
	}
	for slot := range s.slots + numBlockX {
		n := uint64(0)
		for b := range s.blocks() {
			rows := s.rowsOf(b)
			if k := slot - s.timeSlot(); k >= 0 && k < 2*subBlocks {
				rows = min(max(rows-k%subBlocks*subRows, 0), subRows)
			}
			n += uint64(widthAt(s.hot(b), slot*vecHeader)) * uint64(rows)
		}
		name := fmt.Sprintf("slot %d", slot)
		if x, ok := s.fieldOf(uint8(slot)); ok {
			name = x.String()
			if s.columns[x].form == formBlob {
				for b := range s.blocks() {
					n += 8 * uint64(len(s.blob(x, b)))
				}
				name += " (texts)"
			}
		}
		if n > 0 {
			out += fmt.Sprintf("%8.3f  %s\n", float64(n)/8/float64(s.rows), name)
		}
	}
	return out
}
