package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"annal/internal/vfs"
	"annal/internal/wal"
)

const dir = "/wal"

func config(disk vfs.FS) wal.Config {
	return wal.Config{FS: disk, Dir: dir, FileSize: 8 * 4096, LogID: [16]byte{1, 2, 3}, Inline: true}
}

// fillLog appends n records of random size to a new log and closes it.
func fillLog(t testing.TB, cfg wal.Config, n int) []written {
	t.Helper()
	l, _, _, err := collect(cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var all []written
	next := uint64(0)
	for i := range n {
		w := written{next, uint32(i % 4), int64(i), bytes.Repeat([]byte{byte(i)}, rng.IntN(9000))}
		if err := l.Append(wal.Record{Position: w.position, Count: w.count, Received: w.received}, w.payload); err != nil {
			t.Fatal(err)
		}
		all, next = append(all, w), next+uint64(w.count)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// image is the bytes of every file of a disk's folder.
type image map[string][]byte

func capture(t testing.TB, disk vfs.FS) image {
	t.Helper()
	names, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := image{}
	for _, name := range names {
		m, err := disk.Map(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = bytes.Clone(m.Bytes())
		m.Close()
	}
	return files
}

// disk returns a new disk with the image's files.
func (files image) disk(t testing.TB) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		f, err := disk.Create(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(b)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := disk.SyncDir(dir); err != nil {
		t.Fatal(err)
	}
	return disk
}

func (files image) logs() []string {
	var names []string
	for name := range files {
		if !strings.HasPrefix(name, "wal-free-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lost says whether some damage covers a record.
func lost(damages []wal.Damage, w written) bool {
	return slices.ContainsFunc(damages, func(d wal.Damage) bool {
		return d.LostFrom <= w.position && w.position+uint64(w.count) <= d.LostTo
	})
}

// verdict holds a replay of a damaged log against what was written: what is
// replayed is true and in order, and what is missing was named: its positions,
// or, where the end of the log is gone, that it is.
func verdict(all, got []written, damages []wal.Damage) error {
	i := 0
	for _, w := range all {
		switch {
		case i < len(got) && got[i].equal(w):
			i++
		case i == len(got) && slices.ContainsFunc(damages, endless):
		case !lost(damages, w):
			return fmt.Errorf("record %v is missing and %v do not say so", w, damages)
		}
	}
	if i < len(got) {
		return fmt.Errorf("replayed %v, which was not written there", got[i])
	}
	return nil
}

// endless says whether damage tells that nobody knows how much followed.
func endless(d wal.Damage) bool { return d.Endless }

// Any flipped bit of a log that was closed is damage that is named, or hits
// bytes that mean nothing; every other record is still replayed, and a log that
// was opened so can be appended to and opened again.
func TestFlippedBitsAreFoundAndCostOneRecord(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	files := capture(t, disk)
	rng := rand.New(rand.NewPCG(3, 4))
	named := 0
	for range 1500 {
		name := files.logs()[rng.IntN(len(files.logs()))]
		at := rng.IntN(len(files[name]))
		if rng.IntN(2) == 0 {
			at = at&^4095 + rng.IntN(64) // the headers deserve more
		}
		damaged := image{}
		for n, b := range files {
			damaged[n] = bytes.Clone(b)
		}
		damaged[name][at] ^= 1 << rng.IntN(8)
		cfg := config(damaged.disk(t))

		checked, err := wal.Check(cfg, 0)
		if err != nil {
			t.Fatalf("%s byte %d: check: %v", name, at, err)
		}
		l, got, damages, err := collect(cfg, 0)
		if err != nil {
			t.Fatalf("%s byte %d: open: %v", name, at, err)
		}
		if !slices.Equal(checked, damages) {
			t.Fatalf("%s byte %d: Check found %v, Open %v", name, at, checked, damages)
		}
		if err := verdict(all, got, damages); err != nil {
			t.Fatalf("%s byte %d: %v", name, at, err)
		}
		if len(got) < len(all)-1 || len(damages) > 1 {
			t.Fatalf("%s byte %d: %d of %d records came back; %v", name, at, len(got), len(all), damages)
		}
		for _, d := range damages {
			named++
			if d.File != name || int64(at) < d.From || int64(at) >= d.To {
				t.Fatalf("byte %d of %s: the damage is said to be %v", at, name, d)
			}
		}
		more := written{l.Stats().Next, 3, 77, []byte("more")}
		if err := l.Append(wal.Record{Position: more.position, Count: more.count, Received: more.received}, more.payload); err != nil {
			t.Fatalf("%s byte %d: append: %v", name, at, err)
		}
		_, again, _, err := collect(cfg, 0)
		if err != nil || !slices.EqualFunc(again, append(got, more), written.equal) {
			t.Fatalf("%s byte %d: after an append, replay gives %v, %v", name, at, again, err)
		}
	}
	if named < 300 {
		t.Errorf("only %d of 1500 flips were named", named)
	}
}

// A missing or shortened file is damage, also at the end of the log.
func TestMissingFilesAreNamed(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	files := capture(t, disk)
	names := files.logs()
	for _, name := range names {
		for _, keep := range []int{-1, 0, 100, 4096, 4096 + 48, 3 * 4096} {
			cut := image{}
			for n, b := range files {
				cut[n] = b
			}
			cut[name] = files[name][:max(keep, 0)]
			if keep < 0 {
				delete(cut, name)
			}
			_, got, damages, err := collect(config(cut.disk(t)), 0)
			if err != nil {
				t.Fatalf("%s cut to %d: %v", name, keep, err)
			}
			if err := verdict(all, got, damages); err != nil {
				t.Errorf("%s cut to %d: %v", name, keep, err)
			}
			if len(damages) == 0 {
				t.Errorf("%s cut to %d: no damage was named", name, keep)
			}
			if last := name == names[len(names)-1]; slices.ContainsFunc(damages, endless) != last {
				t.Errorf("%s cut to %d: that the end is gone is said %v, want %v: %v", name, keep, !last, last, damages)
			}
		}
	}
}

// Where the end of the log is gone, the log can go on behind all positions that
// may have been given. However often it is opened, those are not given again, and
// what is missing is named.
func TestASkippedRangeIsNotGivenAgain(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	files := capture(t, disk)
	names := files.logs()
	newest := names[len(names)-1]
	for name, spoil := range map[string]func(image){
		"missing":   func(cut image) { delete(cut, newest) },
		"emptied":   func(cut image) { cut[newest] = nil },
		"cut":       func(cut image) { cut[newest] = cut[newest][:4096+48] },
		"all gone":  func(cut image) { clear(cut) },
		"no header": func(cut image) { cut[newest] = make([]byte, len(cut[newest])) },
	} {
		t.Run(name, func(t *testing.T) {
			cut := maps.Clone(files)
			spoil(cut)
			cfg := config(cut.disk(t))
			_, kept, damages, err := collect(cfg, 0)
			if err != nil || len(cut) > 0 && !slices.ContainsFunc(damages, endless) {
				t.Fatalf("damage %v, %v", damages, err)
			}
			l, _, _, err := collect(cfg, 0)
			if err != nil {
				t.Fatal(err)
			}
			from := l.Stats().Next
			const to = 10_000
			l.Skip(to)
			more := written{to, 2, 5, []byte("behind the gap")}
			if err := l.Append(wal.Record{Position: to, Count: 2, Received: 5}, more.payload); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again, got, damages, err := collect(cfg, 0)
			if err != nil || !slices.EqualFunc(got, append(kept, more), written.equal) || again.Stats().Next != to+2 {
				t.Fatalf("%d of %d records came back, and the next position is %d, %v", len(got), len(kept)+1, again.Stats().Next, err)
			}
			gap := written{position: from, count: uint32(to - from)}
			if !lost(damages, gap) || slices.ContainsFunc(damages, endless) || len(kept) > len(all) {
				t.Errorf("positions %d to %d: damage %v", from, to, damages)
			}
		})
	}
}

// Two files that took each other's names are read as what they are, and named.
func TestSwappedFilesAreReadAndNamed(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	files := capture(t, disk)
	names := files.logs()
	for i, a := range names {
		for _, b := range names[i+1:] {
			swapped := image{}
			for n, content := range files {
				swapped[n] = content
			}
			swapped[a], swapped[b] = files[b], files[a]
			_, got, damages, err := collect(config(swapped.disk(t)), 0)
			if err != nil || !slices.EqualFunc(got, all, written.equal) {
				t.Fatalf("%s and %s swapped: %d of %d records, %v", a, b, len(got), len(all), err)
			}
			named := []string{}
			for _, d := range damages {
				named = append(named, d.File)
			}
			if slices.Sort(named); !slices.Equal(named, []string{a, b}) {
				t.Errorf("%s and %s swapped: damage %v", a, b, damages)
			}
		}
	}
}

// A copy of a file under another name counts for nothing, and is named.
func TestACopyOfAFileIsNamed(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	files := capture(t, disk)
	copied := fmt.Sprintf("wal-%020d-%010d", 5, 999)
	files[copied] = files[files.logs()[1]]
	_, got, damages, err := collect(config(files.disk(t)), 0)
	if err != nil || !slices.EqualFunc(got, all, written.equal) || len(damages) != 1 || damages[0].File != copied {
		t.Errorf("%d of %d records, %v, %v", len(got), len(all), damages, err)
	}
}

// A log that was not closed, and has rested, is as safe as one that was closed.
func TestAMarkProvesWhatIsBeforeIt(t *testing.T) {
	disk := vfs.NewMem(1)
	l, _, _, err := collect(config(disk), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(wal.Record{Position: 0, Count: 3}, []byte("three events")); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	spoil := func() []wal.Damage {
		files := capture(t, disk)
		files[files.logs()[0]][4096+50] ^= 1
		checked, err := wal.Check(config(files.disk(t)), 0)
		if err != nil {
			t.Fatal(err)
		}
		return checked
	}
	if l.Proved() || len(spoil()) > 0 {
		t.Error("the last record alone does not tell damage from a torn write, but it is said to")
	}
	for range 3 { // once is enough
		if err := l.Mark(); err != nil {
			t.Fatal(err)
		}
	}
	d := spoil()
	if !l.Proved() || len(d) != 1 || d[0].From != 4096 || d[0].To != 8192 || d[0].LostFrom != 0 || d[0].LostTo != 3 {
		t.Errorf("damage before a mark: %v", d)
	}
	if bytes := l.Stats().Bytes; bytes != 2*4096 {
		t.Errorf("a record and its mark took %d bytes", bytes)
	}
	if err := l.Append(wal.Record{Position: 3, Count: 1}, []byte("x")); err != nil || l.Proved() {
		t.Errorf("a record after a mark: %v, proved %v", err, l.Proved())
	}
}

// What a log no longer needs may be damaged or missing.
func TestDamageBelowFromIsNoDamage(t *testing.T) {
	disk := vfs.NewMem(1)
	all := fillLog(t, config(disk), 40)
	names := capture(t, disk).logs()
	if err := disk.Remove(path.Join(dir, names[0])); err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		_, got, damages, err := collect(config(disk), w.position)
		if err != nil {
			t.Fatal(err)
		}
		if missing := !got[0].equal(all[slices.IndexFunc(all, func(a written) bool { return a.neededFrom(w.position) })]); missing != (len(damages) > 0) {
			t.Errorf("from %d: replay begins with %v, damage %v", w.position, got[0], damages)
		}
	}
}

func TestForeignAndNewerFilesAreRefused(t *testing.T) {
	disk := vfs.NewMem(1)
	fillLog(t, config(disk), 3)
	foreign := config(disk)
	foreign.LogID[0]++
	if _, _, _, err := collect(foreign, 0); !errors.Is(err, wal.ErrForeign) {
		t.Errorf("open with another id: got %v, want ErrForeign", err)
	}
	files := capture(t, disk)
	for _, name := range files.logs() {
		resign(files[name], func(b []byte) { b[8]++ })
	}
	if _, _, _, err := collect(config(files.disk(t)), 0); !errors.Is(err, wal.ErrVersion) {
		t.Errorf("open of a newer format: got %v, want ErrVersion", err)
	}
}

// resign changes a file's header and sets its checksum right.
func resign(b []byte, change func([]byte)) {
	change(b)
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(b[12:], crc32.Update(crc32.Checksum(b[:12], table), table, b[16:64]))
}

// Records of a file's earlier life are never replayed and never damage.
func TestOlderEpochsDoNotCount(t *testing.T) {
	disk := vfs.NewMem(1)
	fillLog(t, config(disk), 1)
	files := capture(t, disk)
	name := files.logs()[0]
	resign(files[name], func(b []byte) { b[32] = 200 })
	files[fmt.Sprintf("wal-%020d-%010d", 0, 200)] = files[name]
	delete(files, name)
	if _, got, damages, err := collect(config(files.disk(t)), 0); len(got) > 0 || len(damages) > 0 || err != nil {
		t.Errorf("a recycled file gave %v, %v, %v; want nothing", got, damages, err)
	}
}
