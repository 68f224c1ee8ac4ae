package book

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var logID = [16]byte{1, 2, 3}

// contents is what a book holds: bucket, slash, key → value.
type contents map[string]string

func read(t testing.TB, b *Book) contents {
	t.Helper()
	all := contents{}
	err := b.View(func(tx *Tx) error {
		for _, name := range []string{"a", "b"} {
			in := tx.Bucket(name)
			n := 0
			err := in.ForEach(func(k, v []byte) error {
				all[name+"/"+string(k)] = string(v)
				n++
				return nil
			})
			if counted, err := in.Len(); err != nil || counted != n {
				return fmt.Errorf("%s holds %d records and says %d, %v", name, n, counted, err)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// filled makes a book by random work, of enough records that it has branches,
// long values and free pages.
func filled(t testing.TB, name string, rnd *rand.Rand, rounds int) contents {
	t.Helper()
	b, err := Open(name, logID, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := contents{}
	for range rounds {
		err := b.Update(func(tx *Tx) error {
			for _, bucket := range []string{"a", "b"} {
				in, err := tx.Create(bucket)
				if err != nil {
					return err
				}
				for range rnd.IntN(30) {
					key := fmt.Sprintf("key %d", rnd.IntN(40))
					if bucket == "b" {
						key = strings.Repeat("long", 20) + fmt.Sprint(rnd.IntN(300))
					}
					if rnd.IntN(4) == 0 {
						delete(want, bucket+"/"+key)
						if err := in.Delete([]byte(key)); err != nil {
							return err
						}
						continue
					}
					value := strings.Repeat(fmt.Sprint(rnd.Int()), rnd.IntN(20))
					if rnd.IntN(30) == 0 {
						value = strings.Repeat("x", 9000)
					}
					want[bucket+"/"+key] = value
					if err := in.Put([]byte(key), []byte(value)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, b); !maps.Equal(got, want) {
			t.Fatalf("the book holds %d records, want %d others", len(got), len(want))
		}
		if err := Verify(name, logID); err != nil {
			t.Fatalf("a sound book: %v", err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return want
}

// Whatever is done to it, a book holds what was put into it, and is sound.
func TestSoundBooksAreFoundSound(t *testing.T) {
	for seed := range uint64(6) {
		name := filepath.Join(t.TempDir(), "book")
		want := filled(t, name, rand.New(rand.NewPCG(seed, 1)), 12)
		b, err := Open(name, logID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, b); !maps.Equal(got, want) {
			t.Errorf("seed %d: opened again it holds %d records, want %d others", seed, len(got), len(want))
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A flipped bit is found, with a range that holds it, or changes nothing.
func TestFlippedBitsAreFound(t *testing.T) {
	for _, rounds := range []int{1, 12} {
		rnd := rand.New(rand.NewPCG(3, uint64(rounds)))
		name := filepath.Join(t.TempDir(), "book")
		want := filled(t, name, rnd, rounds)
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for range 1500 {
			at := rnd.IntN(len(whole))
			if rnd.IntN(2) == 0 {
				at = at&^4095 + rnd.IntN(200) // headers, metas and elements deserve more
			}
			bad := append([]byte(nil), whole...)
			bad[at] ^= 1 << rnd.IntN(8)
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := Open(name, logID, nil)
			var d *DamageError
			switch {
			case errors.As(err, &d):
				found++
				if d.File != name || int64(at) < d.From || int64(at) >= d.To {
					t.Fatalf("byte %d of %d: the damage is said to be %v", at, len(whole), d)
				}
				continue
			case err != nil:
				t.Fatalf("byte %d: %v", at, err)
			}
			if got := read(t, b); !maps.Equal(got, want) {
				t.Fatalf("byte %d: the book opens with other contents", at)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if found < 200 {
			t.Errorf("only %d of 1500 flips were found", found)
		}
	}
}

// A file that is not whole is found, and one of another log is refused.
func TestCutEmptyAndForeignBooks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "book")
	filled(t, name, rand.New(rand.NewPCG(1, 1)), 3)
	if _, err := Open(name, [16]byte{9}, nil); !errors.Is(err, ErrForeign) {
		t.Errorf("another log's book: %v, want ErrForeign", err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	used := len(whole)
	for used > 0 && whole[used-1] == 0 {
		used--
	}
	for _, n := range []int{0, 1, 100, 4096, 4200, 8192, used / 2, used - 4096} {
		if err := os.WriteFile(name, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		var d *DamageError
		if _, err := Open(name, logID, nil); !errors.As(err, &d) {
			t.Errorf("cut to %d bytes: %v, want damage", n, err)
		}
	}
}

// Damage of a record that is read while the book is open is an error.
func TestDamageWhileOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "book")
	b, err := Open(name, logID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *Tx) error {
		in, err := tx.Create("a")
		if err != nil {
			return err
		}
		return in.Put([]byte("key"), []byte("a value that is easy to find"))
	})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("b"), int64(strings.LastIndex(string(whole), "a value that"))); err != nil {
		t.Fatal(err)
	}
	get := func(tx *Tx) error { _, err := tx.Bucket("a").Get([]byte("key")); return err }
	var d *DamageError
	if err := b.View(get); !errors.As(err, &d) || d.File != name {
		t.Errorf("a changed record: %v, want damage", err)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := b.View(get); !errors.As(err, &d) || d.File != name {
		t.Errorf("a file that was cut: %v, want damage", err)
	}
}
