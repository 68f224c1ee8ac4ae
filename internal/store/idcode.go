package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"annal"
)

// An idCode makes event ids that need no storage: a UUIDv7 (RFC 9562) whose time
// is Received and whose random bits are a keyed permutation of Position, so that
// an id leads straight to its event and yet tells nobody how many there are.
//
//	48 bits ms of Received │ 4 version │ 12 + 2 variant + 62: 64 bits permuted position, 10 check bits
//
// The permutation is a Feistel network of four rounds over AES (Luby and
// Rackoff, 1988).
//
// An idCode is for one goroutine at a time: it keeps scratch space.
type idCode struct {
	block   cipher.Block
	scratch [aes.BlockSize]byte
	many    [idLanes][aes.BlockSize]byte
}

const feistelRounds = 4

// idLanes is how many ids are made at once.
const idLanes = 16

func newIDCode(key [16]byte) *idCode {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a wrong key length, which the type rules out
	}
	return &idCode{block: block}
}

// id returns the id of the event at position, received at µs.
func (c *idCode) id(position uint64, received int64) annal.ID {
	ms := uint64(received / 1000)
	return assembleID(ms, c.permute(position), c.round(checkRound, fold32(position), ms))
}

// checkRound is the number under which check bits are made.
const checkRound = 0xff

func fold32(v uint64) uint32 { return uint32(v) ^ uint32(v>>32) }

// assembleID makes an id of a permuted position and the low bits of check.
func assembleID(ms, x uint64, check uint32) annal.ID {
	check &= 0x3ff
	var id annal.ID
	hi := ms<<16 | 7<<12 | x>>52
	lo := 2<<62 | (x<<12>>12)<<10 | uint64(check)
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id
}

// ids is id for the new events of a batch, whose receipts have their positions.
// Rounds wait for one another, ids do not: each round is made for several of
// them before the next one.
func (c *idCode) ids(receipts []annal.Receipt, received int64) {
	ms := uint64(received / 1000)
	var left, right, check [idLanes]uint32
	for len(receipts) > 0 {
		n := min(idLanes, len(receipts))
		for i := range n {
			left[i], right[i] = uint32(receipts[i].Position>>32), uint32(receipts[i].Position)
			check[i] = fold32(receipts[i].Position)
		}
		c.rounds(checkRound, check[:n], ms)
		for i := range byte(feistelRounds) {
			next := right
			c.rounds(i, next[:n], 0)
			for j := range n {
				left[j], right[j] = right[j], left[j]^next[j]
			}
		}
		for i := range n {
			if !receipts[i].Duplicate {
				receipts[i].ID = assembleID(ms, uint64(left[i])<<32|uint64(right[i]), check[i])
			}
		}
		receipts = receipts[n:]
	}
}

// rounds is round for each of halves, at most idLanes, in their places.
func (c *idCode) rounds(i byte, halves []uint32, tweak uint64) {
	for j, half := range halves {
		b := c.many[j][:]
		fillRound(b, i, half, tweak)
		c.block.Encrypt(b, b)
	}
	for j := range halves {
		halves[j] = binary.LittleEndian.Uint32(c.many[j][:])
	}
}

// position returns where the event with this id is, if id is one of ours; the
// caller compares the id of the event it finds there.
func (c *idCode) position(id annal.ID) (uint64, bool) {
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	if hi>>12&15 != 7 || lo>>62 != 2 {
		return 0, false
	}
	x := hi&0xfff<<52 | lo<<2>>12
	return c.invert(x), true
}

// gave reports whether id is that of the event at position.
func (c *idCode) gave(id annal.ID, position uint64) bool {
	ms := binary.BigEndian.Uint64(id[:8]) >> 16
	return c.id(position, int64(ms)*1000) == id
}

func (c *idCode) permute(v uint64) uint64 {
	l, r := uint32(v>>32), uint32(v)
	for i := range byte(feistelRounds) {
		l, r = r, l^c.round(i, r, 0)
	}
	return uint64(l)<<32 | uint64(r)
}

func (c *idCode) invert(v uint64) uint64 {
	l, r := uint32(v>>32), uint32(v)
	for i := range byte(feistelRounds) {
		l, r = r^c.round(feistelRounds-1-i, l, 0), l
	}
	return uint64(l)<<32 | uint64(r)
}

func (c *idCode) round(i byte, half uint32, tweak uint64) uint32 {
	b := c.scratch[:]
	fillRound(b, i, half, tweak)
	c.block.Encrypt(b, b)
	return binary.LittleEndian.Uint32(b)
}

// fillRound writes what a round encrypts: its number, 32 bits and 64 bits.
func fillRound(b []byte, i byte, half uint32, tweak uint64) {
	binary.LittleEndian.PutUint64(b, uint64(i)|uint64(half)<<8|tweak<<40)
	binary.LittleEndian.PutUint64(b[8:], tweak>>24)
}
