package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"annal/internal/vfs"
)

const writeBuffer = 1 << 20

// A writer writes one file of a segment under a temporary name. The first
// error stays and makes the rest do nothing.
type writer struct {
	f     vfs.File
	name  string // temporary
	magic string
	buf   []byte
	at    uint64
	secs  []section
	err   error
}

const tmpSuffix = ".tmp"

func newWriter(fs vfs.FS, name, magic string, logID [16]byte, tie uint32) *writer {
	w := &writer{name: name + tmpSuffix, magic: magic}
	w.f, w.err = fs.Create(w.name)
	h := make([]byte, 0, headerBytes)
	h = append(h, magic...)
	h = binary.LittleEndian.AppendUint32(h, formatVersion)
	h = binary.LittleEndian.AppendUint32(h, 0)
	h = append(h, logID[:]...)
	h = binary.LittleEndian.AppendUint32(h, tie)
	h = append(h, make([]byte, 8)...)
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	w.write(h)
	return w
}

func (w *writer) write(b []byte) {
	w.at += uint64(len(b))
	if len(w.buf)+len(b) > writeBuffer {
		w.flush()
	}
	if len(b) < writeBuffer {
		w.buf = append(w.buf, b...)
	} else if w.err == nil {
		_, w.err = w.f.Write(b)
	}
}

func (w *writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.f.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// section writes b as a section.
func (w *writer) section(k kind, field uint8, block int, b []byte) {
	w.secs = append(w.secs, section{k, field, uint32(block), w.at, uint64(len(b)), crc32.Checksum(b, castagnoli)})
	w.write(b)
}

// finish writes the footer, syncs and closes. It returns the checksum of the
// footer, which identifies the contents.
func (w *writer) finish(meta []byte) (uint32, error) {
	foot := binary.LittleEndian.AppendUint32(nil, uint32(len(w.secs)))
	for _, s := range w.secs {
		foot = appendSection(foot, s)
	}
	foot = append(foot, meta...)
	crc := crc32.Checksum(foot, castagnoli)
	t := binary.LittleEndian.AppendUint64(nil, uint64(len(foot)))
	t = binary.LittleEndian.AppendUint32(t, crc)
	t = binary.LittleEndian.AppendUint32(t, 0)
	w.write(foot)
	w.write(append(t, w.magic...))
	w.flush()
	if w.err == nil {
		w.err = w.f.Sync()
	}
	if w.f != nil {
		w.err = errors.Join(w.err, w.f.Close())
	}
	if w.err != nil {
		return 0, fmt.Errorf("write %s: %w", w.name, w.err)
	}
	return crc, nil
}
