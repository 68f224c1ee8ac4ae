package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"annal"
	"annal/internal/corpus"
	"annal/internal/segment"
	"annal/internal/vfs"
)

// decoded reads a record's payload as far as it can be read.
func decoded(payload []byte, count int) (tenants []tenantSeq, keys []segment.Key, events []annal.Event, ok bool) {
	in := reader{b: payload}
	tenants, keys, err := in.head(7, 9)
	if err != nil {
		return nil, nil, nil, false
	}
	for range count {
		var e annal.Event
		if in.event(&e); in.bad {
			return nil, nil, nil, false
		}
		events = append(events, e)
	}
	return tenants, keys, events, true
}

// FuzzPayload holds that whatever a record holds is refused, or is read as events
// that the log keeps as they are: encoded again, and sealed in a segment.
func FuzzPayload(f *testing.F) {
	corpus.Seed(f)
	events := []annal.Event{
		{Tenant: "a", Action: "read", Actor: annal.Actor{ID: "u"}, Time: time.Unix(1_700_000_000, 5).UTC(), Request: annal.Request{Status: -5, Duration: 7}},
		{Tenant: "b", Action: "write", Actor: annal.Actor{ID: "u"}, Time: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), Extra: `{"a":1}`, Outcome: annal.Denied, Salt: [16]byte{9}},
	}
	head := []byte{payloadVersion, 2, 1, 'a', 0, 1, 'b', 7, 1}
	payload := append(head, make([]byte, keyBytes)...)
	for i := range events {
		payload = appendEvent(payload, &events[i])
	}
	f.Add(payload, byte(2))
	f.Add(payload[:len(payload)-1], byte(2))
	f.Add([]byte{payloadVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, byte(1))
	f.Fuzz(func(t *testing.T, payload []byte, count byte) {
		_, keys, events, ok := decoded(payload, int(count))
		if !ok || len(events) == 0 {
			return
		}
		again := []byte{payloadVersion, 0, 0}
		for i := range events {
			again = appendEvent(again, &events[i])
		}
		_, _, same, ok := decoded(again, len(events))
		for i := range events {
			if !ok || same[i] != events[i] {
				t.Fatalf("%+v is encoded anew and read as %+v", events[i], same)
			}
		}
		for i := range events {
			e := &events[i]
			if y := e.Time.Year(); y < annal.MinYear || y > annal.MaxYear || e.Request.Duration < 0 {
				return // no such event is let in
			}
			for text := range annal.NumTexts {
				if s := *e.Text(text); len(s) > annal.Fields[text].Max || !annal.ValidText(s) {
					return
				}
			}
		}
		checkSealed(t, events, keys)
	})
}

// checkSealed holds that events come out of a segment as they went into a
// memtable.
func checkSealed(t *testing.T, events []annal.Event, keys []segment.Key) {
	t.Helper()
	m := newMemtable(7, 1000, new(room))
	var lent []*annal.Event
	for i := range events {
		e := &events[i]
		e.Position, e.Received = uint64(7+i), time.UnixMicro(9).UTC()
		lent = append(lent, e)
	}
	m.reserve(len(lent))
	m.add(lent, 9)
	m.cols.Keys = append(m.cols.Keys, keys...)
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	name, err := segment.Build(disk, "d", m.sealed(), [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	if errs := segment.Verify(disk, "d", name, [16]byte{1}); len(errs) > 0 {
		t.Fatalf("a new segment is damaged: %v", errs)
	}
	s, err := segment.Open(disk, "d", name, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := s.NewReader()
	for row := range s.Rows() {
		var got annal.Event
		if err := r.Read(row, &got); err != nil {
			t.Fatal(err)
		}
		want := events[got.Position-7]
		got.Seq, want.Seq = 0, 0
		if got != want {
			t.Fatalf("%+v is sealed as %+v", want, got)
		}
	}
}

// stateLog makes a log of two segments and a few events behind them.
func stateLog(t testing.TB) (disk *vfs.Mem, cfg Config) {
	t.Helper()
	disk = vfs.NewMem(1)
	cfg = crashConfig(disk)
	cfg.SegmentRows = 10
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		b := annal.Batch{Events: []annal.Event{{Tenant: []string{"a", "b"}[i%2], Action: "read", Actor: annal.Actor{ID: "u"}, Message: fmt.Sprint(i), Time: second(i)}}}
		if _, err := s.Append(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	for s.sealedEnd() < 20 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, cfg
}

// textOf returns a small file.
func textOf(t testing.TB, disk *vfs.Mem, name string) string {
	t.Helper()
	size, err := disk.Size(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && len(b) > 0 {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzState holds that a log opens with all of its events, or not at all,
// whatever its manifest and its identity hold. With a checksum that is right it
// may hold fewer: then the file said so.
func FuzzState(f *testing.F) {
	corpus.Seed(f)
	base, cfg := stateLog(f)
	names := []string{"data/" + manifestFile, "data/" + IdentityFile}
	for i, name := range names {
		text := textOf(f, base, name)
		f.Add(text, i == 0, false)
		f.Add(text, i != 0, false) // one in the place of the other
		f.Add(text[:len(text)-len("\n00000000\n")], i == 0, true)
	}
	f.Add(`{"segments":[{"name":"../../x","first":5,"last":1,"rows":-1},{"name":""}],"next":18446744073709551615,"seqs":{"":1},"lost":[{}]}`, true, true)
	f.Add(`{"segments":null,"next":0,"seqs":null}`, true, true)
	f.Add(`{"format":1,"log_id":"00","id_key":5}`, false, true)
	f.Fuzz(func(t *testing.T, text string, manifest, seal bool) {
		if seal {
			text += fmt.Sprintf("\n%08x\n", crc32.Checksum([]byte(text), castagnoli))
		}
		disk := base.Crash()
		name := names[1]
		if manifest {
			name = names[0]
		}
		put(t, disk, name, text)
		cfg := cfg
		cfg.FS = disk
		if _, err := Check(cfg); err != nil && manifest && !errors.Is(err, annal.ErrDamaged) && !seal {
			t.Fatalf("check: %v", err)
		}
		s, err := Open(cfg)
		if err != nil {
			if manifest && !seal {
				t.Fatalf("a manifest that is damaged keeps the log from opening: %v", err)
			}
			return
		}
		defer s.Close()
		n := 0
		err = s.Scan(context.Background(), annal.Query{}, func(*annal.Event) error { n++; return nil })
		if !seal && (err != nil || n != 25) {
			t.Errorf("the log opens with %d events, want 25 (%v)", n, err)
		}
	})
}

// put writes a whole file.
func put(t *testing.T, disk *vfs.Mem, name, text string) {
	t.Helper()
	file, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write([]byte(text))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		t.Fatal(err)
	}
}
