package forward

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"annal/internal/book"

	"annal"
	"annal/internal/identity"
)

// The files of a data folder that forward keeps.
const (
	StateFile = "forward.db"  // destinations, with what authenticates to them sealed
	KeyFile   = "forward-key" // the key that seals
)

var bucketDestinations = "destinations" // tenant, zero byte, name → record

// record is a destination as it is stored.
type record struct {
	Destination
	Sealed []byte `json:"sealed"`
}

// Config says where a store lives.
type Config struct {
	Dir   string           // the data folder
	LogID [16]byte         // of the log that the folder holds
	Now   func() time.Time // the clock
	Rand  io.Reader        // where ids and keys come from: crypto/rand.Reader

	// Used says that the folder has been in use, so that the files must be there.
	Used bool
	// Damaged is told of the first damage that is met in the file while it is open;
	// nil: nobody is.
	Damaged func(error)
}

// A Store keeps destinations. It is safe for concurrent use.
type Store struct {
	now    func() time.Time
	rand   io.Reader
	db     *book.Book
	sealer *sealer

	changes sync.Mutex // held through every change, so that mu never waits for a sync
	mu      sync.RWMutex
	tenants map[string]map[string]record // tenant → name → record; guarded by mu
}

// Open opens the store in cfg.Dir. It refuses one whose key is missing or does
// not fit.
func Open(cfg Config) (*Store, error) {
	name, key := filepath.Join(cfg.Dir, StateFile), filepath.Join(cfg.Dir, KeyFile)
	db, err := openState(name, key, &cfg)
	if err != nil {
		return nil, err
	}
	s := &Store{now: cfg.Now, rand: cfg.Rand, db: db, tenants: map[string]map[string]record{}}
	if err := s.load(key, cfg.LogID); err != nil {
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
		err = fmt.Errorf("%w: put both files back from a backup; or, to enter the destinations anew, move what is left of them away (%s and %s) and start once with --new-state", err, name, key)
	}
	return db, err
}

// Damage is what was found wrong with the file while it was open, or nil.
func (s *Store) Damage() error { return s.db.Damage() }

// Look finds that the file was cut, removed or replaced before anybody needs it.
func (s *Store) Look() { s.db.Look() }

// Close closes the store.
func (s *Store) Close() error { return s.db.Close() }

