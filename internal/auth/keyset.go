package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// How keys of issuers are fetched.
const (
	keysFresh   = 15 * time.Minute // after this they are fetched again, so that one that was withdrawn goes
	keysRetry   = 5 * time.Second  // no two fetches are closer than this,
	keysPatient = time.Minute      // or than this while the keys at hand will do
	keysTimeout = 5 * time.Second  // for one fetch
	maxKeysBody = 1 << 20          // bytes of a document
)

// An UnreachableError says that a token may be good, but that its issuer cannot
// be asked for the key.
type UnreachableError struct{}

// AuthCode names the refusal for programs.
func (*UnreachableError) AuthCode() string { return "issuer_unavailable" }

// RetryAfter says how long to wait.
func (*UnreachableError) RetryAfter() time.Duration { return keysRetry }

func (*UnreachableError) Error() string {
	return "the token's issuer cannot be reached to check it; try again later"
}

// A keySet is the public keys of an issuer. Keys that were fetched once remain
// in use while the issuer is down.
type keySet struct {
	issuer     string
	algorithms []jose.SignatureAlgorithm
	client     *http.Client
	now        func() time.Time
	turn       chan struct{} // held by who fetches

	mu      sync.Mutex
	keys    []jose.JSONWebKey // guarded by mu, as are the others
	fetched time.Time         // when keys were
	tried   time.Time         // when it was last tried
	failed  bool              // whether that failed
}

func newKeySet(issuer string, algorithms []string, now func() time.Time, transport http.RoundTripper) *keySet {
	if transport == nil {
		transport = http.DefaultTransport
	}
	k := &keySet{issuer: issuer, now: now, turn: make(chan struct{}, 1), client: &http.Client{
		Transport: boundedBodies{transport}, Timeout: keysTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, a := range algorithms {
		k.algorithms = append(k.algorithms, jose.SignatureAlgorithm(a))
	}
	return k
}

// boundedBodies keeps answers from filling memory.
type boundedBodies struct{ http.RoundTripper }

// RoundTrip sends a request.
func (b boundedBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxKeysBody), resp.Body}
	}
	return resp, err
}

// VerifySignature returns the payload of a token if one of the keys signed it.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil {
		return nil, err
	}
	keys, fresh := k.present()
	payload, ok := verifyWith(keys, signed)
	if ok && fresh {
		return payload, nil
	}
	if err := k.refresh(ctx, ok); err != nil && !ok {
		return nil, err
	}
	keys, _ = k.present()
	if payload, ok = verifyWith(keys, signed); !ok {
		return nil, errors.New("no key of the issuer made this signature")
	}
	return payload, nil
}

func (k *keySet) present() (keys []jose.JSONWebKey, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys, k.now().Sub(k.fetched) < keysFresh
}

// verifyWith tries the keys that may have made the signature.
func verifyWith(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) ([]byte, bool) {
	h := signed.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if h.KeyID != "" && key.KeyID != h.KeyID || key.Algorithm != "" && key.Algorithm != h.Algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// unreachable reports whether the keys could not be fetched and token names one
// that is not among them.
func (k *keySet) unreachable(token string) bool {
	signed, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.keys {
		if k.keys[i].KeyID == signed.Signatures[0].Header.KeyID {
			return false
		}
	}
	return k.failed
}

// refresh fetches the keys, unless that was tried a moment ago. One fetches;
// others wait for it, but for those whom the keys at hand will do.
func (k *keySet) refresh(ctx context.Context, willDo bool) error {
	pause, asked := keysRetry, k.now()
	if willDo {
		pause = keysPatient
	}
	if willDo && k.recent(asked, pause) {
		return nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if k.recent(asked, pause) {
		return nil
	}
	k.mu.Lock()
	k.tried = asked
	k.mu.Unlock()
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed = err != nil; k.failed {
		return &UnreachableError{}
	}
	k.keys, k.fetched = keys, k.now()
	return nil
}

// recent reports whether a fetch began after asked or not longer than pause
// before it.
func (k *keySet) recent(asked time.Time, pause time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.tried.IsZero() && (k.tried.After(asked) || asked.Sub(k.tried) < pause)
}

// fetch reads the discovery document and the keys that it points to. The fetch
// outlives the request that caused it: others wait for it too.
func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(context.WithoutCancel(ctx), k.client), keysTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, k.issuer)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&doc); err != nil {
		return nil, err
	}
	if !safeURL(doc.Keys) {
		return nil, errors.New("jwks_uri is not https")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, doc.Keys, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("keys: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return readKeys(body)
}

// readKeys reads a set of keys (RFC 7517), leaving out those of kinds that are
// not known and those that are secret.
func readKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	keys := []jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err == nil && key.Valid() && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
