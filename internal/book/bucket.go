package book

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"
)

const (
	crcBytes = 4
	sumBytes = 8 + 8 + crcBytes
)

// A Bucket holds one kind of records. Keys and values that it gives are copies:
// the file may be overwritten between the look at a checksum and what follows.
type Bucket struct {
	tx   *Tx
	name string
	b    *bolt.Bucket
}

// Get returns the value of a key, or nil.
func (b *Bucket) Get(key []byte) ([]byte, error) {
	var v []byte
	b.tx.bolt(func() { v = bytes.Clone(b.b.Get(key)) })
	if v == nil {
		return nil, nil
	}
	return b.open(key, v)
}

// open takes the checksum off a value.
func (b *Bucket) open(key, v []byte) ([]byte, error) {
	if !intact(b.name, key, v) {
		return nil, &DamageError{File: b.tx.name, What: fmt.Sprintf("record %q of %s: wrong checksum", key, b.name)}
	}
	n := len(v) - crcBytes
	return v[:n:n], nil
}

// Put sets the value of a key.
func (b *Bucket) Put(key, value []byte) error {
	s, err := b.without(key)
	if err != nil {
		return err
	}
	crc := checksum(b.name, key, value)
	s.count++
	s.crcs += uint64(crc)
	v := binary.LittleEndian.AppendUint32(append(make([]byte, 0, len(value)+crcBytes), value...), crc)
	b.tx.bolt(func() { err = b.b.Put(key, v) })
	if err != nil {
		return err
	}
	return b.setSum(s)
}

// Delete removes a key, if it is there.
func (b *Bucket) Delete(key []byte) error {
	s, err := b.without(key)
	if err != nil {
		return err
	}
	b.tx.bolt(func() { err = b.b.Delete(key) })
	if err != nil {
		return err
	}
	return b.setSum(s)
}

// ForEach calls fn with every record, by key, until it errs. It must not change
// the bucket.
func (b *Bucket) ForEach(fn func(k, v []byte) error) error { return b.Under(nil, fn) }

// Under is ForEach of the records whose keys begin with prefix.
func (b *Bucket) Under(prefix []byte, fn func(k, v []byte) error) error {
	var c *bolt.Cursor
	var k, v []byte
	own := func(key, value []byte) { k, v = bytes.Clone(key), bytes.Clone(value) }
	b.tx.bolt(func() {
		c = b.b.Cursor()
		own(c.Seek(prefix))
	})
	for k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix) {
		value, err := b.open(k, v)
		if err != nil {
			return err
		}
		if err := fn(k, value); err != nil {
			return err
		}
		b.tx.bolt(func() { own(c.Next()) })
	}
	return nil
}

// Len returns how many records there are.
func (b *Bucket) Len() (int, error) {
	s, err := b.sum()
	return int(s.count), err
}

// A sum is what a bucket's records come to.
type sum struct{ count, crcs uint64 }

func (s sum) encode(bucket string) []byte {
	v := binary.LittleEndian.AppendUint64(nil, s.count)
	v = binary.LittleEndian.AppendUint64(v, s.crcs)
	return binary.LittleEndian.AppendUint32(v, checksum(bucketSums, []byte(bucket), v))
}

func decodeSum(v []byte) sum {
	return sum{binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])}
}

func (b *Bucket) sum() (sum, error) {
	var v []byte
	b.tx.bolt(func() { v = bytes.Clone(b.tx.tx.Bucket([]byte(bucketSums)).Get([]byte(b.name))) })
	if len(v) != sumBytes || !intact(bucketSums, []byte(b.name), v) {
		return sum{}, &DamageError{File: b.tx.name, What: "sum of " + b.name + ": wrong checksum"}
	}
	return decodeSum(v), nil
}

// without returns the bucket's sum less what key has in it.
func (b *Bucket) without(key []byte) (sum, error) {
	s, err := b.sum()
	if err != nil {
		return s, err
	}
	old, err := b.Get(key)
	if err != nil || old == nil {
		return s, err
	}
	s.count--
	s.crcs -= uint64(checksum(b.name, key, old))
	return s, nil
}

func (b *Bucket) setSum(s sum) error {
	var err error
	b.tx.bolt(func() { err = b.tx.tx.Bucket([]byte(bucketSums)).Put([]byte(b.name), s.encode(b.name)) })
	return err
}

// intact reports whether a stored value ends with the right checksum.
func intact(bucket string, key, v []byte) bool {
	n := len(v) - crcBytes
	return n >= 0 && binary.LittleEndian.Uint32(v[n:]) == checksum(bucket, key, v[:n])
}

func checksum(bucket string, key, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	place := append(append(append(make([]byte, 0, len(bucket)+len(key)+2), bucket...), 0), key...)
	return crc32.Update(crc32.Checksum(append(place, 0), table), table, value)
}
