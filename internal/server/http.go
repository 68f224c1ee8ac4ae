package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// maxHeaderBytes bounds a request's header; paths reach 4 KiB.
const maxHeaderBytes = 64 << 10

// A listening is one address and what answers there.
type listening struct {
	listener net.Listener
	server   *http.Server
}

func (s *Server) listen(address string, handler http.Handler) (listening, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return listening{}, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listening{
		listener: newLimitListener(l, s.cfg.MaxConnections, s.cfg.StallTimeout, s.log),
		server: &http.Server{
			Handler:           noteHeaders(boundBody(s.cfg.BodyTimeout, handler)),
			ConnContext:       withConn,
			ReadHeaderTimeout: s.cfg.HeaderTimeout,
			IdleTimeout:       s.cfg.IdleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// public answers on the API's address. The API matches escaped paths, which
// http.ServeMux would clean, so that it is not used here.
func (s *Server) public(api http.Handler) http.Handler {
	figures := s.metrics.handler(s.cfg.MetricsToken)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			figures.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// admin answers on the admin address: what may show the process's memory.
func (s *Server) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler(""))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// Run answers requests until ctx ends, then finishes those that run. It returns
// nil after an orderly end. Close must still be called.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, len(s.listenings))
	for _, l := range s.listenings {
		go func() { failed <- l.server.Serve(l.listener) }()
	}
	resting := make(chan struct{})
	housekeeping, stop := context.WithCancel(ctx)
	go func() { defer close(resting); s.keepHouse(housekeeping) }()
	defer func() { stop(); <-resting }()
	var err error
	select {
	case <-ctx.Done():
		s.log.Info("shutting down", "reason", context.Cause(ctx))
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	return errors.Join(err, s.drain())
}

// flushInterval is how often it is stored when tokens were last used.
const flushInterval = time.Minute

// keepHouse does what is due from time to time, until ctx ends.
func (s *Server) keepHouse(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	look := time.NewTicker(keysEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			s.keys.look(s.cfg.Data, s.store.ID(), s.log)
			s.auth.Look()
			s.forward.Look()
		case <-tick.C:
			if err := s.auth.Flush(); err != nil {
				s.log.Error("the last use of tokens was not stored", "error", err)
			}
		}
	}
}

// drain lets running requests finish, for as long as they may take; tails end
// at once.
func (s *Server) drain() error {
	s.drainOnce.Do(func() { close(s.draining) })
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	began := time.Now()
	var errs []error
	for _, l := range s.listenings {
		if err := l.server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests still ran after %v and were cut off: %w", s.cfg.ShutdownTimeout, err), l.server.Close())
		}
	}
	s.log.Info("requests finished", "after", time.Since(began).Round(time.Millisecond))
	return errors.Join(errs...)
}
