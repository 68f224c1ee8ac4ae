package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// The files of a data folder that auth keeps.
const (
	StateFile      = "state.db"    // tokens (hashed), tenants, people and policies
	AdminTokenFile = "admin-token" // the first token, for a person to fetch and remove
)

// AdminSubject is whom the first token belongs to.
const AdminSubject = "admin"

// openWait bounds the wait for another process that holds the state file.
const openWait = 2 * time.Second

var (
	bucketTokens  = []byte("tokens")  // id → record
	bucketHashes  = []byte("hashes")  // SHA-256 of the secret → id
	bucketTenants = []byte("tenants") // id → Tenant
)

// Config says where a store lives.
type Config struct {
	Dir  string           // the data folder
	Now  func() time.Time // the clock
	Rand io.Reader        // where secrets come from: crypto/rand.Reader
}

// A Store keeps tokens and tenants. It is safe for concurrent use.
type Store struct {
	now   func() time.Time
	rand  io.Reader
	admin string

	db      *bolt.DB
	changes sync.Mutex // held through every change, so that mu never waits for a sync
	purged  time.Time  // when expired sessions were last removed; guarded by changes

	mu       sync.RWMutex // guards what follows
	epoch    uint64       // counts revocations, so that none is overtaken by a look-up
	cache    map[[sha256.Size]byte]*verified
	used     map[string]time.Time // uses not yet stored
	ended    map[string]int64     // tokens of logins that were ended → when they expire
	tenants  map[string]Tenant
	gone     map[string]Tenant   // that were deleted
	partners map[string][]string // partner → ids of tenants, in order

	directories map[string]*directory // by tenant
	passwords   *passwords
	policing    sync.Mutex // held while policies and their rules change
	signer      *signer
	addresses   *paces // at which addresses try to sign in
	subjects    *paces // at which names are tried
	locks       locks
}

// Open opens the store in cfg.Dir. An empty one gets its first token, bound to
// nothing and with every scope, which it writes to AdminTokenFile (mode 0600);
// see [Store.FirstToken].
func Open(cfg Config) (*Store, error) {
	name := filepath.Join(cfg.Dir, StateFile)
	db, err := bolt.Open(name, 0o600, &bolt.Options{Timeout: openWait})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another annal uses it", name)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	s := &Store{
		now: cfg.Now, rand: cfg.Rand, db: db,
		cache: map[[sha256.Size]byte]*verified{}, used: map[string]time.Time{}, ended: map[string]int64{},
		tenants: map[string]Tenant{}, gone: map[string]Tenant{}, partners: map[string][]string{}, directories: map[string]*directory{},
		addresses: newPaces(addressBurst, addressEvery), subjects: newPaces(subjectBurst, subjectEvery),
		locks: locks{keys: map[string]failing{}},
	}
	if err := s.load(cfg.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", name, err), db.Close())
	}
	return s, nil
}

// FirstToken says where this start wrote the first token; "" when there were
// tokens already.
func (s *Store) FirstToken() string { return s.admin }

func (s *Store) load(dir string) (err error) {
	if s.passwords, err = newPasswords(s.rand); err != nil {
		return err
	}
	if s.signer, err = openSigner(dir); err != nil {
		return err
	}
	empty := false
	err = s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketTokens, bucketHashes, bucketTenants, bucketDirectory, bucketRefresh, bucketEnded} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		k, _ := tx.Bucket(bucketTokens).Cursor().First()
		empty = k == nil
		if err := s.loadDirectories(tx); err != nil {
			return err
		}
		if err := s.loadEnded(tx); err != nil {
			return err
		}
		return tx.Bucket(bucketTenants).ForEach(func(k, v []byte) error {
			var t Tenant
			if err := json.Unmarshal(v, &t); err != nil {
				return fmt.Errorf("tenant %s: %w", k, err)
			}
			if !t.Deleted.IsZero() {
				s.gone[t.ID] = t
				return nil
			}
			s.tenants[t.ID] = t
			if t.Partner != "" {
				s.partners[t.Partner] = append(s.partners[t.Partner], t.ID)
			}
			return nil
		})
	})
	if err != nil || !empty {
		return err
	}
	return s.bootstrap(filepath.Join(dir, AdminTokenFile))
}

// bootstrap makes the first token. The file is complete on disk before the
// store knows the token: a crash in between leaves a store that is still empty
// and makes another.
func (s *Store) bootstrap(name string) error {
	secret, err := newSecret(s.rand)
	if err != nil {
		return err
	}
	if err := writeSecret(name, secret); err != nil {
		return err
	}
	if _, err := s.add(secret, TokenSpec{Subject: AdminSubject, Scopes: AllScopes()}); err != nil {
		return err
	}
	s.admin = name
	return nil
}

// writeSecret puts secret into a file that only its owner reads.
func writeSecret(name, secret string) (err error) {
	tmp := name + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close stores what is pending and closes the store.
func (s *Store) Close() error { return errors.Join(s.Flush(), s.db.Close()) }

// Flush stores when tokens were last used, and now and then removes what has
// expired. Losing it loses only that.
func (s *Store) Flush() error {
	s.changes.Lock()
	defer s.changes.Unlock()
	s.mu.RLock()
	n := len(s.used)
	s.mu.RUnlock()
	now := s.now()
	due := now.Sub(s.purged) >= purgeEvery
	if n == 0 && !due {
		return nil
	}
	return s.update(func(tx *bolt.Tx) error {
		if !due {
			return nil
		}
		s.purged = now
		return purge(tx, now)
	})
}

// update runs fn in a transaction that also stores pending uses; s.changes is
// held and s.mu is not.
func (s *Store) update(fn func(*bolt.Tx) error) error {
	s.mu.RLock()
	used := maps.Clone(s.used)
	s.mu.RUnlock()
	err := s.db.Update(func(tx *bolt.Tx) error {
		for id, at := range used {
			r, err := getRecord(tx, id)
			if err != nil {
				return err
			}
			r.LastUsed = at
			if err := putRecord(tx, r); err != nil {
				return err
			}
		}
		return fn(tx)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.used, func(id string, at time.Time) bool { return used[id].Equal(at) })
	return nil
}
