// Package server joins the parts of annal into one running server: it opens
// them in order, runs them together and closes them in reverse.
//
// Its one idea is that parts do not know each other. Each declares the few
// methods it calls; here is the only place where a token store becomes the API's
// Auth and ingest its Ingester.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"annal"
	"annal/internal/api"
	"annal/internal/auth"
	"annal/internal/forward"
	"annal/internal/ingest"
	"annal/internal/store"
	"annal/internal/vfs"
)

// Deps are what a server has of the world besides its configuration.
type Deps struct {
	Logger   *slog.Logger // nil: none
	Greeting io.Writer    // is told on a first start where the admin token lies; nil: nobody
	Version  string
	Now      func() time.Time // nil: time.Now
	Disk     vfs.FS           // where the log lies, tokens apart; nil: vfs.OS

	// NewState has what is lost of state.db and forward.db begun anew. Without it a
	// folder that has been in use is not opened without them.
	NewState bool

	// Sizes of the log's files, for tests that are to see many of them.
	SegmentRows int   // events of a segment; 0: the store's default
	LogFileSize int64 // bytes of a file of the write-ahead log; 0: its default
}

// A Server is a running annal. Open makes one, Run serves, Close ends it.
type Server struct {
	cfg      Config
	log      *slog.Logger
	greeting io.Writer
	store    *store.Store
	auth     *auth.Store
	forward  *forward.Store
	chain    auth.Chain // the kinds of tokens that are accepted
	access   accessLog
	keys     keyring
	metrics  *metrics

	listenings []listening
	draining   chan struct{} // closed when the server no longer takes new work
	drainOnce  sync.Once
	closers    []func() error // of what is open, in the order of opening
}

// CursorKeyFile holds the key that authenticates cursors. Without it they are
// refused, and clients begin their walk anew.
const CursorKeyFile = "cursor-key"

const cursorKeyBytes = 32

// Open opens the data folder and the listeners. Requests wait until Run.
func Open(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Greeting == nil {
		deps.Greeting = io.Discard
	}
	s := &Server{
		cfg: cfg, log: deps.Logger, greeting: deps.Greeting,
		metrics: newMetrics(deps.Version), draining: make(chan struct{}),
	}
	if err := s.open(deps); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) open(deps Deps) (err error) {
	s.boundMemory()
	// The data folder holds who did what: it is nobody else's.
	if err := (vfs.OS{}).MkdirAll(filepath.ToSlash(s.cfg.Data)); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	// The store locks the folder, so nothing else is opened before it.
	s.store, err = store.Open(store.Config{
		Dir: s.cfg.Data, FS: deps.Disk, Now: deps.Now, Logger: s.log,
		SegmentRows: deps.SegmentRows, WALFileSize: deps.LogFileSize, Resident: s.cfg.residentLimit(), Heap: int64(s.cfg.MemoryLimit),
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.store.Close)
	s.noteState()
	used := !deps.NewState && (s.store.End() > 0 || finished(s.cfg.Data))
	s.auth, err = auth.Open(auth.Config{Dir: s.cfg.Data, LogID: s.store.ID(), Now: deps.Now, Rand: rand.Reader, Used: used, Damaged: s.noteDamage})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.auth.Close)
	s.forward, err = forward.Open(forward.Config{Dir: s.cfg.Data, LogID: s.store.ID(), Now: deps.Now, Rand: rand.Reader, Used: used, Damaged: s.noteDamage})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.forward.Close)
	if s.chain, err = s.credentials(); err != nil {
		return err
	}
	if err := s.openAccess(deps); err != nil {
		return err
	}
	key, err := cursorKey(s.cfg.Data, s.store.ID(), rand.Reader)
	if err != nil {
		return err
	}
	return s.openListeners(s.handler(deps, key))
}

// handler joins ingest, store and auth under the API.
func (s *Server) handler(deps Deps, cursorKey []byte) http.Handler {
	guard := s.guard()
	s.meterStore()
	s.meterGuard(guard)
	return api.Handler(api.Config{
		Reader:       s.store,
		Ingest:       ingester{ingest.New(ingest.Config{Log: s.store, Now: deps.Now, Guard: guard}), s.metrics},
		Auth:         authority{s.auth, s.chain},
		Directory:    s.auth,
		TenantName:   s.auth.TenantName,
		Destinations: destinations{s.forward},
		Access:       s.access,
		CursorKey:    cursorKey,
		Now:          deps.Now,
		Logger:       s.log,
		Version:      deps.Version,
		Ready:        s.ready,
		Closing:      s.draining,
		Pressed:      s.store.Pressed,
		Observe:      s.metrics.observe,
		Tails:        s.meterTails(),
		QueryTimeout: s.cfg.QueryTimeout,
		WriteStall:   s.cfg.StallTimeout,

		AccessRetention: s.cfg.AccessRetention,
	})
}

func (s *Server) openListeners(handler http.Handler) error {
	trusted, err := parseProxies(s.cfg.TrustedProxies)
	if err != nil {
		return err // which the configuration's check has ruled out
	}
	l, err := s.listen(s.cfg.Listen, believeProxies(trusted, s.public(handler)))
	if err != nil {
		return err
	}
	s.listenings = append(s.listenings, l)
	s.closers = append(s.closers, l.server.Close, l.listener.Close)
	if s.cfg.AdminListen == "" {
		return nil
	}
	if l, err = s.listen(s.cfg.AdminListen, s.admin()); err != nil {
		return err
	}
	s.listenings = append(s.listenings, l)
	s.closers = append(s.closers, l.server.Close, l.listener.Close)
	return nil
}

// ready says what keeps the server from taking requests.
func (s *Server) ready(context.Context) error {
	select {
	case <-s.draining:
		return annal.ErrClosed
	default:
		return nil
	}
}

// Address is where the API answers, with the port that was picked.
func (s *Server) Address() string { return s.listenings[0].listener.Addr().String() }

// FirstToken is the file with the admin token if this start has written it.
func (s *Server) FirstToken() string { return s.auth.FirstToken() }

// Close shuts everything, last opened first. It may be called again.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil && !errors.Is(err, os.ErrClosed) && !isClosed(err) {
			errs = append(errs, err)
		}
	}
	s.closers = nil
	return errors.Join(errs...)
}

// boundMemory sets how Go's collector weighs memory against work. Segments are
// mapped and do not count: the system takes their pages back at need.
func (s *Server) boundMemory() {
	limit := int64(s.cfg.MemoryLimit)
	if limit == 0 {
		limit = math.MaxInt64
	}
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(s.cfg.GCPercent)
}

// mappedRoom is what segments may have resident beside the heap, unless the
// configuration says otherwise.
const mappedRoom = 320 << 20

// residentLimit is the resident memory above which segments give pages back; 0:
// none.
func (c *Config) residentLimit() int64 {
	if c.ResidentLimit == 0 && c.MemoryLimit > 0 {
		return int64(c.MemoryLimit) + mappedRoom
	}
	return int64(c.ResidentLimit)
}
