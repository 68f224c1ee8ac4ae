// Package client speaks to an annal server: it appends events, asks questions,
// follows the log and manages tokens.
//
// Its one idea is that a call may be repeated. What the client sends is either a
// question or carries an idempotency key, so that a dropped connection, a
// restarting server or one that asks for patience costs time and nothing else:
// what was acknowledged is there exactly once. (Making a token is the exception,
// and is tried once.)
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"annal"
)

// Defaults and limits of a Client.
const (
	DefaultServer  = "http://127.0.0.1:8080"
	DefaultRetries = 8                       // tries after the first
	firstWait      = 100 * time.Millisecond  // before the first repetition; doubles each time
	longestWait    = 10 * time.Second        // between repetitions, unless the server asks for more
	longestRetry   = 2 * time.Minute         // of Retry-After that is waited for
	maxAnswer      = annal.MaxPage * maxLine // bytes of an answer that is read as a whole: a page of the largest events
	idleTimeout    = time.Minute             // a server that sends nothing for so long is gone
)

// A Config says which server to speak to and as whom.
type Config struct {
	Server    string       // base URL; "": DefaultServer
	Token     string       // bearer token
	Tenant    string       // sent as X-Tenant-ID; "": as the token has it
	UserAgent string       // "": "annal-client"
	HTTP      *http.Client // nil: one with sensible timeouts
	Retries   int          // tries after the first; 0: DefaultRetries, negative: none

	// Sleep waits between tries; nil waits on the real clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Retrying is told before each wait; nil: nobody is.
	Retrying func(cause error, wait time.Duration)
}

// A Client is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
}

// New returns a client; it does not connect yet.
func New(cfg Config) (*Client, error) {
	if cfg.Server == "" {
		cfg.Server = DefaultServer
	}
	if !strings.Contains(cfg.Server, "://") {
		cfg.Server = "http://" + cfg.Server
	}
	base, err := url.Parse(cfg.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q is no URL such as %s", cfg.Server, DefaultServer)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if cfg.UserAgent == "" {
		cfg.UserAgent = "annal-client"
	}
	if cfg.HTTP == nil {
		cfg.HTTP = newHTTP()
	}
	if cfg.Retries == 0 {
		cfg.Retries = DefaultRetries
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Retrying == nil {
		cfg.Retrying = func(error, time.Duration) {}
	}
	return &Client{cfg: cfg, base: base}, nil
}

func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = idleTimeout
	return &http.Client{Transport: t}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Server returns the base URL that the client speaks to.
func (c *Client) Server() string { return c.base.String() }

// A call is one request and all that is needed to send it again.
type call struct {
	method string
	path   string // escaped, below the base URL
	query  url.Values
	accept string
	header http.Header
	body   []byte
	once   bool // must not be sent again: it would act twice
}

// do sends the call until it is answered, and returns an answer of 2xx, whose
// body the caller closes.
func (c *Client) do(ctx context.Context, call call) (*http.Response, error) {
	for try := 0; ; try++ {
		resp, err := c.once(ctx, call)
		if err == nil {
			return resp, nil
		}
		wait, again := c.patience(err, try)
		if !again || call.once || ctx.Err() != nil {
			return nil, err
		}
		c.cfg.Retrying(err, wait)
		if err := c.rest(ctx, wait, err); err != nil {
			return nil, err
		}
	}
}

// rest waits before a call is repeated that failed with cause. Should ctx end
// first, the error is both: why there was no answer, and that nobody waits for it.
func (c *Client) rest(ctx context.Context, wait time.Duration, cause error) error {
	if err := c.cfg.Sleep(ctx, wait); err != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return nil
}

// patience says whether a call that ended in err is worth another try, and when.
func (c *Client) patience(err error, try int) (time.Duration, bool) {
	if try >= c.cfg.Retries {
		return 0, false
	}
	wait := longestWait
	if doubled := firstWait << min(try, 16); doubled < longestWait {
		wait = doubled
	}
	wait = wait/2 + mrand.N(wait/2) // so that clients that failed together do not come back together
	var e *Error
	if errors.As(err, &e) {
		return max(wait, e.RetryAfter), e.Temporary() && e.RetryAfter <= longestRetry
	}
	var u *UnreachableError
	return wait, errors.As(err, &u)
}

func (c *Client) once(ctx context.Context, call call) (*http.Response, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, err
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var wrapper *url.Error // says again what was asked
		if errors.As(err, &wrapper) {
			err = wrapper.Err
		}
		return nil, &UnreachableError{Server: c.Server(), Err: err}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readError(resp)
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	u := c.base.String() + call.path
	if len(call.query) > 0 {
		u += "?" + call.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, call.method, u, bytes.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	for name, values := range call.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	if call.accept != "" {
		req.Header.Set("Accept", call.accept)
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	if c.cfg.Tenant != "" {
		req.Header.Set("X-Tenant-ID", c.cfg.Tenant)
	}
	return req, nil
}

// whole sends the call and returns the whole answer. An answer that breaks off
// is asked for again, as a refused connection is.
func (c *Client) whole(ctx context.Context, call call) ([]byte, error) {
	b, _, err := c.counted(ctx, call)
	return b, err
}

// counted is whole for an answer that may be incomplete, and returns what is
// missing from it.
func (c *Client) counted(ctx context.Context, call call) ([]byte, annal.Gaps, error) {
	for try := 0; ; try++ {
		resp, err := c.do(ctx, call)
		if err != nil {
			return nil, nil, err
		}
		b, err := readAll(resp.Body)
		if err == nil {
			return b, missingFrom(resp), nil
		}
		err = &UnreachableError{Server: c.Server(), Err: err}
		wait, again := c.patience(err, try)
		if !again || call.once {
			return nil, nil, err
		}
		if err := c.rest(ctx, wait, err); err != nil {
			return nil, nil, err
		}
	}
}

// missingFrom reads what the server says is missing from an answer.
func missingFrom(resp *http.Response) annal.Gaps {
	return annal.ParseGaps(resp.Header.Get("Annal-Incomplete"))
}

func readAll(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	return b, err
}

// NewKey returns a fresh idempotency key.
func NewKey() string { return rand.Text() }

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
