package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	iofs "io/fs"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"annal"
	"annal/internal/vfs"
)

// A DamageError says that a part of a file is not what was written.
type DamageError struct {
	File     string
	What     string // which part, and what is wrong with it
	From, To int64  // the bytes of the part: From ≤ offset < To
	// Lately: the file became so while it was mapped. What was read of it before,
	// verified or not, is void.
	Lately bool
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: %s (bytes %d to %d)", e.File, e.What, e.From, e.To)
}

// Is makes every such error an [annal.ErrDamaged].
func (e *DamageError) Is(target error) bool { return target == annal.ErrDamaged }

// A missingError is the name of a file that is not there.
type missingError string

func (e missingError) Error() string { return string(e) + " is missing" }

// Is makes it an [iofs.ErrNotExist].
func (e missingError) Is(target error) bool { return target == iofs.ErrNotExist }

// ErrForeign: the file belongs to another log.
var ErrForeign = errors.New("the file belongs to another log")

// ErrVersion: the file was written by another annal, most likely a newer one.
var ErrVersion = errors.New("the file has a format that this annal does not read")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sizes and names of the frame that both files share.
const (
	formatVersion = 3
	magicBytes    = 8
	headerBytes   = 48
	trailerBytes  = 24
	sectionBytes  = 26
	maxFooter     = 1 << 28
	colMagic      = "annalcol"
	idxMagic      = "annalidx"
)

// A section is a checksummed part of a file.
type section struct {
	kind  kind
	field uint8 // which column, for parts that belong to one
	block uint32
	off   uint64
	size  uint64
	crc   uint32
}

type kind uint8

// The kinds of sections; their order is no matter.
const (
	kindHot kind = 1 + iota
	kindCold
	kindDict
	kindParent
	kindTenants
	kindStatus
	kindFar
	kindReceived
	kindKeys
	kindStats
	kindPostings
	kindHash
	kindZones
	kindCounts
	kindFilter
	kindArrival
	kindDictFilter
	kindSalts
	kindSums
	numKinds
)

var kindNames = [numKinds]string{
	"", "codes of block", "texts of block", "dictionary", "derived column", "tenants", "statuses", "far times",
	"received times", "idempotency keys", "tenant statistics", "postings", "fingerprints", "zones", "counts",
	"text filter", "order of arrival", "dictionary filter", "salts of block", "counts of all tenants",
}

// A file is one mapped file of a segment. Sections are verified when they are
// first touched.
type file struct {
	name string
	m    vfs.Mapping
	b    []byte
	tie  uint32 // what ties the index to the columns that it was made from: their sum
	sum  uint32 // of the footer, which covers all other checksums
	meta []byte // the footer without its section table
	// stamp is that of the last look, which was before anything was verified.
	stamp vfs.Stamp
	secs  []section
	good  []atomic.Bool // section i is verified
	near  []atomic.Bool // section i was asked of the disk since pages were given back
	// inspect looks into a section whose checksum is right; it returns what is
	// wrong, or "".
	inspect func(s *section, b []byte) string
}

func openFile(fs vfs.FS, name, magic string, logID [16]byte) (*file, error) {
	m, err := fs.Map(name)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, missingError(name)
	}
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", name, err)
	}
	f := &file{name: name, m: m, b: m.Bytes()}
	_, f.stamp = m.Look()
	if err := Guard(func() error { return f.open(magic, logID) }); err != nil {
		return nil, errors.Join(f.named(err), m.Close())
	}
	return f, nil
}

func (f *file) named(err error) error {
	if d, ok := err.(*DamageError); ok && d.File == "" {
		d.File = f.name
	}
	return err
}

func (f *file) damage(what string, from, to uint64) error {
	return &DamageError{File: f.name, What: what, From: int64(from), To: int64(to)}
}

