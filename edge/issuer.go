package edge

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits of what an issuer publishes, as on AWS, and of how often it is asked.
const (
	issuerTimeout = 1500 * time.Millisecond // for each of the two documents
	issuerBytes   = 150_000
	keysLast      = 2 * time.Hour
	retryFailed   = 5 * time.Second // after a failure
	retryUnknown  = time.Minute     // when a token names a key that was not there the last time
	smallestRSA   = 2048            // bits (RFC 7518, 3.3)
	largestRSA    = 16384           // verifying takes the longer the larger they are
	mostKeys      = 1000
)

// An issuer is where the tokens of JWT authorizers come from. Snapshots share
// it, so that a change of configuration costs no call. Reading keys that are
// known takes no lock.
type issuer struct {
	url   string
	fetch Fetcher // nil: nothing can be verified
	keys  atomic.Pointer[keySet]

	mu    sync.Mutex // held by the one request that fetches; others who need a new key wait
	tried time.Time  // guarded by mu: when keys were fetched last, with success or not
}

// A keySet is what an issuer has published. It never changes.
type keySet struct {
	byID map[string][]jose.JSONWebKey // RSA keys for signatures
	at   time.Time
}

// issuerFor takes over the issuer from the view before, with its keys.
func (e *Edge) issuerFor(v *view, url string) *issuer {
	if v.issuers[url] == nil {
		if before := e.view.Load(); before != nil && before.issuers[url] != nil {
			v.issuers[url] = before.issuers[url]
		} else {
			v.issuers[url] = &issuer{url: url, fetch: e.cfg.Fetcher}
		}
	}
	return v.issuers[url]
}

func (s *keySet) find(id string, now time.Time) (keys []jose.JSONWebKey, fresh bool) {
	if s == nil || now.Sub(s.at) >= keysLast {
		return nil, false
	}
	return s.byID[id], true
}

// keysFor gives the issuer's keys of an id, of which there is at least one.
// Keys are fetched again when they are two hours old and when a token names
// one that is not among them, the latter not more than once a minute.
func (i *issuer) keysFor(ctx context.Context, id string, now time.Time) ([]jose.JSONWebKey, error) {
	if keys, _ := i.keys.Load().find(id, now); len(keys) > 0 {
		return keys, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	keys, fresh := i.keys.Load().find(id, now)
	pause := retryFailed
	if fresh {
		pause = retryUnknown
	}
	switch {
	case len(keys) > 0:
		return keys, nil
	case now.Sub(i.tried) < pause && fresh:
		return nil, tokenError("the token's key is not one of the issuer's")
	case now.Sub(i.tried) < pause:
		return nil, tokenError("OIDC discovery endpoint communication error")
	}
	i.tried = now
	// A client that leaves does not spoil it for the others who wait.
	set, err := i.read(context.WithoutCancel(ctx), now)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tokenError("OIDC discovery endpoint communication error"), err)
	}
	i.keys.Store(set)
	if keys, _ := set.find(id, now); len(keys) > 0 {
		return keys, nil
	}
	return nil, tokenError("the token's key is not one of the issuer's")
}

// read fetches the issuer's configuration (OpenID Connect Discovery 1.0,
// section 4) and its keys.
func (i *issuer) read(ctx context.Context, now time.Time) (*keySet, error) {
	if i.fetch == nil {
		return nil, errors.New("this node fetches no documents of issuers")
	}
	var configuration struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	body, err := i.get(ctx, strings.TrimSuffix(i.url, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &configuration); err != nil {
		return nil, fmt.Errorf("configuration of issuer %s: %w", i.url, err)
	}
	if configuration.Issuer != i.url {
		return nil, fmt.Errorf("the issuer at %s calls itself %q", i.url, configuration.Issuer)
	}
	if u, err := url.Parse(configuration.Keys); err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("issuer %s: jwks_uri %q is not an https URL", i.url, configuration.Keys)
	}
	if body, err = i.get(ctx, configuration.Keys); err != nil {
		return nil, err
	}
	byID, err := readKeys(body)
	if err != nil {
		return nil, fmt.Errorf("keys of issuer %s: %w", i.url, err)
	}
	return &keySet{byID, now}, nil
}

func (i *issuer) get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	body, err := i.fetch.Fetch(ctx, url, issuerBytes)
	if err == nil && len(body) > issuerBytes {
		err = errTooLarge
	}
	return body, err
}

// readKeys reads a JWK Set. Keys that are of no use to us, of other types or
// with members that we do not understand, are passed over (RFC 7517, section 5).
func readKeys(document []byte) (map[string][]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("%d keys are too many", len(set.Keys))
	}
	byID := map[string][]jose.JSONWebKey{}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil || key.KeyID == "" || key.Use != "" && key.Use != "sig" {
			continue
		}
		public, ok := key.Key.(*rsa.PublicKey)
		if !ok || public.N.BitLen() < smallestRSA || public.N.BitLen() > largestRSA {
			continue
		}
		byID[key.KeyID] = append(byID[key.KeyID], key)
	}
	return byID, nil
}