func (s *Store) load(key string, logID [16]byte) error {
	err := s.db.Update(func(tx *book.Tx) error {
		b, err := tx.Create(bucketDestinations)
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			var r record
			if err := json.Unmarshal(v, &r); err != nil {
				return fmt.Errorf("destination %q: %w", k, err)
			}
			tenant, _, _ := strings.Cut(string(k), "\x00")
			s.put(tenant, r)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if s.sealer, err = openSealer(key, logID, s.rand, len(s.tenants) == 0); err != nil {
		return err
	}
	for tenant, records := range s.tenants {
		for name, r := range records {
			if _, err := s.shown(tenant, r); err != nil {
				return fmt.Errorf("destination %s of %s: %w", name, tenant, err)
			}
		}
	}
	return nil
}

// put keeps r in memory; s.mu is held, or nobody else knows s yet.
func (s *Store) put(tenant string, r record) {
	if s.tenants[tenant] == nil {
		s.tenants[tenant] = map[string]record{}
	}
	s.tenants[tenant][r.Name] = r
}

func place(tenant, id string) string { return tenant + "\x00" + id }

// shown returns a record with what authenticates to it.
func (s *Store) shown(tenant string, r record) (d Destination, err error) {
	d = r.Destination
	d.Auth, err = s.sealer.unseal(place(tenant, d.ID), r.Sealed)
	return d, err
}

func (s *Store) record(tenant, name string) (record, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.tenants[tenant][name]
	return r, ok
}

// Create adds a destination, or answers [identity.ErrExists]. The store chooses
// the id and the times.
func (s *Store) Create(tenant string, d Destination) (Destination, error) {
	if err := d.Check(); err != nil {
		return d, err
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	if _, taken := s.record(tenant, d.Name); taken {
		return d, identity.ErrExists
	}
	if s.count(tenant) >= MaxDestinations {
		return d, annal.Invalid("", "there are %d destinations, which is the limit; delete one", MaxDestinations)
	}
	id, err := newUUID(s.rand)
	if err != nil {
		return d, err
	}
	d.ID, d.Created = id, s.now().UTC()
	return s.save(tenant, d)
}

func (s *Store) count(tenant string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.tenants[tenant])
}

// Destination returns a destination with what authenticates to it, or
// [annal.ErrNotFound].
func (s *Store) Destination(tenant, name string) (Destination, error) {
	r, ok := s.record(tenant, name)
	if !ok {
		return Destination{}, annal.ErrNotFound
	}
	return s.shown(tenant, r)
}

// Update gives the destination of that name other settings, and a new start if
// delivery had given up. It returns what the destination was, too.
func (s *Store) Update(tenant string, d Destination) (before, after Destination, err error) {
	if err := d.Check(); err != nil {
		return before, d, err
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	if before, err = s.Destination(tenant, d.Name); err != nil {
		return before, d, err
	}
	d.ID, d.Created = before.ID, before.Created
	d.Failed, d.FailedEvents = false, 0
	after, err = s.save(tenant, d)
	return before, after, err
}

// save stores d; s.changes is held.
func (s *Store) save(tenant string, d Destination) (Destination, error) {
	d.Modified = s.now().UTC()
	sealed, err := s.sealer.seal(place(tenant, d.ID), d.Auth)
	if err != nil {
		return d, err
	}
	r := record{d, sealed}
	r.Auth = ""
	b, err := json.Marshal(r)
	if err != nil {
		return d, err
	}
	err = s.db.Update(func(tx *book.Tx) error {
		return tx.Bucket(bucketDestinations).Put([]byte(place(tenant, d.Name)), b)
	})
	if err != nil {
		return d, fmt.Errorf("save destination %s: %w", d.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(tenant, r)
	return d, nil
}

// Delete removes a destination and returns what it was, or answers
// [annal.ErrNotFound].
func (s *Store) Delete(tenant, name string) (Destination, error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	r, ok := s.record(tenant, name)
	if !ok {
		return Destination{}, annal.ErrNotFound
	}
	err := s.db.Update(func(tx *book.Tx) error {
		return tx.Bucket(bucketDestinations).Delete([]byte(place(tenant, name)))
	})
	if err != nil {
		return r.Destination, fmt.Errorf("delete destination %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants[tenant], name)
	return r.Destination, nil
}

// Forget removes all of a tenant's destinations.
func (s *Store) Forget(tenant string) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	err := s.db.Update(func(tx *book.Tx) error {
		b := tx.Bucket(bucketDestinations)
		for name := range s.tenants[tenant] { // nobody writes to it: changes is held
			if err := b.Delete([]byte(place(tenant, name))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget the destinations of %s: %w", tenant, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, tenant)
	return nil
}

// Search returns the page of a tenant's destinations whose name, kind or host
// holds the term, by name, without what authenticates to them.
func (s *Store) Search(tenant string, q identity.Search) (identity.Found[Destination], error) {
	found := identity.Found[Destination]{Items: []Destination{}, Limit: q.Limit}
	if found.Limit <= 0 {
		found.Limit = identity.DefaultLimit
	}
	found.Limit = min(found.Limit, identity.MaxLimit)
	after, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil {
		return found, annal.Invalid("cursor", "is not one that this search returned; begin again without it")
	}
	for _, d := range s.matching(tenant, strings.ToLower(q.Term)) {
		found.Total++
		switch {
		case q.Cursor != "" && d.Name <= string(after):
		case len(found.Items) < found.Limit:
			found.Items = append(found.Items, d)
		default:
			found.Next = base64.RawURLEncoding.EncodeToString([]byte(found.Items[len(found.Items)-1].Name))
		}
	}
	return found, nil
}

// matching returns the destinations that hold term, by name.
func (s *Store) matching(tenant, term string) []Destination {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Destination
	for _, r := range s.tenants[tenant] {
		if strings.Contains(strings.ToLower(r.Name+"\n"+r.Kind+"\n"+r.Host), term) {
			all = append(all, r.Destination)
		}
	}
	slices.SortFunc(all, func(a, b Destination) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// newUUID draws a random UUID (version 4).
func newUUID(rand io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}
