package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"annal"
)

// What a password costs to check (argon2id). Hashes carry their own cost, so
// that these may rise.
const (
	passwordMemory  = 19 << 10 // KiB
	passwordPasses  = 2
	passwordThreads = 1
	passwordSalt    = 16 // bytes
	passwordKey     = 32 // bytes
)

// Limits of passwords and of their checking.
const (
	MinPassword     = 8    // characters
	MaxPassword     = 1024 // bytes
	maxHashings     = 4    // at a time: 76 MiB
	maxWaiting      = 64   // that wait for their turn; further ones are refused
	maxStoredCost   = 256 << 10
	maxStoredPasses = 16
)

// passwords hashes passwords and compares them, a few at a time.
type passwords struct {
	rand    io.Reader
	running chan struct{}
	waiting chan struct{}
	decoy   string // hash that no password has: unknown users cost the same
}

func newPasswords(random io.Reader) (*passwords, error) {
	p := &passwords{rand: random, running: make(chan struct{}, maxHashings), waiting: make(chan struct{}, maxWaiting)}
	salt := make([]byte, passwordSalt+passwordKey)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, fmt.Errorf("draw a salt: %w", err)
	}
	p.decoy = encodeHash(salt[:passwordSalt], salt[passwordSalt:])
	return p, nil
}

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < MinPassword || len(password) > MaxPassword || !utf8.ValidString(password) {
		return annal.Invalid("password", "must have at least %d characters and at most %d bytes", MinPassword, MaxPassword)
	}
	return nil
}

// hash makes what is stored of a password.
func (p *passwords) hash(password string) (string, error) {
	salt := make([]byte, passwordSalt)
	if _, err := io.ReadFull(p.rand, salt); err != nil {
		return "", fmt.Errorf("draw a salt: %w", err)
	}
	p.running <- struct{}{}
	defer func() { <-p.running }()
	return encodeHash(salt, argon2.IDKey([]byte(password), salt, passwordPasses, passwordMemory, passwordThreads, passwordKey)), nil
}

// matches compares a password with a hash; with "" it takes as long and is
// false.
func (p *passwords) matches(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return false, &RateError{After: retryBusy}
	}
	select {
	case p.running <- struct{}{}:
		defer func() { <-p.running }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	memory, passes, threads, salt, want, err := decodeHash(hash)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, passwordKey)
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// encodeHash spells a hash as others do (the PHC string format).
func encodeHash(salt, key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, passwordMemory, passwordPasses, passwordThreads, enc.EncodeToString(salt), enc.EncodeToString(key))
}

func decodeHash(hash string) (memory, passes uint32, threads uint8, salt, key []byte, err error) {
	damaged := func() error { return fmt.Errorf("the stored hash of a password is damaged") }
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return 0, 0, 0, nil, nil, damaged()
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return 0, 0, 0, nil, nil, damaged()
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(key) != passwordKey || memory == 0 || memory > maxStoredCost || passes == 0 || passes > maxStoredPasses || threads == 0 {
		return 0, 0, 0, nil, nil, damaged()
	}
	return memory, passes, threads, salt, key, nil
}

// randomText draws a secret of 192 bits.
func randomText(random io.Reader) (string, error) {
	b := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw a secret: %w", err)
	}
	return hex.EncodeToString(b), nil
}
