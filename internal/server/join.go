package server

import (
	"context"
	"errors"
	"net"
	"net/http"

	"annal"
	"annal/internal/api"
	"annal/internal/auth"
	"annal/internal/ingest"
)

// An ingester is ingest as the API calls it.
type ingester struct {
	ingest  *ingest.Ingest
	metrics *metrics
}

// Receive stores a body of events and counts what became of them.
func (in ingester) Receive(ctx context.Context, r api.IngestRequest) (api.IngestResult, error) {
	res, err := in.ingest.Receive(ctx, ingest.Request{Body: r.Body, Format: ingest.FormatNamed(r.Format), Tenant: r.Tenant, Allow: r.Allow, Key: r.Key})
	if err != nil {
		in.metrics.events.WithLabelValues(refused).Add(float64(refusedEvents(err)))
		return api.IngestResult{}, err
	}
	in.metrics.events.WithLabelValues(duplicate).Add(float64(res.Duplicates))
	in.metrics.events.WithLabelValues(accepted).Add(float64(len(res.Receipts) - res.Duplicates))
	return api.IngestResult(res), nil
}

// refusedEvents counts the events that err is about: the others of their batch
// come again without them. Events that meet a failing disk are not refused.
func refusedEvents(err error) int {
	var (
		invalid   *annal.InvalidError
		conflict  *annal.ConflictError
		forbidden *annal.ForbiddenError
	)
	switch {
	case errors.As(err, &invalid):
		return len(invalid.Problems) + invalid.More
	case errors.As(err, &conflict), errors.As(err, &forbidden):
		return 1
	}
	return 0
}

// An authority is auth as the API calls it.
type authority struct {
	*auth.Store
	chain auth.Chain
}

// Authenticate says who calls.
func (a authority) Authenticate(ctx context.Context, header string) (api.Caller, error) {
	c, err := a.chain.Authenticate(ctx, header)
	return api.Caller(c), err
}

// Admit says whether c may write there.
func (a authority) Admit(c *api.Caller, tenant string) (fresh bool, err error) {
	return a.Store.Admit((*auth.Caller)(c), tenant)
}

// CreateToken makes a token.
func (a authority) CreateToken(by *api.Caller, spec api.TokenSpec) (api.Token, string, error) {
	t, secret, err := a.Create((*auth.Caller)(by), auth.TokenSpec(spec))
	return api.Token(t), secret, err
}

// Tokens lists what by may manage.
func (a authority) Tokens(by *api.Caller) ([]api.Token, error) {
	list, err := a.List((*auth.Caller)(by))
	tokens := make([]api.Token, len(list))
	for i := range list {
		tokens[i] = api.Token(list[i])
	}
	return tokens, err
}

// RevokeToken ends a token.
func (a authority) RevokeToken(by *api.Caller, id string) (api.Token, error) {
	t, err := a.Revoke((*auth.Caller)(by), id)
	return api.Token(t), err
}

func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)
}
