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
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
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
	return fmt.Sprintf("%s is damaged: %s (bytes %d to %d)", e.File, e.What, e.From, e.To)
}

// A Book is an open file of records. It is safe for concurrent use.
type Book struct {
	name string
	db   *bolt.DB
	lost atomic.Pointer[DamageError] // the file could not be read where it is mapped
}

// Open opens the book in a file, or begins one, for the log with an id.
//
// Errors: *DamageError, ErrForeign; others when the file cannot be read now.
func Open(name string, logID [16]byte) (*Book, error) {
	err := Verify(name, logID)
	if errors.Is(err, fs.ErrNotExist) {
		err = begin(name, logID)
	}
	if err != nil {
		return nil, err
	}
	db, err := open(name)
	if err != nil {
		return nil, err
	}
	return &Book{name: name, db: db}, nil
}

func open(name string) (*bolt.DB, error) {
	db, err := bolt.Open(name, 0o600, &bolt.Options{Timeout: openWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another annal uses it", name)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return db, nil
}

// begin makes an empty book. It has its name once it is whole.
func begin(name string, logID [16]byte) error {
	tmp := name + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := open(tmp)
	if err != nil {
		return err
	}
	b := &Book{name: tmp, db: db}
	err = b.Update(func(tx *Tx) error {
		own, err := tx.Create(bucketBook)
		if err != nil {
			return err
		}
		return own.Put([]byte(keyLog), logID[:])
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	return rename(tmp, name)
}

// Close closes the book. One whose file was lost stays open: what bbolt was doing
// then may never end.
func (b *Book) Close() error {
	if b.lost.Load() != nil {
		return nil
	}
	return b.db.Close()
}

// View runs fn in a transaction that only reads.
func (b *Book) View(fn func(*Tx) error) error {
	return b.guard(func() error { return b.db.View(func(tx *bolt.Tx) error { return fn(&Tx{b.name, tx}) }) })
}

// Update runs fn in a transaction, which is durable when Update returns nil.
func (b *Book) Update(fn func(*Tx) error) error {
	return b.guard(func() error { return b.db.Update(func(tx *bolt.Tx) error { return fn(&Tx{b.name, tx}) }) })
}

// guard makes an error of a fault of mapped memory: a file that was cut while it
// is open, a disk that cannot be read.
func (b *Book) guard(fn func() error) (err error) {
	if d := b.lost.Load(); d != nil {
		return d
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		switch p := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			d := &DamageError{File: b.name, What: "it cannot be read where it is mapped: it was cut, or its disk fails"}
			b.lost.Store(d)
			err = d
		default:
			panic(p)
		}
	}()
	return fn()
}

// A Tx is a transaction.
type Tx struct {
	name string
	tx   *bolt.Tx
}

// Create returns a bucket, new or not.
func (t *Tx) Create(bucket string) (*Bucket, error) {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return nil, err
	}
	if _, err := t.tx.CreateBucketIfNotExists([]byte(bucketSums)); err != nil {
		return nil, err
	}
	own := &Bucket{t, bucket, b}
	if t.tx.Bucket([]byte(bucketSums)).Get([]byte(bucket)) == nil {
		return own, own.setSum(sum{})
	}
	return own, nil
}

// Bucket returns a bucket that was created.
func (t *Tx) Bucket(bucket string) *Bucket { return &Bucket{t, bucket, t.tx.Bucket([]byte(bucket))} }
