package book

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"os"
)

// What bbolt writes, version 2 of its format.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaBytes   = 64
	pageHeader  = 16
	element     = 16
	inBucket    = 16
	flagBranch  = 0x01
	flagLeaf    = 0x02
	flagFree    = 0x10
	flagBucket  = 1      // of an element of a leaf
	manyFree    = 0xFFFF // the count is in the first element
	noFreelist  = ^uint64(0)
	maxDepth    = 64
	minPage     = 512
	maxPage     = 1 << 16
)

// Verify reads a book's file in full, and changes nothing.
//
// Errors: *DamageError, ErrForeign, fs.ErrNotExist; others when the file cannot
// be read now.
func Verify(name string, logID [16]byte) error {
	return Scan(name, logID, func(_ string, _, _ []byte) {})
}

// Scan is Verify, and calls fn with every record on its way. What it gave counts
// only if it returns nil.
func Scan(name string, logID [16]byte, fn func(bucket string, key, value []byte)) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	v := &verifier{name: name, b: b, fn: fn, owner: map[uint64]bool{}, sums: map[string]sum{}, found: map[string]sum{}}
	if err := v.run(); err != nil {
		return err
	}
	if v.log != logID {
		return fmt.Errorf("%s: %w: it is of log %x, and this is log %x", name, ErrForeign, v.log, logID)
	}
	return nil
}

// A verifier walks through the pages of a file.
type verifier struct {
	name     string
	b        []byte
	pageSize uint64
	pages    uint64          // below the high-water mark
	owner    map[uint64]bool // pages that something refers to
	first    []byte          // key of the pages that were walked through last
	last     []byte          // key that was passed last in the bucket at hand

	sums  map[string]sum // as recorded
	found map[string]sum // as counted
	fn    func(bucket string, key, value []byte)
	log   [16]byte
}

// A meta is one of the two pages from which all is reached.
type meta struct{ pageSize, root, freelist, pages, tx uint64 }

func (v *verifier) damage(what string, from, to uint64) error {
	return &DamageError{v.name, what, int64(from), int64(to)}
}

// somewhere is damage that pages which refer to one another do not agree about.
func (v *verifier) somewhere(what string) error { return v.damage(what, 0, uint64(len(v.b))) }

func (v *verifier) run() error {
	m, err := v.meta()
	if err != nil {
		return err
	}
	v.pageSize, v.pages = m.pageSize, m.pages
	if v.pages > uint64(len(v.b))/v.pageSize {
		most := uint64(math.MaxInt64) / v.pageSize // pages whose end is an offset
		return v.damage("it is cut short", uint64(len(v.b)), min(v.pages, most)*v.pageSize)
	}
	v.last = nil
	if err := v.tree("", m.root, 0); err != nil {
		return err
	}
	if err := v.freelist(m.freelist); err != nil {
		return err
	}
	return v.compare()
}

// meta returns the newer of the two, both of which must be sound: with one of
// them damaged nobody knows whether the last change is still there.
func (v *verifier) meta() (newest meta, err error) {
	size, err := v.guessPageSize()
	if err != nil {
		return newest, err
	}
	for i := range uint64(2) {
		from := i * size
		if from+pageHeader+metaBytes > uint64(len(v.b)) {
			return newest, v.damage("it is cut short", uint64(len(v.b)), from+size)
		}
		m, ok := decodeMeta(v.b[from+pageHeader:])
		if !ok || m.pageSize != size {
			return newest, v.damage(fmt.Sprintf("meta page %d: wrong checksum", i), from, from+size)
		}
		if m.tx >= newest.tx {
			newest = m
		}
	}
	return newest, nil
}

// guessPageSize takes the page size from whichever meta page has it.
func (v *verifier) guessPageSize() (uint64, error) {
	for from := uint64(0); from <= maxPage; from = max(minPage, 2*from) {
		if from+pageHeader+metaBytes > uint64(len(v.b)) {
			break
		}
		m, ok := decodeMeta(v.b[from+pageHeader:])
		if ok && (from == 0 || from == m.pageSize) && m.pageSize >= minPage && m.pageSize <= maxPage {
			return m.pageSize, nil
		}
	}
	return 0, v.damage("it has no sound meta page", 0, min(uint64(len(v.b)), 2*minPage))
}

