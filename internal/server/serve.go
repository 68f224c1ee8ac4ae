package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"annal"
)

// Serve runs s until ctx ends and closes it.
func (s *Server) Serve(ctx context.Context) error {
	s.greet()
	err := errors.Join(s.Run(ctx), s.Close())
	s.log.Info("closed")
	return err
}

// greet says where the server answers and, when an admin token was made, how to
// begin: on a first start, and when state.db was begun anew.
func (s *Server) greet() {
	st := s.store.Stats()
	s.log.Info("listening", "address", "http://"+s.Address(), "data", s.cfg.Data, "events", st.Events)
	if st.Missing > 0 {
		s.log.Error("a part of the log is lost; answers that may lack events of it say so", "missing", s.store.Missing(annal.Query{}).String())
	}
	token := s.FirstToken()
	if token == "" {
		return
	}
	s.log.Info("a new admin token was written to a file", "file", token)
	if abs, err := filepath.Abs(token); err == nil {
		token = abs
	}
	fmt.Fprintf(s.greeting, `
A new admin token lies in %s (readable by you alone). Try:

  curl -sS -H "Authorization: Bearer $(cat %s)" http://%s/v1/events --json '{"actor":{"id":"user:me"},"action":"read"}'
  curl -sS -H "Authorization: Bearer $(cat %s)" http://%s/v1/audit/logs

`, token, token, s.Address(), token, s.Address())
}
