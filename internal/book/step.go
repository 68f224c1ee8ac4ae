package book

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// bbolt reads its file where it is mapped, holding locks. Should the file be cut,
// overwritten or unreadable there, it panics, keeps the locks, and whoever waits
// for one of them would wait for ever. So each step of a transaction that takes or
// frees a lock runs on a goroutine of its own, which is left behind once the book
// is lost: everybody learns at once that it is, and nobody enters it again.

// View runs fn in a transaction that only reads.
func (b *Book) View(fn func(*Tx) error) error {
	return b.noted(b.transact(false, fn))
}

// Update runs fn in a transaction, which is durable when Update returns nil.
func (b *Book) Update(fn func(*Tx) error) error {
	if err := b.inPlace(); err != nil {
		return b.noted(err)
	}
	return b.noted(b.transact(true, fn))
}

// Close closes the book.
func (b *Book) Close() error {
	if b.lost.Load() != nil {
		return nil // what was read while the file was lost was answered with an error
	}
	return b.noted(b.step(b.db.Close))
}

// Damage is what was found wrong with the file while it was open, or nil.
func (b *Book) Damage() error {
	if d := b.damage.Load(); d != nil {
		return d
	}
	return nil
}

// noted remembers and tells the first damage.
func (b *Book) noted(err error) error {
	var d *DamageError
	if errors.As(err, &d) && b.damage.CompareAndSwap(nil, d) {
		b.told(d)
	}
	return err
}

func (b *Book) transact(writable bool, fn func(*Tx) error) (err error) {
	t := &Tx{name: b.name}
	if err := b.step(func() (err error) { t.tx, err = b.db.Begin(writable); return err }); err != nil {
		return err
	}
	done := false
	defer func() { // also when fn panics, which is a mistake of its own
		end := t.tx.Commit
		if !done || err != nil || !writable {
			end = t.tx.Rollback
		}
		if ended := b.step(end); ended != nil && err == nil {
			err = ended
		}
	}()
	err = b.guard(&t.inside, func() error { return fn(t) })
	done = true
	return err
}

// step runs one step of bbolt's, and leaves it alone once the book is lost.
func (b *Book) step(do func() error) error {
	if d := b.lost.Load(); d != nil {
		return d
	}
	ended := make(chan error, 1)
	go func() {
		inside := true
		ended <- b.guard(&inside, do)
	}()
	select {
	case err := <-ended:
		// What is no refusal of the system's, such as a full disk, is bbolt's opinion
		// of the file.
		if err != nil && !errors.As(err, new(syscall.Errno)) && !errors.As(err, new(*DamageError)) && !errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return b.lose(err.Error())
		}
		return err
	case <-b.gone:
		return b.lost.Load()
	}
}

// guard runs do. A panic inside bbolt, or a fault of mapped memory, means that the
// file is not what bbolt wrote: the book is lost.
func (b *Book) guard(inside *bool, do func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		_, fault := p.(interface{ Addr() uintptr })
		switch {
		case fault:
			err = b.lose("it cannot be read where it is mapped: it was cut, or its disk fails")
		case *inside:
			err = b.lose(fmt.Sprintf("it was overwritten while it was open: %v", p))
		default:
			panic(p)
		}
	}()
	return do()
}

// lose gives the book up, and says why.
func (b *Book) lose(what string) error {
	d := &DamageError{File: b.name, What: what}
	if info, err := os.Stat(b.name); err == nil {
		d.To = info.Size()
	}
	if b.lost.CompareAndSwap(nil, d) {
		close(b.gone)
	}
	return b.lost.Load()
}

// inPlace looks whether the file is still where it was opened. What it holds can
// be read in any case, but a change would be gone with the next start.
func (b *Book) inPlace() error {
	now, err := os.Stat(b.name)
	if err == nil && os.SameFile(now, b.file) {
		return nil
	}
	return &DamageError{File: b.name, What: "it was removed or replaced while it was open, so that no change of it would last"}
}

// Look notes that the file was cut, removed or replaced, before anybody needs it:
// what bbolt writes to never gets smaller.
func (b *Book) Look() {
	now, err := os.Stat(b.name)
	switch {
	case err == nil && !os.SameFile(now, b.file), errors.Is(err, fs.ErrNotExist):
		_ = b.noted(b.inPlace()) // which is told
	case err == nil && now.Size() < b.file.Size():
		_ = b.noted(&DamageError{File: b.name, What: "it was cut while it was open", From: now.Size(), To: b.file.Size()}) // which is told
	}
}
