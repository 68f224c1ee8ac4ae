package auth

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"annal"
)

// DeleteTenant forgets a tenant, its people and its policies, and ends what was
// issued to them. Its events remain until their retention ends; who is bound to
// nothing still sees them.
func (s *Store) DeleteTenant(id string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	old, known := s.Tenant(id)
	if !known {
		return annal.ErrNotFound
	}
	var ended [][]byte
	err := s.update(func(tx *bolt.Tx) (err error) {
		if err := tx.Bucket(bucketTenants).Delete([]byte(id)); err != nil {
			return err
		}
		if err := deletePrefix(tx.Bucket(bucketDirectory), []byte(id+"\x00")); err != nil {
			return err
		}
		if err := deleteRefresh(tx, func(r *refresh) bool { return r.Tenant == id }); err != nil {
			return err
		}
		ended, err = s.revokeAll(tx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete tenant: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	for _, hash := range ended {
		delete(s.cache, [sha256.Size]byte(hash))
	}
	delete(s.tenants, id)
	delete(s.directories, id)
	if old.Partner != "" {
		s.partners[old.Partner] = slices.DeleteFunc(slices.Clone(s.partners[old.Partner]), func(t string) bool { return t == id })
	}
	return nil
}

// revokeAll ends the tokens of a tenant and returns their hashes.
func (s *Store) revokeAll(tx *bolt.Tx, tenant string) (hashes [][]byte, err error) {
	var doomed []record
	err = tx.Bucket(bucketTokens).ForEach(func(k, v []byte) error {
		r, err := readRecord(k, v)
		if err == nil && r.Tenant == tenant && r.Revoked.IsZero() {
			doomed = append(doomed, r)
		}
		return err
	})
	for _, r := range doomed {
		if err != nil {
			break
		}
		r.Revoked = s.now().UTC()
		hashes = append(hashes, r.Hash)
		err = putRecord(tx, r)
	}
	return hashes, err
}

func deletePrefix(b *bolt.Bucket, prefix []byte) error {
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
