package server

import (
	"context"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"annal/internal/access"
	"annal/internal/api"
	"annal/internal/ingest"
	"annal/internal/store"
)

// AccessDir is the folder, within the data folder, of the log of reads.
const AccessDir = "access"

// The log of reads stays light: small segments and files.
const (
	accessSegmentRows = 64 << 10
	accessWALFile     = 4 << 20
)

// An accessLog is the stream of reads as the API calls it: notes are taken by
// one part and answered from the other.
type accessLog struct {
	*access.Log
	*store.Store
}

// Close is neither part's: each is closed by itself.
func (accessLog) Close() error { return nil }

// openAccess opens the log of reads. Its events take the way of all others, so
// that secrets in filters are removed.
func (s *Server) openAccess(deps Deps) error {
	reads, err := store.Open(store.Config{
		Dir: filepath.Join(s.cfg.Data, AccessDir), Now: deps.Now, Logger: s.log, SegmentRows: accessSegmentRows, WALFileSize: accessWALFile,
		Resident: s.cfg.residentLimit(),
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, reads.Close)
	in := ingest.New(ingest.Config{Log: reads, Now: deps.Now, Guard: s.guard()})
	notes := access.Open(access.Config{
		Now: deps.Now, Tenant: api.OwnTenant, Logger: s.log,
		Write: func(ctx context.Context, body []byte) error {
			_, err := in.Receive(ctx, ingest.Request{Body: body, Format: ingest.Native, Tenant: api.OwnTenant})
			return err
		},
	})
	s.closers = append(s.closers, notes.Close)
	s.access = accessLog{notes, reads}
	s.metrics.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "annal_access_notes_total", Help: "Reads of the log that were noted in the access stream.",
		}, func() float64 { return float64(notes.Written()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "annal_access_dropped_total", Help: "Reads of the log that were not noted, because the access stream could not keep up or its disk failed. More than 0 deserves an alarm.",
		}, func() float64 { return float64(notes.Dropped()) }),
	)
	return nil
}

// guard makes a guard that knows the configured names.
func (s *Server) guard() *ingest.Guard {
	return ingest.NewGuard(ingest.GuardConfig{Secret: s.cfg.RedactNames, Public: s.cfg.KeepNames})
}
