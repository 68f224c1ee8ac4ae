package book

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"annal/internal/corpus"
)

// patched returns a file with bytes replaced: each patch is a place, from the
// file's end on modulo its size, and what is put there.
//
//	place u32 │ how many u8 │ bytes
func patched(file, patches []byte) []byte {
	b := bytes.Clone(file)
	for len(patches) > 5 {
		at, n := int(binary.LittleEndian.Uint32(patches))%len(b), int(patches[4])
		n = min(n, len(patches)-5, len(b)-at)
		copy(b[at:], patches[5:5+n])
		patches = patches[5+n:]
	}
	return b
}

// resealed sets the checksums of the two meta pages right, so that patches of
// them get past these.
func resealed(b []byte) []byte {
	for _, at := range []int{0, os.Getpagesize()} {
		if m := at + pageHeader; m+metaBytes <= len(b) {
			h := fnv.New64a()
			_, _ = h.Write(b[m : m+metaBytes-8]) // a hash takes everything
			binary.LittleEndian.PutUint64(b[m+metaBytes-8:], h.Sum64())
		}
	}
	return b
}

// FuzzVerify holds that a file that is changed is refused, or is still read as
// what was put into it: by the verifier and by bbolt. With the checksums of its
// meta pages set right it may be an earlier state, about which both agree.
func FuzzVerify(f *testing.F) {
	corpus.Seed(f)
	name := filepath.Join(f.TempDir(), "book")
	want := filled(f, name, rand.New(rand.NewPCG(5, 5)), 4)
	whole, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, false, uint64(len(whole)))
	f.Add([]byte{10, 0, 0, 0, 1, 0xff}, false, uint64(len(whole)))
	f.Add([]byte{32, 0, 0, 0, 2, 0xff, 0xff}, true, uint64(len(whole)))         // the root's page
	f.Add([]byte{10, 0x20, 0, 0, 4, 0xff, 0xff, 0, 1}, true, uint64(8192))      // a page's count, and the file is cut
	f.Add([]byte{0, 0x30, 0, 0, 3, 9, 0, 0, 1, 0, 0, 0, 1, 1}, true, uint64(0)) // an id, and no file
	f.Fuzz(func(t *testing.T, patches []byte, seal bool, size uint64) {
		b := patched(whole, patches)
		if seal {
			b = resealed(b)
		}
		b = b[:size%uint64(len(b)+1)]
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got := contents{}
		err := Scan(name, logID, func(bucket string, key, value []byte) {
			if bucket != bucketBook {
				got[bucket+"/"+string(key)] = string(value)
			}
		})
		var d *DamageError
		if errors.As(err, &d) {
			if d.From < 0 || d.From > d.To || d.File != name {
				t.Errorf("impossible damage %v of %d bytes", d, len(b))
			}
			return
		}
		want := want
		if seal {
			want = got
		}
		if err != nil || !maps.Equal(got, want) {
			t.Fatalf("a changed file has %d records, want %d others, or damage: %v", len(got), len(want), err)
		}
		sound, err := Open(name, logID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, sound); !maps.Equal(got, want) {
			t.Errorf("bbolt reads %d records, want %d others", len(got), len(want))
		}
		if err := sound.Close(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzReadKey holds that a key's file is what WriteKey writes, to the byte.
func FuzzReadKey(f *testing.F) {
	corpus.Seed(f)
	name := filepath.Join(f.TempDir(), "key")
	if err := WriteKey(name, "a key", logID); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, false)
	f.Add(whole[:len(whole)-1], false)
	f.Add(whole[1:], true)
	f.Add([]byte(owner(logID)), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = append(bytes.Clone(b), keySum(b)...)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := ReadKey(name, logID)
		if err != nil {
			if !Unusable(err) {
				t.Errorf("%q: %v", b, err)
			}
			return
		}
		if err := WriteKey(name, text, logID); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(name); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is read as %q, which is written as %q (%v)", b, text, again, err)
		}
	})
}
