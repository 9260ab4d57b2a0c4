package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"countersign/pki"
)

// Trust is the trust store: fixed, or read from S3 and read again now and then.
type trust struct {
	place   string // "": the store is fixed
	fetch   func(ctx context.Context, place string, limit int64) ([]byte, error)
	now     func() time.Time
	timeout time.Duration

	mu      sync.Mutex // held while the object is read too
	store   *pki.TrustStore
	due     time.Time
	problem error // why there is no store
}

const (
	trustAge   = 5 * time.Minute
	trustRetry = 10 * time.Second
)

// get gives the store. One that was read before is kept while the object cannot
// be read again: its certificates are as good as they were.
func (t *trust) get(ctx context.Context) (*pki.TrustStore, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.place == "" || t.now().Before(t.due) {
		return t.store, t.problem
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	data, err := t.fetch(ctx, t.place, pki.MaxTrustStoreBytes)
	var store *pki.TrustStore
	if err == nil {
		store, err = parseTrust(data)
	}
	switch {
	case err == nil:
		t.store, t.problem, t.due = store, nil, t.now().Add(trustAge)
	case t.store != nil:
		t.due = t.now().Add(trustRetry)
	default:
		t.problem = fmt.Errorf("read the trust store: %w", err)
		t.due = t.now().Add(time.Second)
	}
	return t.store, t.problem
}

func parseTrust(data []byte) (*pki.TrustStore, error) {
	store, _, err := pki.ParseTrustStore(data)
	if errors.Is(err, pki.ErrNoPEM) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return store, err
}
