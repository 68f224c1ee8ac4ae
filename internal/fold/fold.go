// Package fold finds words in texts without regard to case, exactly as
// strings.Contains(strings.ToLower(text), word) does, but without making the
// lower-case text. The one idea: look for the part of the word that reads the
// same in both cases, or failing that for its rarest letter, with the machine's
// own search for bytes, and compare letters only where that is found.
package fold

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unsafe"
)

// A Finder looks for one word. It may be used by many goroutines.
type Finder struct {
	word   string // lower case
	ascii  bool   // the word has only ASCII bytes
	anchor string // a part that reads the same in both cases; "" when there is none
	letter byte   // without an anchor: the rarest letter of the word
	at     int    // where anchor or letter stands in the word
}

// minAnchor is the shortest part worth looking for instead of a letter.
const minAnchor = 2

// byFrequency lists letters, the rarest in English first.
const byFrequency = "zqjxkvbywgpfmucdlhrsnioate"

// New returns a Finder of a lower-case word, which must not be empty.
func New(word string) *Finder {
	f := &Finder{word: word, ascii: !high(word)}
	if !f.ascii {
		return f
	}
	for i := 0; i < len(word); {
		j := i
		for j < len(word) && !isLetter(word[j]) {
			j++
		}
		if j-i > len(f.anchor) {
			f.anchor, f.at = word[i:j], i
		}
		i = j + 1
	}
	if len(f.anchor) >= minAnchor || len(f.anchor) == len(word) {
		return f
	}
	f.anchor = ""
	for _, c := range []byte(byFrequency) {
		if i := strings.IndexByte(word, c); i >= 0 {
			f.letter, f.at = c, i
			break
		}
	}
	return f
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// In reports whether text contains the word.
func (f *Finder) In(text string) bool {
	if f.ascii && f.index(text) >= 0 {
		return true
	}
	return high(text) && strings.Contains(strings.ToLower(text), f.word)
}

// Each looks through many texts that stand one behind the other in all, and
// calls fn with the number of each text that contains the word, ascending. Text
// i ends where end(i) says, which is where text i+1 begins; there are n.
func (f *Finder) Each(all []byte, n int, end func(i int) int, fn func(i int)) {
	text := unsafe.String(unsafe.SliceData(all), len(all))
	if !f.ascii || high(text) {
		start := 0
		for i := range n {
			stop := end(i)
			if f.In(text[start:stop]) {
				fn(i)
			}
			start = stop
		}
		return
	}
	for at, i := 0, 0; at < len(text); {
		k := f.index(text[at:])
		if k < 0 {
			return
		}
		at += k
		i = i + firstAbove(n-i, func(j int) bool { return end(i+j) > at })
		if i == n {
			return
		}
		if at+len(f.word) <= end(i) {
			fn(i)
			at = end(i)
			i++
		} else {
			at++
		}
	}
}

// firstAbove returns the least j < n for which is, or n; is must be false up to
// there and true from there on. It is quick when j is small.
func firstAbove(n int, is func(j int) bool) int {
	step := 1
	lo := 0
	for lo+step <= n && !is(lo+step-1) {
		lo += step
		step *= 2
	}
	hi := min(lo+step, n)
	for lo < hi {
		mid := (lo + hi) / 2
		if is(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// index returns where the word, which is ASCII, stands first in text; -1: it
// does not.
func (f *Finder) index(text string) int {
	if f.anchor != "" {
		return f.byAnchor(text)
	}
	return f.byLetter(text)
}

func (f *Finder) byAnchor(text string) int {
	for from := f.at; from+len(f.word)-f.at <= len(text); {
		k := strings.Index(text[from:], f.anchor)
		if k < 0 {
			return -1
		}
		if start := from + k - f.at; f.standsAt(text, start) {
			return start
		}
		from += k + 1
	}
	return -1
}

func (f *Finder) byLetter(text string) int {
	lower, upper := -1, -1
	for from := f.at; ; {
		if lower < from {
			lower = indexFrom(text, f.letter, from)
		}
		if upper < from {
			upper = indexFrom(text, f.letter-('a'-'A'), from)
		}
		at := min(lower, upper)
		if at == len(text) {
			return -1
		}
		if f.standsAt(text, at-f.at) {
			return at - f.at
		}
		from = at + 1
	}
}

// indexFrom returns where c stands in text at or after from; len(text): nowhere.
func indexFrom(text string, c byte, from int) int {
	if from >= len(text) {
		return len(text)
	}
	if k := strings.IndexByte(text[from:], c); k >= 0 {
		return from + k
	}
	return len(text)
}

// standsAt reports whether the word stands at text[at:], letters of either case.
func (f *Finder) standsAt(text string, at int) bool {
	if at+len(f.word) > len(text) {
		return false
	}
	for i := range len(f.word) {
		c := text[at+i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != f.word[i] {
			return false
		}
	}
	return true
}

// high reports whether s has a byte beyond ASCII.
func high(s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return true
		}
	}
	return bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 })
}