func decodeMeta(b []byte) (m meta, ok bool) {
	le := binary.LittleEndian
	h := fnv.New64a()
	_, _ = h.Write(b[:metaBytes-8]) // a hash takes everything
	m = meta{uint64(le.Uint32(b[8:])), le.Uint64(b[16:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])}
	return m, le.Uint32(b) == metaMagic && le.Uint32(b[4:]) == metaVersion && le.Uint64(b[56:]) == h.Sum64()
}

// A page is one page with those that it overflows into, or an inline one.
type page struct {
	b     []byte // of the whole
	at    uint64 // offset in the file
	size  uint64 // there; an inline page lies within another
	flags uint16
	count uint64
}

// page returns the page with an id, which nothing else may refer to.
func (v *verifier) page(id uint64) (p page, err error) {
	if id < 2 || id >= v.pages {
		return p, v.somewhere(fmt.Sprintf("page %d is referred to, but there is none", id))
	}
	from := id * v.pageSize
	h := v.b[from:]
	over := uint64(binary.LittleEndian.Uint32(h[12:]))
	if binary.LittleEndian.Uint64(h) != id || over >= v.pages-id {
		return p, v.somewhere(fmt.Sprintf("page %d at byte %d has a wrong header, or is the wrong one", id, from))
	}
	end := from + (1+over)*v.pageSize
	for i := id; i <= id+over; i++ {
		if v.owner[i] {
			return p, v.somewhere(fmt.Sprintf("page %d at byte %d is in use twice", i, i*v.pageSize))
		}
		v.owner[i] = true
	}
	return decodePage(v.b[from:end], from), nil
}

func decodePage(b []byte, at uint64) page {
	return page{b, at, uint64(len(b)), binary.LittleEndian.Uint16(b[8:]), uint64(binary.LittleEndian.Uint16(b[10:]))}
}

func (v *verifier) bad(p *page, what string) error {
	return v.damage(fmt.Sprintf("page %d: %s", p.at/v.pageSize, what), p.at, p.at+p.size)
}

// tree walks through a page and what is below it. The bucket "" is the one that
// holds the others.
func (v *verifier) tree(name string, id uint64, depth int) error {
	p, err := v.page(id)
	if err != nil {
		return err
	}
	if depth > maxDepth {
		return v.bad(&p, "too deep")
	}
	if p.flags == flagLeaf {
		return v.leaf(name, &p)
	}
	if p.flags != flagBranch || p.count == 0 || pageHeader+p.count*element > uint64(len(p.b)) {
		return v.bad(&p, "neither a branch nor a leaf")
	}
	var first []byte
	defer func() { v.first = first }()
	for i := range p.count {
		at := pageHeader + i*element
		e := p.b[at:]
		key, ok := p.slice(at, e[0:], e[4:], nil)
		if !ok || i > 0 && !v.after(key) {
			return v.bad(&p, "impossible branch")
		}
		v.first = nil
		if err := v.tree(name, binary.LittleEndian.Uint64(e[8:]), depth+1); err != nil {
			return err
		}
		if bytes.Compare(v.first, key) < 0 {
			return v.bad(&p, "impossible branch")
		}
		if i == 0 {
			first = v.first
		}
	}
	return nil
}

// after reports whether key lies behind the last one that was passed.
func (v *verifier) after(key []byte) bool { return v.last == nil || bytes.Compare(key, v.last) > 0 }

// slice returns the bytes at a place that counts from the element at, with the
// length n, behind skip.
func (p *page) slice(at uint64, place, n, skip []byte) ([]byte, bool) {
	from := at + uint64(binary.LittleEndian.Uint32(place))
	if skip != nil {
		from += uint64(binary.LittleEndian.Uint32(skip))
	}
	to := from + uint64(binary.LittleEndian.Uint32(n))
	if from < pageHeader+p.count*element || to > uint64(len(p.b)) {
		return nil, false
	}
	return p.b[from:to], true
}

func (v *verifier) leaf(name string, p *page) error {
	if pageHeader+p.count*element > uint64(len(p.b)) {
		return v.bad(p, "impossible leaf")
	}
	if name == "" {
		if err := v.recorded(p); err != nil {
			return err
		}
	}
	for i := range p.count {
		at := pageHeader + i*element
		e := p.b[at:]
		key, ok1 := p.slice(at, e[4:], e[8:], nil)
		value, ok2 := p.slice(at, e[4:], e[12:], e[8:])
		kind := binary.LittleEndian.Uint32(e)
		if !ok1 || !ok2 || !v.after(key) || kind != 0 && (kind != flagBucket || name != "") {
			return v.bad(p, "impossible record")
		}
		if err := v.record(name, p, kind, key, value); err != nil {
			return err
		}
		if v.last = key; i == 0 {
			v.first = key
		}
	}
	return nil
}

