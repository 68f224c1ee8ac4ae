package segment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"
)

// A coded is a text column as codes into a sorted dictionary.
type coded struct {
	codes  []uint32 // by arrival: codes into the source's values
	local  []uint32 // the source's code → the dictionary's
	values []string // the dictionary: sorted, distinct, all used
}

// dictionary sorts the values that n arrivals use.
func dictionary(codes []uint32, values []string) coded {
	used := make([]bool, len(values))
	for _, c := range codes {
		used[c] = true
	}
	keys := make([]prefixed, 0, min(len(values), len(codes)))
	for c, u := range used {
		if u {
			keys = append(keys, prefixed{code: uint32(c)})
		}
	}
	common := commonPrefix(keys, values)
	for i := range keys {
		keys[i].prefix = prefixOf(values[keys[i].code][common:])
	}
	slices.SortFunc(keys, func(a, b prefixed) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return cmp.Compare(values[a.code], values[b.code])
	})
	d := coded{codes: codes, local: make([]uint32, len(values)), values: make([]string, 0, len(keys))}
	for _, k := range keys {
		if s := values[k.code]; len(d.values) == 0 || d.values[len(d.values)-1] != s {
			d.values = append(d.values, s)
		}
		d.local[k.code] = uint32(len(d.values) - 1)
	}
	return d
}

// A prefixed is a value's code with the first bytes behind the common prefix,
// which settle most comparisons.
type prefixed struct {
	prefix uint64
	code   uint32
}

// commonPrefix returns the length of what all values of keys begin with.
func commonPrefix(keys []prefixed, values []string) int {
	if len(keys) == 0 {
		return 0
	}
	first := values[keys[0].code]
	n := len(first)
	for _, k := range keys[1:] {
		v := values[k.code]
		n = min(n, len(v))
		for i := range n {
			if v[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

func prefixOf(s string) uint64 {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64(raw(s))
	}
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}

// rows sets dst[row] to the dictionary's code of each sorted row.
func (d *coded) rows(dst, order []uint32) {
	if order == nil {
		for i, c := range d.codes {
			dst[i] = d.local[c]
		}
		return
	}
	for row, i := range order {
		dst[row] = d.local[d.codes[i]]
	}
}

// checkDict refuses a dictionary that is too large for its offsets.
func checkDict(values []string) error {
	if total := textBytes(values); total > maxDictText {
		return fmt.Errorf("a dictionary of %d bytes; at most %d are allowed", total, uint32(maxDictText))
	}
	return nil
}

// textBytes is how long the values are together.
func textBytes(values []string) (total int) {
	for _, s := range values {
		total += len(s)
	}
	return total
}

// dictBytes writes a dictionary: u32 count, count+1 u32 offsets, the bytes.
func dictBytes(values []string) []byte {
	b := make([]byte, 0, 4*(len(values)+2)+textBytes(values))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(values)))
	at := uint32(0)
	for _, s := range values {
		b = binary.LittleEndian.AppendUint32(b, at)
		at += uint32(len(s))
	}
	b = binary.LittleEndian.AppendUint32(b, at)
	for _, s := range values {
		b = append(b, s...)
	}
	return b
}

// maxProbes bounds the work per row of intern. Nobody can choose values that
// collide; should many do all the same, the column is less compact, and no time
// is lost.
const maxProbes = 8

// sampleRows are enough to see that a column has no repeated values to speak
// of. Half of them lie next to each other, for values that recur soon; half are
// far apart, for those that recur anywhere.
const sampleRows = 4096

// seemsUnique reports whether a sample of a large column repeats no text.
func (t *TextColumn) seemsUnique(n int, seed uint64) bool {
	if n < 4*sampleRows {
		return false
	}
	const half = sampleRows / 2
	order := make([]uint32, sampleRows)
	for i := range half {
		order[i] = uint32(i * ((n - half) / half))
		order[half+i] = uint32(n - half + i)
	}
	_, _, repeats := t.sorted(order).intern(sampleRows, sampleRows-1, seed)
	return !repeats
}

// intern gives each distinct text of the column a code. It gives up, with false,
// when there are more than limit distinct ones. The seed is that of the segment's
// hashes.
func (t *TextColumn) intern(n, limit int, seed uint64) (codes []uint32, values []string, ok bool) {
	slots := make([]uint64, 1<<bits.Len(uint(2*limit+1))) // high half of the hash, code+1
	mask := uint64(len(slots) - 1)
	codes = make([]uint32, n)
	probes := maxProbes * n
	for i := range n {
		s := t.Bytes[t.Off[i]:t.Off[i+1]]
		h := xxh3.HashSeed(s, seed)
		for at := h & mask; ; at = (at + 1) & mask {
			if probes--; probes < 0 {
				return nil, nil, false
			}
			slot := slots[at]
			if slot == 0 {
				if len(values) == limit {
					return nil, nil, false
				}
				values = append(values, text(s))
				slots[at] = h>>32<<32 | uint64(len(values))
				codes[i] = uint32(len(values) - 1)
				break
			}
			if c := uint32(slot) - 1; slot>>32 == h>>32 && values[c] == text(s) {
				codes[i] = c
				break
			}
		}
	}
	return codes, values, true
}
