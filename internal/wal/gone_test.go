package wal

import (
	"fmt"
	"sync"
	"testing"

	"annal/internal/vfs"
)

// A log that is sound is found sound, however much is appended, marked and let go of
// meanwhile, and after it was opened again.
func TestScrubOfASoundLog(t *testing.T) {
	disk := vfs.NewMem(1)
	cfg := Config{FS: disk, Dir: "log", FileSize: 64 << 10}
	var at Patrol
	position, trimmed := uint64(0), uint64(0)
	for range 3 {
		l, damages, err := Open(cfg, trimmed, func(Record) error { return nil })
		if err != nil || damages != nil {
			t.Fatal(damages, err)
		}
		var wg sync.WaitGroup
		quit := make(chan struct{})
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-quit:
					return
				default:
				}
				if file := l.Scrub(&at, 20_000); file != "" {
					t.Errorf("%s is said to be damaged", file)
				}
				if files := l.Gone(); files != nil {
					t.Errorf("%v are said to be gone", files)
				}
			}
		}()
		for n := range 200 {
			if err := l.Append(Record{Position: position, Count: 1}, make([]byte, n*50)); err != nil {
				t.Fatal(err)
			}
			position++
			if n%7 == 0 {
				if err := l.Mark(); err != nil {
					t.Fatal(err)
				}
			}
			if n%50 == 40 {
				trimmed = position - 20
				if err := l.Trim(trimmed); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(quit)
		wg.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Scrub meets every block that was written for a record, and names the file once.
func TestScrubFindsEveryChange(t *testing.T) {
	for block := range int64(8) {
		t.Run(fmt.Sprint(block), func(t *testing.T) {
			disk := vfs.NewMem(1)
			l, _, err := Open(Config{FS: disk, Dir: "log", FileSize: 64 << 10, Inline: true}, 0, func(Record) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			for n := range uint64(7) {
				if err := l.Append(Record{Position: n, Count: 1}, make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
			}
			name := "log/" + logName(0, l.current.epoch)
			f, err := disk.OpenLog(name)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, blockSize)
			if _, err := f.ReadAt(b, block*blockSize); err != nil {
				t.Fatal(err)
			}
			b[50] ^= 1
			if _, err := f.WriteAt(b, block*blockSize); err != nil {
				t.Fatal(err)
			}
			var at Patrol
			var found []string
			for range 40 {
				if file := l.Scrub(&at, 1); file != "" {
					found = append(found, file)
				}
			}
			if len(found) != 1 || found[0] != name {
				t.Errorf("scrub names %v, want %s once", found, name)
			}
			if err := l.Append(Record{Position: 7, Count: 1}); err != nil {
				t.Fatal(err)
			}
			if next := "log/" + logName(7, l.current.epoch); l.current.name != next {
				t.Errorf("appends go on in %s, want a new file", l.current.name)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