// recorded reads the sums before anything else: they say which buckets there
// are. (So few that one leaf holds them.)
func (v *verifier) recorded(p *page) error {
	for i := range p.count {
		at := pageHeader + i*element
		e := p.b[at:]
		key, ok1 := p.slice(at, e[4:], e[8:], nil)
		value, ok2 := p.slice(at, e[4:], e[12:], e[8:])
		if ok1 && ok2 && string(key) == bucketSums {
			return v.inner(bucketSums, p, value)
		}
	}
	return v.bad(p, "there is no bucket of sums")
}

// record takes in one record, or the bucket that it stands for.
func (v *verifier) record(name string, p *page, kind uint32, key, value []byte) error {
	switch {
	case kind == flagBucket && string(key) == bucketSums:
		return nil // recorded has read it
	case kind == flagBucket:
		if _, known := v.sums[string(key)]; !known {
			return v.bad(p, fmt.Sprintf("bucket %q has no sum", key))
		}
		return v.inner(string(key), p, value)
	case name == "" || !intact(name, key, value):
		return v.bad(p, fmt.Sprintf("record %q of %s: wrong checksum", key, name))
	case name == bucketSums && len(value) == sumBytes:
		v.sums[string(key)] = decodeSum(value)
		return nil
	case name == bucketSums:
		return v.bad(p, "impossible sum")
	case name == bucketBook && string(key) == keyLog:
		copy(v.log[:], value)
	}
	s := v.found[name]
	s.count++
	s.crcs += uint64(binary.LittleEndian.Uint32(value[len(value)-crcBytes:]))
	v.found[name] = s
	v.fn(name, key, value[:len(value)-crcBytes])
	return nil
}

// inner walks through a bucket whose root is elsewhere, or in value itself.
func (v *verifier) inner(name string, p *page, value []byte) error {
	if len(value) < inBucket || binary.LittleEndian.Uint64(value[8:]) != 0 {
		return v.bad(p, "impossible bucket")
	}
	last := v.last
	defer func() { v.last = last }()
	if root := binary.LittleEndian.Uint64(value); root != 0 {
		v.last = nil
		return v.tree(name, root, 0)
	}
	if len(value) < inBucket+pageHeader {
		return v.bad(p, "impossible bucket")
	}
	inline := decodePage(value[inBucket:], p.at)
	inline.size = p.size
	if inline.flags != flagLeaf {
		return v.bad(p, "impossible bucket")
	}
	v.last = nil
	return v.leaf(name, &inline)
}

// freelist makes sure that every page is in use or free, and none both.
func (v *verifier) freelist(id uint64) error {
	free := map[uint64]bool{}
	if id != noFreelist {
		p, err := v.page(id)
		if err != nil {
			return err
		}
		n, from := p.count, uint64(pageHeader)
		if n == manyFree {
			n, from = binary.LittleEndian.Uint64(p.b[from:]), from+8
		}
		if p.flags != flagFree || n > (uint64(len(p.b))-from)/8 {
			return v.bad(&p, "impossible list of free pages")
		}
		for i := range n {
			f := binary.LittleEndian.Uint64(p.b[from+8*i:])
			if f < 2 || f >= v.pages || v.owner[f] || free[f] {
				return v.somewhere(fmt.Sprintf("page %d is said to be free by the list at byte %d", f, p.at))
			}
			free[f] = true
		}
	}
	for i := uint64(2); i < v.pages; i++ {
		if !v.owner[i] && !free[i] {
			return v.somewhere(fmt.Sprintf("page %d is neither in use nor free", i))
		}
	}
	return nil
}

// compare holds what was counted against what was recorded.
func (v *verifier) compare() error {
	for name, want := range v.sums {
		if got := v.found[name]; got != want {
			return v.somewhere(fmt.Sprintf("bucket %s has %d records, want %d others", name, got.count, want.count))
		}
	}
	if _, ok := v.found[bucketBook]; !ok {
		return v.somewhere("it does not say which log it belongs to")
	}
	return nil
}
