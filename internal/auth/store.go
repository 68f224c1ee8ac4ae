package auth

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"annal/internal/book"
)

// The files of a data folder that auth keeps.
const (
	StateFile      = "state.db"    // tokens (hashed), tenants, people and policies
	AdminTokenFile = "admin-token" // the first token, for a person to fetch and remove
)

// AdminSubject is whom the first token belongs to.
const AdminSubject = "admin"

var (
	bucketTokens  = "tokens"  // id → record
	bucketHashes  = "hashes"  // SHA-256 of the secret → id
	bucketTenants = "tenants" // id → Tenant
)

// Config says where a store lives.
type Config struct {
	Dir   string           // the data folder
	LogID [16]byte         // of the log that the folder holds
	Now   func() time.Time // the clock
	Rand  io.Reader        // where secrets come from: crypto/rand.Reader

	// Used says that the folder has been in use, so that the files must be there.
	Used bool
	// Damaged is told of the first damage that is met in the state while it is open;
	// nil: nobody is.
	Damaged func(error)
}

// A Store keeps tokens and tenants. It is safe for concurrent use.
type Store struct {
	now   func() time.Time
	rand  io.Reader
	admin string

	db      *book.Book
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
	strangers   *paces // at which names fail from networks that they have not signed in from
	locks       locks
	homes       homes
}

// Open opens the store in cfg.Dir. An empty one gets its first token, bound to
// nothing and with every scope, which it writes to AdminTokenFile (mode 0600);
// see [Store.FirstToken].
func Open(cfg Config) (*Store, error) {
	name := filepath.Join(cfg.Dir, StateFile)
	db, err := openState(name, filepath.Join(cfg.Dir, SigningKeyFile), &cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{
		now: cfg.Now, rand: cfg.Rand, db: db,
		cache: map[[sha256.Size]byte]*verified{}, used: map[string]time.Time{}, ended: map[string]int64{},
		tenants: map[string]Tenant{}, gone: map[string]Tenant{}, partners: map[string][]string{}, directories: map[string]*directory{},
		addresses: newPaces(addressBurst, addressEvery), subjects: newPaces(subjectBurst, subjectEvery),
		strangers: newPaces(strangerBurst, strangerEvery), locks: locks{keys: map[string]failing{}}, homes: homes{keys: map[string][]home{}},
	}
	if s.signer, err = openSigner(&cfg); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := s.load(&cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("load %s: %w", name, err), db.Close())
	}
	return s, nil
}

// openState opens the database of a folder, or begins one. The key is made after
// the database: where there is a key alone, the database was lost.
func openState(name, key string, cfg *Config) (*book.Book, error) {
	err := book.Lost(name, key, cfg.Used)
	var db *book.Book
	if err == nil {
		db, err = book.Open(name, cfg.LogID, cfg.Damaged)
	}
	if book.Unusable(err) {
		err = fmt.Errorf("%w: put both files back from a backup; or, to begin with a new admin token and without users and policies, move what is left of them away (%s and %s) and start once with --new-state", err, name, key)
	}
	return db, err
}

// FirstToken says where this start wrote the first token; "" when there were
// tokens already.
func (s *Store) FirstToken() string { return s.admin }

func (s *Store) load(cfg *Config) (err error) {
	if s.passwords, err = newPasswords(s.rand); err != nil {
		return err
	}
	empty := false
	err = s.db.Update(func(tx *book.Tx) error {
		for _, name := range []string{bucketTokens, bucketHashes, bucketTenants, bucketDirectory, bucketRefresh, bucketEnded} {
			if _, err := tx.Create(name); err != nil {
				return err
			}
		}
		n, err := tx.Bucket(bucketTokens).Len()
		if err != nil {
			return err
		}
		empty = n == 0
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
	return s.bootstrap(filepath.Join(cfg.Dir, AdminTokenFile))
}

// bootstrap makes the first token. The file is complete on disk before the
// store knows the token: a crash in between leaves a store that is still empty
// and makes another.
func (s *Store) bootstrap(name string) error {
	secret, err := newSecret(s.rand)
	if err != nil {
		return err
	}
	if err := book.WriteSecret(name, secret+"\n"); err != nil {
		return err
	}
	if _, err := s.add(&Caller{}, secret, TokenSpec{Subject: AdminSubject, Scopes: AllScopes()}); err != nil {
		return err
	}
	s.admin = name
	return nil
}

// Close stores what is pending and closes the store.
func (s *Store) Close() error { return errors.Join(s.Flush(), s.db.Close()) }

// Damage is what was found wrong with the state while it was open, or nil.
func (s *Store) Damage() error { return s.db.Damage() }

// Look finds that the file was cut, removed or replaced before anybody needs it.
func (s *Store) Look() { s.db.Look() }

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
	return s.update(func(tx *book.Tx) error {
		if !due {
			return nil
		}
		s.purged = now
		return purge(tx, now)
	})
}

// update runs fn in a transaction that also stores pending uses; s.changes is
// held and s.mu is not.
func (s *Store) update(fn func(*book.Tx) error) error {
	s.mu.RLock()
	used := maps.Clone(s.used)
	s.mu.RUnlock()
	err := s.db.Update(func(tx *book.Tx) error {
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