func (f *file) open(magic string, logID [16]byte) error {
	size := uint64(len(f.b))
	if size < headerBytes+trailerBytes {
		return f.damage("the file is cut short", 0, size)
	}
	h := f.b[:headerBytes]
	if string(h[:magicBytes]) != magic {
		return f.damage("not a segment file: wrong magic", 0, magicBytes)
	}
	if crc32.Checksum(h[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(h[headerBytes-4:]) {
		return f.damage("header: wrong checksum", 0, headerBytes)
	}
	if v := binary.LittleEndian.Uint32(h[8:]); v != formatVersion {
		return fmt.Errorf("%s: format %d, this is %d: %w", f.name, v, formatVersion, ErrVersion)
	}
	if [16]byte(h[16:32]) != logID {
		return fmt.Errorf("%s: %w", f.name, ErrForeign)
	}
	f.tie = binary.LittleEndian.Uint32(h[32:])
	return f.openFooter(magic, size)
}

func (f *file) openFooter(magic string, size uint64) error {
	t := f.b[size-trailerBytes:]
	length := binary.LittleEndian.Uint64(t)
	if string(t[16:]) != magic || length > maxFooter || length > size-headerBytes-trailerBytes {
		return f.damage("the file is cut short or its end is damaged", size-trailerBytes, size)
	}
	from := size - trailerBytes - length
	foot := f.b[from : size-trailerBytes]
	f.sum = crc32.Checksum(foot, castagnoli)
	if f.sum != binary.LittleEndian.Uint32(t[8:]) || f.padding(t[12:16]) {
		return f.damage("footer: wrong checksum", from, size)
	}
	if len(foot) < 4 {
		return f.damage("footer: too short", from, size)
	}
	n := uint64(binary.LittleEndian.Uint32(foot))
	if 4+n*sectionBytes > length {
		return f.damage("footer: too short for its sections", from, size)
	}
	f.secs, f.good, f.near = make([]section, n), make([]atomic.Bool, n), make([]atomic.Bool, n)
	at := uint64(headerBytes)
	for i := range f.secs {
		s := decodeSection(foot[4+i*sectionBytes:])
		if s.off != at || s.size > from-at || s.kind >= numKinds || s.kind == 0 {
			return f.damage("footer: sections do not follow one another", from, size)
		}
		at += s.size
		f.secs[i] = s
	}
	if at != from {
		return f.damage("footer: sections do not fill the file", from, size)
	}
	f.meta = foot[4+n*sectionBytes:]
	return nil
}

func (f *file) padding(b []byte) bool { return binary.LittleEndian.Uint32(b) != 0 }

func decodeSection(b []byte) section {
	le := binary.LittleEndian
	return section{kind(b[0]), b[1], le.Uint32(b[2:]), le.Uint64(b[6:]), le.Uint64(b[14:]), le.Uint32(b[22:])}
}

func appendSection(b []byte, s section) []byte {
	le := binary.LittleEndian
	b = append(b, byte(s.kind), s.field)
	b = le.AppendUint32(b, s.block)
	b = le.AppendUint64(b, s.off)
	b = le.AppendUint64(b, s.size)
	return le.AppendUint32(b, s.crc)
}

// bytes returns section i. It panics with a *DamageError when it is damaged;
// see [Guard].
func (f *file) bytes(i int) []byte {
	s := &f.secs[i]
	b := f.b[s.off : s.off+s.size : s.off+s.size]
	if !f.good[i].Load() {
		if err := f.verify(s, b); err != nil {
			panic(err)
		}
		f.good[i].Store(true)
	}
	return b
}

// fetch begins to read section i, for callers that will touch several sections:
// the disk then reads them side by side.
func (f *file) fetch(i int) {
	if !f.near[i].Load() && !f.near[i].Swap(true) {
		s := &f.secs[i]
		f.m.Fetch(int(s.off), int(s.off+s.size))
	}
}

// release gives back the resident pages of sections from ≤ i < to.
func (f *file) release(from, to int) {
	if from == to {
		return
	}
	for i := from; i < to; i++ {
		f.near[i].Store(false)
	}
	last := &f.secs[to-1]
	f.m.Release(int(f.secs[from].off), int(last.off+last.size))
}

// whole panics with a *DamageError, or a fault, when the end of the file is not
// where it was: the file was cut while it was mapped, and of the page that the cut
// goes through, what was verified before may have been read as zeros.
func (f *file) whole() {
	size := len(f.b)
	if string(f.b[size-magicBytes:]) != string(f.b[:magicBytes]) { // both ends have it
		panic(&DamageError{f.name, "the file was cut while it was mapped", 0, int64(size), true})
	}
}

func (f *file) verify(s *section, b []byte) error {
	what := ""
	if crc32.Checksum(b, castagnoli) != s.crc {
		what = "wrong checksum"
	} else if f.inspect != nil {
		what = f.inspect(s, b)
	}
	if what == "" {
		return nil
	}
	return f.damage(f.secName(s)+": "+what, s.off, s.off+s.size)
}

func (f *file) secName(s *section) string {
	name := kindNames[s.kind]
	if s.kind == kindHot || s.kind == kindCold || s.kind == kindSalts {
		return fmt.Sprintf("%s %d", name, s.block)
	}
	return name
}

// Guard calls f and returns its error. Damage that f runs into and a fault of
// mapped memory (a file that was cut while mapped, a disk that cannot be read)
// come back as a *DamageError instead of a panic; other panics go on. Reads of
// a [Segment] that return no error of their own must run inside Guard. Of the
// given segments the one that a fault hit is named.
func Guard(f func() error, segs ...*Segment) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *DamageError:
			err = p
		case interface{ Addr() uintptr }:
			err = faultAt(p.Addr(), segs)
		default:
			panic(p)
		}
	}()
	return f()
}

func faultAt(addr uintptr, segs []*Segment) *DamageError {
	const what = "the mapped file cannot be read: it was cut, or its disk fails"
	for _, s := range segs {
		for _, f := range []*file{s.col, s.idx} {
			if f == nil {
				continue
			}
			start := uintptr(unsafe.Pointer(unsafe.SliceData(f.b)))
			if at := addr - start; addr >= start && at < uintptr(len(f.b)) {
				return &DamageError{f.name, what, int64(at), int64(at) + 1, true}
			}
		}
	}
	return &DamageError{What: what, Lately: true}
}
