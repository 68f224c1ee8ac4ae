package auth

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"annal/internal/book"

	"annal/internal/identity"
)

// bucketRefresh holds SHA-256 of a refresh token → refresh.
var bucketRefresh = "refresh"

// Limits of refresh tokens.
const (
	MaxRefresh = 50_000    // kept, used ones included
	purgeEvery = time.Hour // how often expired ones are removed
)

// RefreshPrefix begins every refresh token.
const RefreshPrefix = "annal_refresh_"

// A session is one login and what follows from it.
type session struct {
	Tenant string
	Kind   string // identity.KindUser or identity.KindClient
	Name   string
	Stamp  string    // of the user when the session began, see userRecord.stamp
	Family string    // of the refresh tokens that follow one another
	Ends   time.Time // when the last of them does
}

// refresh is a refresh token as stored.
type refresh struct {
	session
	Expires time.Time
	Used    bool // it was exchanged; who shows it again has stolen it, or was stolen from
}

// open begins a session and issues its first tokens.
func (s *Store) open(who session, lifetime time.Duration) (identity.Grant, error) {
	var err error
	if who.Family, err = s.newUUID(); err != nil {
		return identity.Grant{}, err
	}
	who.Ends = s.now().Add(identity.SessionLifetime)
	g, next, err := s.issue(who, lifetime)
	if err != nil {
		return g, err
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	err = s.update(func(tx *book.Tx) error {
		n, err := tx.Bucket(bucketRefresh).Len()
		if err == nil && n >= MaxRefresh {
			if err := purge(tx, s.now()); err != nil {
				return err
			}
			n, err = tx.Bucket(bucketRefresh).Len()
		}
		if err != nil {
			return err
		}
		if n >= MaxRefresh {
			return &RateError{After: purgeEvery}
		}
		return putRefresh(tx, g.Refresh, next)
	})
	if err != nil {
		return identity.Grant{}, fmt.Errorf("save session: %w", err)
	}
	return g, nil
}

// issue makes an access token and a refresh token, which is not yet stored.
func (s *Store) issue(who session, lifetime time.Duration) (identity.Grant, refresh, error) {
	if lifetime <= 0 {
		lifetime = identity.DefaultLifetime
	}
	lifetime = min(lifetime, identity.MaxLifetime)
	caller, err := who.caller(s)
	if err != nil {
		return identity.Grant{}, refresh{}, ErrCredentials
	}
	g := identity.Grant{Lifetime: lifetime, Subject: caller.Subject, Client: caller.Client, Tenant: who.Tenant}
	if g.Access, g.TokenID, err = s.sign(&who, &caller, lifetime); err != nil {
		return g, refresh{}, err
	}
	secret, err := randomText(s.rand)
	if err != nil {
		return g, refresh{}, err
	}
	g.Refresh = RefreshPrefix + secret
	expires := s.now().Add(identity.RefreshLifetime)
	if expires.After(who.Ends) {
		expires = who.Ends
	}
	return g, refresh{session: who, Expires: expires}, nil
}

// GrantRefresh exchanges a refresh token for new tokens. One that was exchanged
// before ends its whole session: somebody else holds it too.
func (s *Store) GrantRefresh(token, remote string, lifetime time.Duration) (identity.Grant, error) {
	now := s.now()
	if wait, again := s.addresses.take(network64(remote), now); wait > 0 {
		return identity.Grant{}, &RateError{After: wait, Again: again}
	}
	if len(token) > maxCredential {
		return identity.Grant{}, ErrGrant
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	var g identity.Grant
	var refused error
	err := s.update(func(tx *book.Tx) error {
		old, err := getRefresh(tx, token)
		if err != nil {
			return err
		}
		if old.Used {
			refused = ErrGrant
			return endFamily(tx, old.Family)
		}
		if !now.Before(old.Expires) {
			return ErrGrant
		}
		var next refresh
		if g, next, err = s.issue(old.session, lifetime); err != nil {
			return ErrGrant
		}
		old.Used = true
		if err := putRefresh(tx, token, old); err != nil {
			return err
		}
		return putRefresh(tx, g.Refresh, next)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return identity.Grant{}, err
	}
	return g, nil
}

// EndSession voids a refresh token and all of its session. It says nothing of
// tokens that are not known.
func (s *Store) EndSession(token string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	return s.update(func(tx *book.Tx) error {
		old, err := getRefresh(tx, token)
		if err != nil {
			return nil
		}
		return endFamily(tx, old.Family)
	})
}

func refreshKey(token string) []byte {
	hash := sha256.Sum256([]byte(token))
	return hash[:]
}

func getRefresh(tx *book.Tx, token string) (r refresh, err error) {
	v, err := tx.Bucket(bucketRefresh).Get(refreshKey(token))
	if err != nil {
		return r, err
	}
	if v == nil {
		return r, ErrGrant
	}
	return r, json.Unmarshal(v, &r)
}

func putRefresh(tx *book.Tx, token string, r refresh) error {
	b, err := json.Marshal(&r)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketRefresh).Put(refreshKey(token), b)
}

func endFamily(tx *book.Tx, family string) error {
	return deleteRefresh(tx, func(r *refresh) bool { return r.Family == family })
}

func purge(tx *book.Tx, now time.Time) error {
	return deleteRefresh(tx, func(r *refresh) bool { return !now.Before(r.Expires) })
}

func deleteRefresh(tx *book.Tx, doomed func(*refresh) bool) error {
	var keys [][]byte
	b := tx.Bucket(bucketRefresh)
	err := b.ForEach(func(k, v []byte) error {
		var r refresh
		if err := json.Unmarshal(v, &r); err != nil {
			return fmt.Errorf("refresh record %x is damaged", k)
		}
		if doomed(&r) {
			keys = append(keys, k)
		}
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = b.Delete(k)
		}
	}
	return err
}
