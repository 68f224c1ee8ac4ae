package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"annal/internal/corpus"
	"annal/internal/vfs"
	"annal/internal/wal"
)

// sealed returns a file with every checksum set right, as the package comment
// draws them, and the name that its header asks for. Mutations then get past
// the checksums.
func sealed(b []byte, logID [16]byte) (string, []byte) {
	b = append(bytes.Clone(b), make([]byte, max(0, 64-len(b)))...)
	resign(b, func(b []byte) {
		copy(b, "annalwal\x02\x00\x00\x00")
		copy(b[16:], logID[:])
		binary.LittleEndian.PutUint64(b[56:], uint64(len(b)))
	})
	for off := 4096; off+48 <= len(b); off += 4096 {
		r := b[off:]
		end := 48 + int(binary.LittleEndian.Uint32(r[44:]))
		if kind := string(r[:4]); kind != "ANRC" && kind != "ANMK" && kind != "ANNF" || end > len(r) {
			continue
		}
		table := crc32.MakeTable(crc32.Castagnoli)
		place := binary.LittleEndian.AppendUint64(logID[:], uint64(off))
		binary.LittleEndian.PutUint32(r[4:], crc32.Update(crc32.Checksum(place, table), table, r[8:end]))
	}
	return fmt.Sprintf("wal-%020d-%010d", binary.LittleEndian.Uint64(b[40:]), binary.LittleEndian.Uint64(b[32:])), b
}

// The package comment is enough to write a log by: a file that is sealed anew
// from it is the same file.
func TestFormatIsAsDrawn(t *testing.T) {
	disk := vfs.NewMem(1)
	fillLog(t, config(disk), 20)
	files := capture(t, disk)
	for _, name := range files.logs() {
		if again, b := sealed(files[name], config(disk).LogID); again != name || !bytes.Equal(b, files[name]) {
			t.Errorf("%s is not as the format says", name)
		}
	}
}

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

// Whatever a file holds, it opens without a panic, gives records in order, and
// gives the same ones again.
func FuzzReadFile(f *testing.F) {
	corpus.Seed(f)
	disk := vfs.NewMem(1)
	cfg := config(disk)
	fillLog(f, cfg, 10)
	files := capture(f, disk)
	name, fileSize := files.logs()[0], len(files[files.logs()[0]])
	f.Add([]byte{}, uint64(fileSize), false, uint64(0))
	f.Add([]byte{44, 16, 0, 0, 1, 0xff}, uint64(fileSize), true, uint64(7)) // the length of a record
	f.Add([]byte{32, 0, 0, 0, 1, 0xff, 16, 16, 0, 0, 2, 9, 9}, uint64(5000), true, uint64(0))
	f.Add([]byte{}, uint64(0), false, uint64(1))
	f.Fuzz(func(t *testing.T, patches []byte, size uint64, seal bool, from uint64) {
		name := name
		b := patched(files[name], patches)[:size%uint64(fileSize+1)]
		if seal {
			name, b = sealed(b, cfg.LogID)
		}
		cfg := config(image{name: b}.disk(t))
		l, got, damages, err := collect(cfg, from)
		if errors.Is(err, wal.ErrForeign) || errors.Is(err, wal.ErrVersion) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		next := uint64(0)
		for _, w := range got {
			if w.position < next || !w.neededFrom(from) {
				t.Errorf("replay from %d gives %v", from, got)
			}
			next = w.position + uint64(w.count)
		}
		if l.Stats().Next < next || l.Stats().Next < from {
			t.Errorf("next position %d is below %d or %d", l.Stats().Next, next, from)
		}
		for _, d := range damages {
			if d.From < 0 || d.From > d.To || d.To > int64(max(len(b), fileSize)) || d.LostFrom > d.LostTo {
				t.Errorf("impossible damage %v of a file of %d bytes", d, len(b))
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, again, _, err := collect(cfg, from); err != nil || !slices.EqualFunc(again, got, written.equal) {
			t.Errorf("second replay: %v, %v; first %v", again, err, got)
		}
	})
}
