package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"

	"annal"
	"annal/internal/vfs"
)

// A Segment is an open segment. It is safe for concurrent readers. Strings and
// bytes that it returns point into its files and live until Close; the caller
// counts references.
//
// Reads that return no error must run inside [Guard], which turns damage that
// they meet into its error.
type Segment struct {
	layout
	name     string
	col, idx *file
	hotAt    []int // sections of each block
	coldAt   []int
	saltAt   []int
	colSec   [numKinds][annal.NumFields]int // section numbers by kind and field; -1: none
	idxSec   [numKinds][annal.NumFields]int
	dicts    [annal.NumFields]atomic.Pointer[Dict]
	all      atomic.Pointer[TenantRange] // what All returns, once it was asked
	remade   error
}

// Open opens a segment. Only the footers are read; every other part is verified
// when it is first touched. An index that is missing, damaged or of another
// format is made again from the columns; one of another log is refused.
func Open(fs vfs.FS, dir, name string, logID [16]byte) (*Segment, error) {
	s, err := openColumns(fs, dir, name, logID)
	if err != nil {
		return nil, err
	}
	err = s.openIndex(fs, dir, logID)
	if err == nil {
		return s, nil
	}
	if errors.Is(err, ErrForeign) {
		return nil, errors.Join(err, s.Close())
	}
	s.remade = err
	if err := s.rebuild(fs, dir, logID); err != nil {
		return nil, errors.Join(fmt.Errorf("rebuild the index of segment %s: %w", name, err), s.Close())
	}
	if err := s.openIndex(fs, dir, logID); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Remade says why [Open] made the index again; nil when it did not.
func (s *Segment) Remade() error { return s.remade }

// RebuildIndex makes the index of a segment again from its columns. Segments
// that are open keep the index that they have.
func RebuildIndex(fs vfs.FS, dir, name string, logID [16]byte) error {
	s, err := openColumns(fs, dir, name, logID)
	if err != nil {
		return err
	}
	if err := s.rebuild(fs, dir, logID); err != nil {
		return errors.Join(fmt.Errorf("rebuild the index of segment %s: %w", name, err), s.Close())
	}
	return s.Close()
}

// openColumns opens a segment without its index.
func openColumns(fs vfs.FS, dir, name string, logID [16]byte) (*Segment, error) {
	f, err := openFile(fs, path.Join(dir, name)+ColSuffix, colMagic, logID)
	if err != nil {
		return nil, err
	}
	s := &Segment{name: name, col: f}
	if err := Guard(s.parseColumns, s); err != nil {
		return nil, errors.Join(err, f.m.Close())
	}
	f.inspect = s.inspectCol
	return s, nil
}

func (s *Segment) parseColumns() error {
	f := s.col
	if err := s.layout.parse(f.meta); err != nil {
		if errors.Is(err, ErrVersion) {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		return f.damage(err.Error(), 0, uint64(len(f.b)))
	}
	if first, last, _, _ := ParseName(s.name); first != s.first || last != s.last {
		return f.damage(fmt.Sprintf("it has the name of another segment: it holds positions %d to %d", s.first, s.last), 0, uint64(len(f.b)))
	}
	s.hotAt, s.coldAt, s.saltAt = s.blocksOf(kindHot), s.blocksOf(kindCold), s.blocksOf(kindSalts)
	s.locate(f, &s.colSec)
	if missing := s.missing(); missing != "" {
		return f.damage(missing+": missing", 0, uint64(len(f.b)))
	}
	return nil
}

// blocksOf lists the sections of one kind by block; -1: none.
func (s *Segment) blocksOf(k kind) []int {
	at := slices.Repeat([]int{-1}, s.blocks())
	for i, sec := range s.col.secs {
		if sec.kind == k && int(sec.block) < len(at) {
			at[sec.block] = i
		}
	}
	return at
}

// locate notes where the parts of each field are.
func (s *Segment) locate(f *file, at *[numKinds][annal.NumFields]int) {
	var of [256]annal.Field // by slot
	for i := range of {
		of[i] = annal.NumFields
	}
	for f := range s.columns {
		if slot := s.columns[f].slot; slot >= 0 {
			of[slot] = annal.Field(f)
		}
	}
	for k := range at {
		for f := range at[k] {
			at[k][f] = -1
		}
	}
	for i, sec := range f.secs {
		if x := of[sec.field]; x < annal.NumFields {
			at[sec.kind][x] = i
		}
	}
}

// missing names a part of the columns that is not there, or returns "".
func (s *Segment) missing() string {
	for b := range s.hotAt {
		if s.hotAt[b] < 0 || s.coldAt[b] < 0 || s.saltAt[b] < 0 {
			return fmt.Sprintf("block %d", b)
		}
	}
	for _, k := range []kind{kindTenants, kindStatus, kindReceived} {
		if s.colSec[k][0] < 0 {
			return kindNames[k]
		}
	}
	if s.columns[annal.Tenant].slot != 0 || s.columns[annal.Tenant].form != formTenant || int(s.columns[annal.Tenant].dict) != s.tenants {
		return "tenants"
	}
	for f := range annal.NumTexts {
		c := &s.columns[f]
		if c.slot < 0 {
			*c = column{form: formDict, dict: 1, slot: -1}
			s.dicts[f].Store(&emptyDict)
			continue
		}
		if c.form != formBlob && (s.colSec[kindDict][f] < 0 || c.dict == 0) ||
			c.form == formDerived && s.colSec[kindParent][f] < 0 || c.form == formNumber || c.form == formTenant && f != annal.Tenant {
			return f.String()
		}
	}
	for f := annal.NumTexts; f < annal.NumFields; f++ {
		if s.columns[f].slot < 0 || s.columns[f].form != formNumber {
			return f.String()
		}
	}
	return ""
}

// openIndex opens the index file and checks that it was made from these
// columns.
func (s *Segment) openIndex(fs vfs.FS, dir string, logID [16]byte) error {
	f, err := openFile(fs, path.Join(dir, s.name)+IdxSuffix, idxMagic, logID)
	if err != nil {
		return err
	}
	if f.tie != s.col.sum {
		return errors.Join(f.damage("the index belongs to other columns", 0, headerBytes), f.m.Close())
	}
	s.idx = f
	s.locate(f, &s.idxSec)
	f.inspect = s.inspectIdx
	if what := s.missingIndex(); what != "" {
		s.idx = nil
		return errors.Join(f.damage(what+": missing", 0, uint64(len(f.b))), f.m.Close())
	}
	return nil
}

func (s *Segment) missingIndex() string {
	if s.idxSec[kindStats][0] < 0 || s.idxSec[kindZones][0] < 0 {
		return kindNames[kindStats]
	}
	for f := annal.Tenant + 1; f < annal.NumFields; f++ {
		c := &s.columns[f]
		name := f.String()
		switch {
		case f == annal.Duration || c.slot < 0:
		case c.form == formBlob && annal.Fields[f].Index == annal.ByHash && s.idxSec[kindHash][f] < 0,
			c.form == formBlob && annal.Fields[f].Search && s.idxSec[kindFilter][0] < 0,
			c.form != formBlob && c.dict > 1 && s.idxSec[kindZones][f] < 0,
			c.form != formBlob && c.dict > 1 && posted(f, int(c.dict)) && s.idxSec[kindPostings][f] < 0,
			c.form != formBlob && grouped(f, int(c.dict)) && s.idxSec[kindDictFilter][f] < 0,
			c.form != formBlob && counted(f) && s.idxSec[kindCounts][f] < 0,
			c.form != formBlob && counted(f) && summed(s.tenants, s.rows, int(c.dict)) && s.idxSec[kindSums][f] < 0:
			return name
		}
	}
	return ""
}

// Close ends the mapping of both files.
func (s *Segment) Close() error {
	err := s.col.m.Close()
	if s.idx != nil {
		err = errors.Join(err, s.idx.m.Close())
	}
	return err
}

// Preload verifies all parts of both files, and leaves what questions ask for
// resident: everything but the salts.
func (s *Segment) Preload() {
	for f := range s.files() {
		for i := range f.secs {
			f.fetch(i)
		}
		for i := range f.secs {
			f.bytes(i)
		}
	}
	s.col.release(s.saltAt[0], s.saltAt[len(s.saltAt)-1]+1)
}

// Whole panics when one of the files was cut while it was mapped; it must run
// inside [Guard]. What was read before it returns was read from whole files.
func (s *Segment) Whole() {
	s.col.whole()
	if s.idx != nil {
		s.idx.whole()
	}
}

// ReleaseRows gives back the resident pages of the blocks, which hold what belongs
// to single rows and are most of a segment.
func (s *Segment) ReleaseRows() {
	for _, at := range [][]int{s.hotAt, s.saltAt} { // texts lie between codes
		s.col.release(at[0], at[len(at)-1]+1)
	}
}

// Release gives back the resident pages of both files.
func (s *Segment) Release() {
	s.col.release(0, len(s.col.secs))
	if s.idx != nil {
		s.idx.release(0, len(s.idx.secs))
	}
}

// Name returns the segment's name.
func (s *Segment) Name() string { return s.name }

// Rows returns the number of rows.
func (s *Segment) Rows() int { return s.rows }

// Blocks returns the number of blocks; block b has rows b×BlockRows to
// min((b+1)×BlockRows, Rows).
func (s *Segment) Blocks() int { return s.blocks() }

// First returns the lowest position.
func (s *Segment) First() uint64 { return s.first }

// Last returns the highest position.
func (s *Segment) Last() uint64 { return s.last }

// MinTime returns the least time key.
func (s *Segment) MinTime() int64 { return s.minTime }

// MaxTime returns the greatest time key.
func (s *Segment) MaxTime() int64 { return s.maxTime }

// Bytes returns the sizes of both files.
func (s *Segment) Bytes() (col, idx int64) {
	if s.idx != nil {
		idx = int64(len(s.idx.b))
	}
	return int64(len(s.col.b)), idx
}

func (s *Segment) hot(block int) []byte  { return s.col.bytes(s.hotAt[block]) }
func (s *Segment) cold(block int) []byte { return s.col.bytes(s.coldAt[block]) }

// salt returns the salt of a row.
func (s *Segment) salt(row int) [SaltBytes]byte {
	b := s.col.bytes(s.saltAt[row>>blockBits])
	return [SaltBytes]byte(b[row&blockMask*SaltBytes:])
}

// blob returns the blob of a field in a block.
func (s *Segment) blob(f annal.Field, block int) []byte {
	c := s.cold(block)
	at := s.columns[f].slot * 4
	return c[binary.LittleEndian.Uint32(c[at:]):binary.LittleEndian.Uint32(c[at+4:])]
}
