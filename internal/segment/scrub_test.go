package segment

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"annal/internal/vfs"
)

// scrubAll reads all of s and returns the damage that it finds.
func scrubAll(t *testing.T, s *Segment, limit int) (found []*DamageError) {
	t.Helper()
	for part, rounds := 0, 0; ; rounds++ {
		next, err := s.Scrub(vfs.OS{}, part, limit)
		var d *DamageError
		if errors.As(err, &d) {
			found = append(found, d)
		} else if err != nil {
			t.Fatal(err)
		}
		if next == 0 {
			return found
		}
		if next <= part || rounds > 1000 {
			t.Fatalf("part %d is followed by %d", part, next)
		}
		part = next
	}
}

// Whichever byte of either file changes after a segment was opened and read, scrub
// finds it, and a read of what is there meets it, although it was verified before.
func TestScrubFindsEveryFlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(81, 82))
	dir := t.TempDir()
	m := newModel(rng, mix{rows: 2000, tenants: 3, shuffled: true, templated: true})
	name, err := Build(vfs.OS{}, dir, m.columns(), testLog)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(vfs.OS{}, dir, name, testLog)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	preload := func() error { return Guard(func() error { s.Preload(); return nil }, s) }
	if err := preload(); err != nil {
		t.Fatal(err)
	}
	if found := scrubAll(t, s, 1); found != nil {
		t.Fatalf("damage of a sound segment: %v", found)
	}
	for _, suffix := range []string{ColSuffix, IdxSuffix} {
		file := filepath.Join(dir, name+suffix)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			at := rng.Int64N(info.Size())
			flip(t, file, at)
			found := scrubAll(t, s, 1<<rng.IntN(20))
			if len(found) != 1 || found[0].File != file || at < found[0].From || at >= found[0].To {
				t.Fatalf("byte %d of %s: scrub finds %v", at, suffix, found)
			}
			framed := at < headerBytes || found[0].To == info.Size()
			if err := preload(); !framed && err == nil {
				t.Fatalf("byte %d of %s: it is read without an error", at, suffix)
			}
			flip(t, file, at)
		}
	}
	if err := preload(); err != nil {
		t.Errorf("mended: %v", err)
	}
}

// flip changes a byte of a file in place.
func flip(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
