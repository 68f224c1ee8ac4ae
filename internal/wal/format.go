package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"annal/internal/vfs"
)

// MaxRecord is the largest payload of one record, in bytes.
const MaxRecord = 64 << 20

const (
	version      = 2
	blockSize    = vfs.Align
	headerUsed   = 64         // bytes of the header block that mean something
	recordHeader = 48         // bytes before a record's payload
	recordMagic  = 0x43524e41 // ANRC
	markMagic    = 0x4b4d4e41 // ANMK: all before it was acknowledged
	endMagic     = 0x464e4e41 // ANNF: the next file was begun
)

var (
	// ErrForeign: a file belongs to another log.
	ErrForeign = errors.New("the file belongs to another log")
	// ErrVersion: a file was written by a newer annal.
	ErrVersion = errors.New("the file has a newer format")
	// ErrTooLarge: a record is over MaxRecord.
	ErrTooLarge = errors.New("the record is too large")

	errHeader = errors.New("bad file header")
)

const fileMagic = "annalwal"

// fileHeader is the first block of a file.
type fileHeader struct {
	logID  [16]byte
	epoch  uint64
	first  uint64 // position of the first record
	number uint64 // number of the first record
	length int64  // bytes of the file; 0: version 1 does not say
}

// encode writes the header into a zeroed block.
func (h *fileHeader) encode(b []byte, table *crc32.Table) {
	copy(b, fileMagic)
	binary.LittleEndian.PutUint32(b[8:], version)
	copy(b[16:], h.logID[:])
	binary.LittleEndian.PutUint64(b[32:], h.epoch)
	binary.LittleEndian.PutUint64(b[40:], h.first)
	binary.LittleEndian.PutUint64(b[48:], h.number)
	binary.LittleEndian.PutUint64(b[56:], uint64(h.length))
	binary.LittleEndian.PutUint32(b[12:], headerSum(b, table))
}

func headerSum(b []byte, table *crc32.Table) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], table), table, b[16:headerUsed])
}

// decodeHeader reads a header of any log; errHeader means that it is damaged.
func decodeHeader(b []byte, table *crc32.Table) (fileHeader, error) {
	var h fileHeader
	if len(b) < headerUsed || string(b[:8]) != fileMagic || binary.LittleEndian.Uint32(b[12:]) != headerSum(b, table) {
		return h, errHeader
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > version {
		return h, fmt.Errorf("%w: version %d, and this annal reads up to %d", ErrVersion, v, version)
	}
	copy(h.logID[:], b[16:])
	h.epoch = binary.LittleEndian.Uint64(b[32:])
	h.first = binary.LittleEndian.Uint64(b[40:])
	h.number = binary.LittleEndian.Uint64(b[48:])
	h.length = int64(binary.LittleEndian.Uint64(b[56:]))
	return h, nil
}

// A frame is a record's header.
type frame struct {
	magic    uint32 // which kind of record
	epoch    uint64
	number   uint64
	position uint64
	received int64
	count    uint32
	length   uint32 // of the payload
}

// size returns the bytes that the record takes in the file.
func (f *frame) size() int64 { return padded(int64(f.length)) }

// padded returns the bytes that a record with a payload of n bytes takes.
func padded(n int64) int64 { return (recordHeader + n + blockSize - 1) &^ (blockSize - 1) }

// A codec frames the records of one log.
type codec struct {
	table *crc32.Table
	logID [16]byte
}

func newCodec(logID [16]byte) codec {
	return codec{crc32.MakeTable(crc32.Castagnoli), logID}
}

// seal writes the header of a record whose payload stands in b already, for its
// place at off.
func (c *codec) seal(b []byte, f *frame, off int64) {
	binary.LittleEndian.PutUint32(b, f.magic)
	binary.LittleEndian.PutUint64(b[8:], f.epoch)
	binary.LittleEndian.PutUint64(b[16:], f.number)
	binary.LittleEndian.PutUint64(b[24:], f.position)
	binary.LittleEndian.PutUint64(b[32:], uint64(f.received))
	binary.LittleEndian.PutUint32(b[40:], f.count)
	binary.LittleEndian.PutUint32(b[44:], f.length)
	binary.LittleEndian.PutUint32(b[4:], c.sum(b[:recordHeader+int(f.length)], off))
}

// decode reads what may be a record's header; ok says that it may be.
func (c *codec) decode(b []byte) (f frame, ok bool) {
	if len(b) < recordHeader {
		return f, false
	}
	f = frame{
		magic:    binary.LittleEndian.Uint32(b),
		epoch:    binary.LittleEndian.Uint64(b[8:]),
		number:   binary.LittleEndian.Uint64(b[16:]),
		position: binary.LittleEndian.Uint64(b[24:]),
		received: int64(binary.LittleEndian.Uint64(b[32:])),
		count:    binary.LittleEndian.Uint32(b[40:]),
		length:   binary.LittleEndian.Uint32(b[44:]),
	}
	known := f.magic == recordMagic || f.count == 0 && f.length == 0 && (f.magic == markMagic || f.magic == endMagic)
	return f, known && f.length <= MaxRecord && f.position+uint64(f.count) >= f.position
}

// intact checks a whole record, header and payload, that stands at off.
func (c *codec) intact(b []byte, off int64) bool {
	return binary.LittleEndian.Uint32(b[4:]) == c.sum(b, off)
}

func (c *codec) sum(b []byte, off int64) uint32 {
	var place [24]byte
	copy(place[:], c.logID[:])
	binary.LittleEndian.PutUint64(place[16:], uint64(off))
	return crc32.Update(crc32.Checksum(place[:], c.table), c.table, b[8:])
}
