package book

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// Keys lie in files of their own, as text that only their owner reads:
//
//	┌──────┬────┬───────┬─────────────────┬────┬────────────────┬────┐
//	│ text │ \n │ "log" │ log id, 32 hex  │ \n │ crc32c, 8 hex  │ \n │
//	└──────┴────┴───────┴─────────────────┴────┴────────────────┴────┘
//
// The crc is that of everything before it.

const (
	keyCRC  = 8 + 1
	keyTail = len("log ") + 2*16 + 1 + keyCRC
	// maxKey bounds the files that are read whole.
	maxKey = 64 << 10
)

// ReadKey returns the text of a key's file.
//
// Errors: *DamageError, ErrForeign, fs.ErrNotExist; others when the file cannot
// be read now.
func ReadKey(name string, logID [16]byte) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	n := len(b) - keyTail
	if n < 1 || len(b) > maxKey {
		return "", &DamageError{File: name, What: "it is not as long as a key", From: 0, To: int64(max(len(b), keyTail))}
	}
	if string(b[len(b)-keyCRC:]) != keySum(b[:len(b)-keyCRC]) || b[n-1] != '\n' {
		return "", &DamageError{File: name, What: "wrong checksum", From: 0, To: int64(len(b))}
	}
	if line := owner(logID); !bytes.Equal(b[n:len(b)-keyCRC], []byte(line)) {
		return "", fmt.Errorf("%s: %w", name, ErrForeign)
	}
	return string(b[:n-1]), nil
}

func owner(logID [16]byte) string { return "log " + hex.EncodeToString(logID[:]) + "\n" }

func keySum(b []byte) string {
	return fmt.Sprintf("%08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// Lost reports a book that is missing or empty although the key is there that is
// made after it, or, used, other files of the folder are.
func Lost(name, key string, used bool) error {
	if info, err := os.Stat(name); err == nil && info.Size() > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(key); err == nil {
		return &DamageError{File: name, What: "it is missing or empty, although " + filepath.Base(key) + " is there"}
	}
	if used {
		return &DamageError{File: name, What: "it is missing or empty, and so is " + filepath.Base(key) + ", although the data folder has been in use"}
	}
	return nil
}

// Unusable reports whether err says that a file is not what was written, rather
// than that it cannot be read at the moment.
func Unusable(err error) bool {
	var d *DamageError
	return errors.As(err, &d) || errors.Is(err, ErrForeign)
}

// WriteKey puts a text into a key's file. It is on disk when WriteKey returns,
// whole or not at all.
func WriteKey(name, text string, logID [16]byte) error {
	b := []byte(text + "\n" + owner(logID))
	return WriteSecret(name, string(b)+keySum(b))
}

// WriteSecret puts a text into a file that only its owner reads. It is on disk
// when WriteSecret returns, whole or not at all.
func WriteSecret(name, text string) error {
	tmp := name + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return rename(tmp, name)
}

// rename gives a file its name, durably.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
