package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// maxRecord bounds one record of a stream.
const maxRecord = 16 << 20

// readAhead is how far a stream is looked into to tell what it holds.
const readAhead = 64 << 10

var errLongRecord = fmt.Errorf("the record has more than %d bytes", maxRecord)

// recordsHead is how a CloudTrail file begins; its records are the elements of
// that array.
var recordsHead = regexp.MustCompile(`^\{\s*"Records"\s*:\s*\[`)

// A records splits a stream into the JSON values that are its records: lines,
// elements of an array, or the Records of CloudTrail files. It holds one record
// at a time and goes on behind a broken one.
type records struct {
	r      *bufio.Reader
	array  bool // within an array
	within bool // that array is a member of an object
	buf    []byte
	long   bool // buf was cut at maxRecord
}

// newRecords returns the records of r, which may be compressed with gzip.
func newRecords(r io.Reader) (*records, error) {
	br := bufio.NewReaderSize(r, readAhead)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		br = bufio.NewReaderSize(z, readAhead)
	}
	return &records{r: br}, nil
}

// ahead returns the beginning of the stream without consuming it.
func (s *records) ahead() []byte {
	b, _ := s.r.Peek(readAhead)
	return b
}

// next returns the next record in memory of its own, io.EOF behind the last
// one, or errLongRecord, after which it can go on.
func (s *records) next() ([]byte, error) {
	s.buf, s.long = nil, false
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case s.array && c == ',':
		case s.array && c == ']':
			s.array = false
			if s.within {
				s.rest()
			}
		case !s.array && c == '[':
			s.array, s.within = true, false
		case c == '{' && !s.array && s.enter():
		default:
			return s.record(c)
		}
	}
}

// enter goes into the Records array of an object that has just begun.
func (s *records) enter() bool {
	head, _ := s.r.Peek(64)
	n := len(recordsHead.Find(append([]byte{'{'}, head...)))
	if n == 0 {
		return false
	}
	_, err := s.r.Discard(n - 1)
	s.array, s.within = true, true
	return err == nil
}

// rest skips what follows the Records array in its object.
func (s *records) rest() {
	_ = s.value()
	s.buf, s.long = nil, false
}

func (s *records) record(first byte) ([]byte, error) {
	s.keep(first)
	var err error
	if first == '{' {
		err = s.value()
	} else {
		err = s.line()
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case s.long:
		return nil, errLongRecord
	}
	return s.buf, nil
}

func (s *records) keep(c byte) {
	if len(s.buf) == maxRecord {
		s.long = true
		return
	}
	s.buf = append(s.buf, c)
}

// value reads on until the object that has begun is closed. A line break
// within a string, or before what looks like the next record, shows that it
// is broken, and ends it.
func (s *records) value() error {
	depth, quoted, escaped := 1, false, false
	for depth > 0 {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		if c == '\n' && (quoted || s.newRecord()) {
			return nil
		}
		s.keep(c)
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func (s *records) newRecord() bool {
	if s.array {
		return false
	}
	next, _ := s.r.Peek(1)
	return len(next) == 1 && next[0] == '{'
}

// line reads on to the end of the line.
func (s *records) line() error {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return err
		}
		if c == '\n' {
			return nil
		}
		s.keep(c)
	}
}
