package forward

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const keyBytes = 32 // AES-256

// A sealer seals what authenticates to destinations.
type sealer struct {
	aead cipher.AEAD
	rand io.Reader
}

// seal returns a nonce and what it encrypts; place binds it to where it belongs.
func (s *sealer) seal(place, secret string) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return s.aead.Seal(nonce, nonce, []byte(secret), []byte(place)), nil
}

var errSealed = errors.New("what authenticates to it cannot be unsealed: the key is another one, or the database is damaged")

func (s *sealer) unseal(place string, sealed []byte) (string, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return "", errSealed
	}
	secret, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(place))
	if err != nil {
		return "", errSealed
	}
	return string(secret), nil
}

// openSealer reads the key, or makes one when there is nothing sealed yet.
func openSealer(name string, rand io.Reader, fresh bool) (*sealer, error) {
	key, err := os.ReadFile(name)
	switch {
	case errors.Is(err, os.ErrNotExist) && fresh:
		if key, err = makeKey(name, rand); err != nil {
			return nil, err
		}
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s is missing: put it back from a backup, or remove %s and enter the destinations anew", name, StateFile)
	case err != nil:
		return nil, err
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("%s has %d bytes, want %d", name, len(key), keyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead, rand}, err
}

// makeKey writes a key that only its owner reads; it is on disk before anything
// is sealed with it.
func makeKey(name string, rand io.Reader) (key []byte, err error) {
	key = make([]byte, keyBytes)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, name); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	return key, errors.Join(dir.Sync(), dir.Close())
}
