// Package book keeps small records in a file, a bbolt database, so that damage to
// any of them is found.
//
// The one idea: bbolt keeps its pages in order but does not know whether they
// are what was written. So each record carries a checksum that covers its place,
// and each bucket a count and a sum of the checksums of its records. [Verify]
// reads the file without bbolt, page by page, and trusts nothing; [Open] lets
// bbolt only at files that it has found sound.
//
//	value of a record            value of a sum, in the bucket "sums", by bucket
//	┌───────┬────────────┐       ┌───────────┬──────────────────┬────────────┐
//	│ value │ crc32c u32 │       │ count u64 │ sum of crcs u64  │ crc32c u32 │
//	└───────┴────────────┘       └───────────┴──────────────────┴────────────┘
//
// A crc is that of the bucket's name, a zero byte, the key, a zero byte and the
// value. The bucket "book" has one record, "log": the id of the log that the file
// belongs to. Numbers are little-endian.
package book

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// openWait bounds the wait for another process that holds the file.
const openWait = 2 * time.Second

// Buckets of the book's own.
const (
	bucketBook = "book"
	bucketSums = "sums"
	keyLog     = "log"
)

// ErrForeign: the file belongs to another log.
var ErrForeign = errors.New("the file belongs to another log")

// A DamageError says which bytes of a file are not what was written.
type DamageError struct {
	File     string
	What     string
	From, To int64 // From ≤ offset < To
}

func (e *DamageError) Error() string {
	said := e.File + " is damaged: " + e.What
	if e.To > e.From {
		said += fmt.Sprintf(" (bytes %d to %d)", e.From, e.To)
	}
	return said
}

// A Book is an open file of records. It is safe for concurrent use.
type Book struct {
	name string
	db   *bolt.DB
	file fs.FileInfo // as it was opened
	told func(error)

	damage atomic.Pointer[DamageError] // the first that was met
	lost   atomic.Pointer[DamageError] // why the book is of no use any more
	gone   chan struct{}               // closed with lost
}

// Open opens the book in a file, or begins one, for the log with an id. Told is
// called, once, with the first damage that is met while the book is open; nil:
// nobody is.
//
// Errors: *DamageError, ErrForeign; others when the file cannot be read now.
func Open(name string, logID [16]byte, told func(error)) (*Book, error) {
	err := Verify(name, logID)
	if errors.Is(err, fs.ErrNotExist) {
		err = begin(name, logID)
	}
	if err != nil {
		return nil, err
	}
	return newBook(name, told)
}

func newBook(name string, told func(error)) (*Book, error) {
	db, err := open(name)
	if err != nil {
		return nil, err
	}
	if told == nil {
		told = func(error) {}
	}
	b := &Book{name: name, db: db, told: told, gone: make(chan struct{})}
	if b.file, err = os.Stat(name); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

func open(name string) (*bolt.DB, error) {
	db, err := bolt.Open(name, 0o600, &bolt.Options{Timeout: openWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another annal uses it", name)
	}
	if errors.Is(err, bolterrors.ErrInvalid) { // which is all that bbolt says of a disk that cannot be read
		err = cmp.Or(readable(name), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return db, nil
}

// readable says what keeps the metas of a file from being read, or returns nil.
func readable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 2*os.Getpagesize()), 0); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// begin makes an empty book. It has its name once it is whole.
func begin(name string, logID [16]byte) error {
	tmp := name + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := newBook(tmp, nil)
	if err != nil {
		return err
	}
	err = b.Update(func(tx *Tx) error {
		own, err := tx.Create(bucketBook)
		if err != nil {
			return err
		}
		return own.Put([]byte(keyLog), logID[:])
	})
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	return rename(tmp, name)
}

// A Tx is a transaction.
type Tx struct {
	name   string
	tx     *bolt.Tx
	inside bool // bbolt is at work
}

// bolt has bbolt do something.
func (t *Tx) bolt(do func()) {
	t.inside = true
	do()
	t.inside = false
}

// Create returns a bucket, new or not.
func (t *Tx) Create(bucket string) (*Bucket, error) {
	own := &Bucket{t, bucket, nil}
	var err error
	known := false
	t.bolt(func() {
		if own.b, err = t.tx.CreateBucketIfNotExists([]byte(bucket)); err != nil {
			return
		}
		var sums *bolt.Bucket
		if sums, err = t.tx.CreateBucketIfNotExists([]byte(bucketSums)); err == nil {
			known = sums.Get([]byte(bucket)) != nil
		}
	})
	if err != nil || known {
		return own, err
	}
	return own, own.setSum(sum{})
}

// Bucket returns a bucket that was created.
func (t *Tx) Bucket(bucket string) *Bucket {
	own := &Bucket{t, bucket, nil}
	t.bolt(func() { own.b = t.tx.Bucket([]byte(bucket)) })
	return own
}
