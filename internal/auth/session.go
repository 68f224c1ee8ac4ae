package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
		if err := makeRoom(tx, s.now()); err != nil {
			return err
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
	stolen := ""
	err := s.update(func(tx *book.Tx) error {
		old, err := getRefresh(tx, token)
		if err != nil {
			return err
		}
		if old.Used {
			refused, stolen = ErrGrant, old.Family
			return s.endStolen(tx, stolen, now)
		}
		if !now.Before(old.Expires) {
			return ErrGrant
		}
		var next refresh
		if g, next, err = s.issue(old.session, lifetime); err != nil {
			return ErrGrant
		}
		if err := makeRoom(tx, now); err != nil {
			return err
		}
		old.Used = true
		if err := putRefresh(tx, token, old); err != nil {
			return err
		}
		return putRefresh(tx, g.Refresh, next)
	})
	if err == nil && stolen != "" {
		s.noteEnded(stolen, now.Add(identity.MaxLifetime).Unix(), now.Unix())
	}
	if err == nil {
		err = refused
	}
	if err != nil {
		return identity.Grant{}, err
	}
	return g, nil
}

// endStolen ends a session, and voids the access tokens that it gave. Should there
// be no room to note that, these end by themselves within MaxLifetime.
func (s *Store) endStolen(tx *book.Tx, family string, now time.Time) error {
	if err := endFamily(tx, family); err != nil {
		return err
	}
	err := putEnded(tx, family, now.Add(identity.MaxLifetime).Unix(), now.Unix())
	if errors.As(err, new(*RateError)) {
		return nil
	}
	return err
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

// makeRoom makes room for one more refresh token. When all that are kept are good,
// the oldest of the tenant that has most of them go: no tenant keeps another from
// signing in.
func makeRoom(tx *book.Tx, now time.Time) error {
	n, err := tx.Bucket(bucketRefresh).Len()
	if err != nil || n < MaxRefresh {
		return err
	}
	if err := purge(tx, now); err != nil {
		return err
	}
	if n, err = tx.Bucket(bucketRefresh).Len(); err != nil || n < MaxRefresh {
		return err
	}
	crowd, err := largestCrowd(tx)
	if err != nil {
		return err
	}
	slices.SortFunc(crowd, func(a, b crowded) int { return a.expires.Compare(b.expires) })
	for _, c := range crowd[:max(1, len(crowd)/10)] {
		if err := tx.Bucket(bucketRefresh).Delete(c.key); err != nil {
			return err
		}
	}
	return nil
}

// crowded is a refresh token of many.
type crowded struct {
	key     []byte
	expires time.Time
}

// largestCrowd returns the refresh tokens of the tenant that has most of them.
func largestCrowd(tx *book.Tx) (largest []crowded, err error) {
	of := map[string][]crowded{}
	err = tx.Bucket(bucketRefresh).ForEach(func(k, v []byte) error {
		var r refresh
		if err := json.Unmarshal(v, &r); err != nil {
			return fmt.Errorf("refresh record %x is damaged", k)
		}
		of[r.Tenant] = append(of[r.Tenant], crowded{k, r.Expires})
		if len(of[r.Tenant]) > len(largest) {
			largest = of[r.Tenant]
		}
		return nil
	})
	return largest, err
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
