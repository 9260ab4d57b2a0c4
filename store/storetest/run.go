package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"countersign/store"
)

// An Opener opens the store that lives in dir, making an empty one when there
// is none. It leaves closing to the suite, which opens one dir several times in
// turn. The store must read the time from now only.
type Opener func(t testing.TB, dir string, now func() time.Time) store.Store

// Run holds a backend against the contract of store.Store. Its topics run in
// parallel, each on stores of its own.
func Run(t *testing.T, open Opener) {
	for _, topic := range []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"records", testRecords},
		{"listing", testListing},
		{"batches", testBatches},
		{"expiry", testExpiry},
		{"ledger", testLedger},
		{"revocations", testRevocations},
		{"revoked", testRevoked},
		{"blobs", testBlobs},
		{"blob sweep", testBlobSweep},
		{"waiting", testWaiting},
		{"contexts", testContexts},
		{"later", testLater},
		{"concurrency", testConcurrency},
		{"isolation", testIsolation},
		{"reopening", testReopening},
		{"closing", testClosing},
	} {
		t.Run(topic.name, func(t *testing.T) {
			t.Parallel()
			topic.test(t, open)
		})
	}
}

// A Clock stands still until a test moves it. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now is where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, backwards if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A bed is one store under test.
type bed struct {
	store.Store
	t     *testing.T
	open  Opener
	dir   string
	clock *Clock
}

func newBed(t *testing.T, open Opener) *bed {
	t.Helper()
	b := &bed{t: t, open: open, dir: t.TempDir(), clock: NewClock(time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC))}
	b.Store = open(t, b.dir, b.clock.Now)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// reopen closes the store and opens it again.
func (b *bed) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatalf("Close: %v", err)
	}
	b.Store = b.open(b.t, b.dir, b.clock.Now)
}

// batch starts one.
func batch() *store.Batch { return new(store.Batch) }

// commit demands that b is applied.
func (b *bed) commit(batch *store.Batch) store.Revision {
	b.t.Helper()
	r, err := b.Commit(b.t.Context(), batch)
	if err != nil {
		b.t.Fatalf("Commit(%+v): %v", batch.Ops, err)
	}
	return r
}

// refused demands that b fails with want, and leaves the revision alone.
func (b *bed) refused(batch *store.Batch, want error) {
	b.t.Helper()
	before := b.Revision()
	if _, err := b.Commit(b.t.Context(), batch); !errors.Is(err, want) {
		b.t.Fatalf("Commit(%+v): got %v, want %v", batch.Ops, err, want)
	}
	if after := b.Revision(); after != before {
		b.t.Fatalf("Commit(%+v) was refused, but the revision rose from %d to %d", batch.Ops, before, after)
	}
}

// has demands that a record reads as value, and returns its revision.
func (b *bed) has(kind, key, value string) store.Revision {
	b.t.Helper()
	r, err := b.Get(b.t.Context(), kind, key)
	if err != nil {
		b.t.Fatalf("Get(%s, %q): %v, want %q", kind, key, err, value)
	}
	if r.Kind != kind || r.Key != key || string(r.Value) != value {
		b.t.Fatalf("Get(%s, %q): got %s %q with value %q, want %q", kind, key, r.Kind, r.Key, r.Value, value)
	}
	return r.Revision
}

// hasNot demands that there is no such record.
func (b *bed) hasNot(kind, key string) {
	b.t.Helper()
	if r, err := b.Get(b.t.Context(), kind, key); !errors.Is(err, store.ErrNotFound) {
		b.t.Fatalf("Get(%s, %q): got %q, %v, want ErrNotFound", kind, key, r.Value, err)
	}
}

// eventually waits for what a backend does in the background.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not so after 20 seconds: %s", what)
		}
	}
}
