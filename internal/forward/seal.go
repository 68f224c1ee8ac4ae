package forward

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"annal/internal/book"
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
func openSealer(name string, logID [16]byte, rand io.Reader, fresh bool) (*sealer, error) {
	text, err := book.ReadKey(name, logID)
	switch {
	case errors.Is(err, fs.ErrNotExist) && fresh:
		if text, err = makeKey(name, logID, rand); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing: put it back from a backup; or, to enter the destinations anew, move %s away and start once with --new-state", name, StateFile)
	case book.Unusable(err):
		return nil, fmt.Errorf("%w: put it back from a backup; or, to enter the destinations anew, move it and %s away and start once with --new-state", err, StateFile)
	case err != nil: // it may be sound: nobody is to move it away
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is no key of %d bytes in hex", name, keyBytes)
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
func makeKey(name string, logID [16]byte, rand io.Reader) (string, error) {
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(rand, key); err != nil {
		return "", fmt.Errorf("draw a key: %w", err)
	}
	text := hex.EncodeToString(key)
	return text, book.WriteKey(name, text, logID)
}
