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

// Whatever a file holds, it opens without a panic, gives records in order, and
// gives the same ones again.
func FuzzReadFile(f *testing.F) {
	corpus.Seed(f)
	disk := vfs.NewMem(1)
	cfg := config(disk)
	fillLog(f, cfg, 10)
	files := capture(f, disk)
	name, fileSize := files.logs()[0], len(files[files.logs()[0]])
	f.Add(files[name], false, uint64(0))
	f.Add(files[name], true, uint64(7))
	f.Add(files[name][:5000], true, uint64(0))
	f.Add([]byte{}, false, uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, seal bool, from uint64) {
		name := name
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
