package pdf

import (
	_ "embed" // for the fonts
	"encoding/binary"
	"errors"
)

// The fonts are DejaVu Sans Condensed, whose licence is beside them. They are
// texts, so that nothing can write into them: the library appends to what it
// is given.
var (
	//go:embed fonts/DejaVuSansCondensed.ttf
	regularFont string
	//go:embed fonts/DejaVuSansCondensed-Bold.ttf
	boldFont string
)

var errFont = errors.New("the font has no table of characters that can be read")

// A runeSet says which characters of the basic plane a font can draw.
type runeSet [1 << 16 / 64]uint64

func (s *runeSet) add(r uint16) { s[r/64] |= 1 << (r % 64) }

func (s *runeSet) has(r rune) bool {
	return r >= 0 && r < 1<<16 && s[r/64]&(1<<(r%64)) != 0
}

// drawable reads the characters that a TrueType font has glyphs for out of its
// cmap table, the subtable of format 4.
func drawable(font string) (set *runeSet, err error) {
	defer func() {
		if recover() != nil { // beyond the end of the font
			set, err = nil, errFont
		}
	}()
	cmap := fontTable([]byte(font), "cmap")
	for i := range u16(cmap, 2) {
		at := int(binary.BigEndian.Uint32(cmap[8+8*int(i):]))
		if u16(cmap, at) == 4 {
			return segments(cmap[at:]), nil
		}
	}
	return nil, errFont
}

// fontTable returns a table of a font and what lies behind it; nil when there
// is none.
func fontTable(font []byte, name string) []byte {
	for i := range u16(font, 4) {
		entry := font[12+16*int(i):]
		if string(entry[:4]) == name {
			return font[binary.BigEndian.Uint32(entry[8:]):]
		}
	}
	return nil
}

// segments reads a subtable of format 4: runs of characters, each with a number
// to add to get the glyph, or a place in a list of glyphs. Glyph 0 is none.
func segments(b []byte) *runeSet {
	set := new(runeSet)
	n := int(u16(b, 6)) // bytes of each of the four columns
	for i := 0; i < n; i += 2 {
		end, start, delta := u16(b, 14+i), u16(b, 16+n+i), u16(b, 16+2*n+i)
		place := 16 + 3*n + i
		offset := int(u16(b, place))
		for c := int(start); c <= int(end) && c < 0xFFFF; c++ {
			glyph := uint16(c) + delta
			if offset != 0 {
				if glyph = u16(b, place+offset+2*(c-int(start))); glyph != 0 {
					glyph += delta
				}
			}
			if glyph != 0 {
				set.add(uint16(c))
			}
		}
	}
	return set
}

func u16(b []byte, at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
