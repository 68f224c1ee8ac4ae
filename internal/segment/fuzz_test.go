package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"annal"
	"annal/internal/corpus"
	"annal/internal/vfs"
)

// patched returns a file with bytes replaced: each patch is a place, from the
// file's end on modulo its size, and what is put there.
//
//	place u16 │ how many u8 │ bytes
func patched(file string, patches []byte) []byte {
	b := []byte(file)
	for len(patches) > 3 {
		at, n := int(binary.LittleEndian.Uint16(patches))%len(b), int(patches[2])
		n = min(n, len(patches)-3, len(b)-at)
		copy(b[at:], patches[3:3+n])
		patches = patches[3+n:]
	}
	return b
}

// resealed sets every checksum of a file right, as the package comment draws
// them, so that patches get past them. It returns the footer's.
func resealed(b []byte, tie uint32) uint32 {
	le := binary.LittleEndian
	end := len(b) - trailerBytes
	length := le.Uint64(b[end:])
	if length < 4 || length > uint64(end-headerBytes) {
		return 0
	}
	foot := b[end-int(length) : end]
	for i := range min(int(le.Uint32(foot)), (len(foot)-4)/sectionBytes) {
		at := foot[4+i*sectionBytes:]
		if s := decodeSection(at); s.off < uint64(end) && s.size <= uint64(end)-s.off {
			le.PutUint32(at[22:], crc32.Checksum(b[s.off:s.off+s.size], castagnoli))
		}
	}
	sum := crc32.Checksum(foot, castagnoli)
	le.PutUint32(b[end+8:], sum)
	le.PutUint32(b[32:], tie)
	le.PutUint32(b[headerBytes-4:], crc32.Checksum(b[:headerBytes-4], castagnoli))
	return sum
}

// FuzzOpen holds that of a segment that was changed or cut anywhere no row reads
// differently without an error.
func FuzzOpen(f *testing.F) {
	corpus.Seed(f)
	m := newModel(rand.New(rand.NewPCG(12, 12)), mix{rows: 60, tenants: 2, shuffled: true, templated: true})
	disk, s := built(f, m)
	name := s.Name()
	col, idx := contents(f, disk, name+ColSuffix), contents(f, disk, name+IdxSuffix)
	f.Add([]byte{}, []byte{}, uint64(len(col)), uint64(len(idx)))
	f.Add([]byte{60, 0, 1, 0xff}, []byte{}, uint64(len(col)), uint64(100))
	f.Add([]byte{}, []byte{0xff, 0xff, 2, 1, 1}, uint64(len(col)/2), uint64(len(idx)))
	want := m.sorted()
	f.Fuzz(func(t *testing.T, inCol, inIdx []byte, colBytes, idxBytes uint64) {
		changed, changedIdx := patched(col, inCol), patched(idx, inIdx)
		disk := onDisk(t, name, changed[:colBytes%uint64(len(col)+1)], changedIdx[:idxBytes%uint64(len(idx)+1)])
		Verify(disk, "d", name, testLog)
		got, err := reopen(disk, name)
		if err != nil {
			return
		}
		for row := range want {
			if row >= len(got) || got[row] != want[row] {
				t.Fatalf("row %d reads differently, without an error", row)
			}
		}
	})
}

// onDisk returns a disk with the two files of a segment.
func onDisk(t *testing.T, name string, col, idx []byte) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem(1)
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	put(t, disk, name+ColSuffix, string(col))
	put(t, disk, name+IdxSuffix, string(idx))
	return disk
}

// FuzzSealed holds that of a segment whose checksums are right and whose contents
// are not, each part is refused or leads nowhere beyond itself. (A code may
// still be none of its dictionary's: whoever forges checksums can forge texts.)
func FuzzSealed(f *testing.F) {
	corpus.Seed(f)
	m := newModel(rand.New(rand.NewPCG(12, 12)), mix{rows: 60, tenants: 2, shuffled: true, templated: true, far: true})
	disk, s := built(f, m)
	name := s.Name()
	col, idx := contents(f, disk, name+ColSuffix), contents(f, disk, name+IdxSuffix)
	f.Add([]byte{}, []byte{})
	f.Add([]byte{60, 0, 4, 0xff, 0xff, 0xff, 0x7f}, []byte{60, 0, 4, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, inCol, inIdx []byte) {
		col, idx := patched(col, inCol), patched(idx, inIdx)
		resealed(idx, resealed(col, 0))
		if len(inCol)+len(inIdx) == 0 && (!bytes.Equal(col, []byte(contents(t, disk, name+ColSuffix))) || !bytes.Equal(idx, []byte(contents(t, disk, name+IdxSuffix)))) {
			t.Error("a segment is not sealed as the package comment says")
		}
		disk := onDisk(t, name, col, idx)
		s, err := openColumns(disk, "d", name, testLog)
		if err != nil {
			return
		}
		s.verifyFile(s.col)
		if s.openIndex(disk, "d", testLog) == nil {
			s.verifyFile(s.idx)
		}
		if err := Guard(func() error { touch(s); return nil }, s); err != nil && !errors.Is(err, annal.ErrDamaged) {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// touch reads every number and text of the blocks.
func touch(s *Segment) {
	for block := range s.blocks() {
		b, rows := s.hot(block), s.rowsOf(block)
		for slot := range s.slots + numBlockX {
			n := rows
			if k := slot - s.timeSlot(); k >= 0 && k < 2*subBlocks {
				n = min(max(rows-k%subBlocks*subRows, 0), subRows)
			}
			v := vecAt(b, slot*vecHeader)
			for i := range n {
				v.at(i)
			}
		}
	}
	for f := range annal.NumTexts {
		if s.columns[f].form != formBlob {
			d := s.Dict(f)
			for code := range s.columns[f].dict {
				d.At(code)
			}
			continue
		}
		from := &texts{s: s, f: f, block: -1}
		for row := range s.rows {
			from.at(row)
		}
	}
}
