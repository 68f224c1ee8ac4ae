package book

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// busy is how long something may take that waits for nothing but a processor. A
// test that hits it hangs.
const busy = 30 * time.Second

// A file that is lost is told of once, before anybody needs it.
func TestALookFindsALostFile(t *testing.T) {
	for name, do := range map[string]func(name string) error{
		"sound":     func(string) error { return nil },
		"cut":       func(name string) error { return os.Truncate(name, 8192) },
		"emptied":   func(name string) error { return os.Truncate(name, 0) },
		"removed":   os.Remove,
		"put aside": func(name string) error { return os.Rename(name, name+".aside") },
		"replaced": func(name string) error {
			return errors.Join(os.WriteFile(name+".new", make([]byte, 99999), 0o600), os.Rename(name+".new", name))
		},
	} {
		file := filepath.Join(t.TempDir(), "book")
		var told []error
		b, err := Open(file, logID, func(err error) { told = append(told, err) })
		if err != nil {
			t.Fatal(err)
		}
		if err := put(b, 0, records); err != nil {
			t.Fatal(err)
		}
		if err := do(file); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b.Look()
		}
		if n := len(told); name == "sound" && (n != 0 || b.Damage() != nil) || name != "sound" && (n != 1 || b.Damage() == nil || !strings.Contains(told[0].Error(), file)) {
			t.Errorf("%s: told of %v; known is %v", name, told, b.Damage())
		}
		_ = b.Close() // which may find out, too
	}
}

// Whatever befalls the file while many read and write, everybody gets an answer,
// which is right or an error that names the file; what it was is told once; and
// the book can be closed.
func TestALostFileKeepsNobodyWaiting(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(f *os.File, whole []byte) error
	}{
		{"cut to nothing", func(f *os.File, _ []byte) error { return f.Truncate(0) }},
		{"cut behind the metas", func(f *os.File, _ []byte) error { return f.Truncate(8192) }},
		{"overwritten with zeros", func(f *os.File, whole []byte) error { _, err := f.WriteAt(make([]byte, len(whole)), 0); return err }},
		{"overwritten with noise", func(f *os.File, whole []byte) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{0x5a}, len(whole)), 0)
			return err
		}},
		{"overwritten behind the metas", func(f *os.File, whole []byte) error {
			_, err := f.WriteAt(bytes.Repeat([]byte{0x5a}, len(whole)-8192), 8192)
			return err
		}},
		{"removed", func(f *os.File, _ []byte) error { return os.Remove(f.Name()) }},
		{"replaced", func(f *os.File, whole []byte) error {
			if err := os.WriteFile(f.Name()+".new", whole, 0o600); err != nil {
				return err
			}
			return os.Rename(f.Name()+".new", f.Name())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				loseWhileBusy(t, tt.do)
			}
		})
	}
}

func loseWhileBusy(t *testing.T, do func(f *os.File, whole []byte) error) {
	name := filepath.Join(t.TempDir(), "book")
	var told []error
	b, err := Open(name, logID, func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	if err := put(b, 0, records); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const workers, further = 24, 30
	underWay, lost := make(chan struct{}, workers), make(chan struct{})
	errs := make(chan error, workers)
	for i := range workers {
		go func() {
			for n, left := i, further; left > 0; n++ {
				work := func() error { return b.View(func(tx *Tx) error { return right(tx, n%records) }) }
				if i%8 == 0 {
					work = func() error { return put(b, n%records, n%records+1) }
				}
				if err := work(); err != nil {
					errs <- err
					return
				}
				if n == i {
					underWay <- struct{}{}
				}
				if isClosed(lost) {
					left--
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		<-underWay
	}
	if err := do(f, whole); err != nil {
		t.Fatal(err)
	}
	close(lost)
	failed := 0
	for range workers {
		select {
		case err := <-errs:
			var d *DamageError
			if err == nil {
				continue
			}
			if failed++; !errors.As(err, &d) || d.File != name {
				t.Errorf("got %v, want damage of %s", err, name)
			}
		case <-time.After(busy):
			t.Fatal("somebody waits for ever")
		}
	}
	if failed < workers/8 || len(told) != 1 || b.Damage() == nil {
		t.Errorf("%d of %d met damage, told %v, and the damage is %v", failed, workers, told, b.Damage())
	}
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// records is how many there are.
const records = 300

// put writes records from ≤ n < to.
func put(b *Book, from, to int) error {
	return b.Update(func(tx *Tx) error {
		in, err := tx.Create("a")
		for n := from; n < to && err == nil; n++ {
			err = in.Put(fmt.Appendf(nil, "key %d", n), []byte(strings.Repeat("value", n)))
		}
		return err
	})
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// right checks that a record is as it was put. In a page that was just overwritten
// bbolt may not find it: what is not found gives nobody any rights.
func right(tx *Tx, n int) error {
	v, err := tx.Bucket("a").Get(fmt.Appendf(nil, "key %d", n))
	if err == nil && v != nil && string(v) != strings.Repeat("value", n) {
		err = fmt.Errorf("record %d reads as %.20q", n, v)
	}
	return err
}

// A mistake of the caller's stays one, and holds up nobody else.
func TestAPanicOfTheCallersIsTheCallers(t *testing.T) {
	b, err := Open(filepath.Join(t.TempDir(), "book"), logID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, transact := range []func(func(*Tx) error) error{b.View, b.Update} {
		func() {
			defer func() {
				if p := recover(); p != "a mistake" {
					t.Errorf("recovered %v", p)
				}
			}()
			_ = transact(func(*Tx) error { panic("a mistake") })
		}()
	}
	if err := b.Update(func(tx *Tx) error { _, err := tx.Create("a"); return err }); err != nil || b.Damage() != nil {
		t.Errorf("afterwards: %v, damage %v", err, b.Damage())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
