package auth

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"annal/internal/book"
)

// CheckAdminToken reports a file with the first token that holds no token of the
// folder, because it is damaged or from elsewhere. It may be gone.
func CheckAdminToken(dir string, logID [16]byte) error {
	name := filepath.Join(dir, AdminTokenFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(string(b))))
	known := false
	err = book.Scan(filepath.Join(dir, StateFile), logID, func(bucket string, key, _ []byte) {
		known = known || bucket == bucketHashes && string(key) == string(hash[:])
	})
	if err != nil || known {
		return err
	}
	return &book.DamageError{File: name, What: "it holds no token of " + StateFile + "; remove it, and use another", From: 0, To: int64(max(1, len(b)))}
}
