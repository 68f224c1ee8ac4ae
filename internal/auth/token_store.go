package auth

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"annal/internal/book"

	"annal"
	"annal/internal/identity"
)

// record is a token as stored.
type record struct {
	Token
	Hash []byte
}

// Create makes a token on behalf of by, and returns its secret, which cannot be
// had again. A token for a tenant that by may bring makes the tenant.
func (s *Store) Create(by *Caller, spec TokenSpec) (Token, string, error) {
	if err := spec.check(s.now()); err != nil {
		return Token{}, "", err
	}
	if !s.manages(by, spec.Tenant, spec.Partner) {
		return Token{}, "", &annal.ForbiddenError{Index: -1, Reason: "this token may only make tokens for what it is itself bound to"}
	}
	if !spec.grants(by) {
		return Token{}, "", &annal.ForbiddenError{Index: -1, Reason: "nobody gives a token rights that they do not have"}
	}
	secret, err := newSecret(s.rand)
	if err != nil {
		return Token{}, "", err
	}
	t, err := s.add(by, secret, spec)
	return t, secret, err
}

// grants reports whether by may give a token these rights: an admin any, somebody
// else whom a policy lets make tokens those that are their own.
func (spec *TokenSpec) grants(by *Caller) bool {
	if by.Super() || slices.Contains(by.Scopes, ScopeAdmin) {
		return true
	}
	return !slices.ContainsFunc(spec.Scopes, func(scope string) bool { return !slices.Contains(by.Scopes, scope) }) &&
		(spec.Standing == identity.Ordinary || spec.Standing == by.Standing)
}

func (s *Store) add(by *Caller, secret string, spec TokenSpec) (Token, error) {
	id, err := newTokenID(s.rand)
	if err != nil {
		return Token{}, err
	}
	t := Token{
		ID: id, Subject: spec.Subject, Tenant: spec.Tenant, Partner: spec.Partner,
		Scopes: slices.Compact(slices.Sorted(slices.Values(spec.Scopes))), Created: s.now().UTC(), Expires: spec.Expires,
		Standing: spec.Standing,
	}
	hash := sha256.Sum256([]byte(secret))
	s.changes.Lock()
	defer s.changes.Unlock()
	var fresh []Tenant
	if _, known := s.Tenant(t.Tenant); t.Tenant != "" && !known {
		if !by.Super() { // it was deleted since by was asked who they are
			return Token{}, annal.ErrNotFound
		}
		fresh = []Tenant{{ID: t.Tenant, Created: t.Created}}
	}
	err = s.update(func(tx *book.Tx) error {
		n, err := tx.Bucket(bucketTokens).Len()
		if err != nil {
			return err
		}
		if n >= MaxTokens {
			return annal.Invalid("", "there are %d tokens, which is the limit", MaxTokens)
		}
		if err := checkShare(tx, by, t); err != nil {
			return err
		}
		if err := tx.Bucket(bucketHashes).Put(hash[:], []byte(id)); err != nil {
			return err
		}
		if err := putTenants(tx, fresh); err != nil {
			return err
		}
		return putRecord(tx, record{t, hash[:]})
	})
	if err != nil {
		return Token{}, fmt.Errorf("save token: %w", err)
	}
	s.setTenants(fresh)
	return t, nil
}

// checkShare keeps those who are bound to something from taking the room of all
// others.
func checkShare(tx *book.Tx, by *Caller, t Token) error {
	if by.Super() {
		return nil
	}
	n := 0
	err := tx.Bucket(bucketTokens).ForEach(func(k, v []byte) error {
		r, err := readRecord(k, v)
		if r.Tenant == t.Tenant && r.Partner == t.Partner {
			n++
		}
		return err
	})
	if err == nil && n >= MaxBound {
		err = annal.Invalid("", "there are %d tokens bound to this, which is the limit", MaxBound)
	}
	return err
}

// manages reports whether by may manage tokens of tenant or partner, or of
// nothing when both are "".
func (s *Store) manages(by *Caller, tenant, partner string) bool {
	switch {
	case by.Super():
		return true
	case tenant != "":
		return by.Sees(tenant)
	}
	return partner != "" && partner == by.Partner
}

// List returns the tokens that by may manage, oldest first.
func (s *Store) List(by *Caller) ([]Token, error) {
	s.mu.RLock()
	used := maps.Clone(s.used)
	s.mu.RUnlock()
	list := []Token{}
	err := s.db.View(func(tx *book.Tx) error {
		return tx.Bucket(bucketTokens).ForEach(func(k, v []byte) error {
			r, err := readRecord(k, v)
			if err != nil || !s.manages(by, r.Tenant, r.Partner) {
				return err
			}
			if at, ok := used[r.ID]; ok {
				r.LastUsed = at
			}
			list = append(list, r.Token)
			return nil
		})
	})
	slices.SortFunc(list, func(a, b Token) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, err
}

// Revoke ends a token at once. It answers [annal.ErrNotFound] for tokens that by
// may not manage, and does nothing to one that is revoked.
func (s *Store) Revoke(by *Caller, id string) (Token, error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	var r record
	err := s.update(func(tx *book.Tx) (err error) {
		r, err = getRecord(tx, id)
		if err != nil {
			return err
		}
		if !s.manages(by, r.Tenant, r.Partner) {
			return annal.ErrNotFound
		}
		if !r.Revoked.IsZero() {
			return nil
		}
		r.Revoked = s.now().UTC()
		return putRecord(tx, r)
	})
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	delete(s.cache, [sha256.Size]byte(r.Hash))
	return r.Token, nil
}

// tokenByHash finds a token by the hash of its secret.
func (s *Store) tokenByHash(hash [sha256.Size]byte) (Token, error) {
	var r record
	err := s.db.View(func(tx *book.Tx) (err error) {
		id, err := tx.Bucket(bucketHashes).Get(hash[:])
		if err != nil {
			return err
		}
		if id == nil {
			return ErrUnknown
		}
		r, err = getRecord(tx, string(id))
		return err
	})
	if err == nil && !sameHash(r.Hash, hash[:]) {
		err = ErrUnknown
	}
	return r.Token, err
}

func getRecord(tx *book.Tx, id string) (record, error) {
	v, err := tx.Bucket(bucketTokens).Get([]byte(id))
	if err != nil {
		return record{}, err
	}
	if v == nil {
		return record{}, annal.ErrNotFound
	}
	return readRecord([]byte(id), v)
}

func readRecord(k, v []byte) (r record, err error) {
	if err := json.Unmarshal(v, &r); err != nil || len(r.Hash) != sha256.Size {
		return r, fmt.Errorf("token record %s is damaged", k)
	}
	return r, nil
}

func putRecord(tx *book.Tx, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketTokens).Put([]byte(r.ID), b)
}
