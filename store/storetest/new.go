// Package storetest is the contract of store.Store as a test suite that every
// backend runs, a store for other packages' tests, and two wrappers that fail
// commits. It answers for no AWS API.
package storetest

import (
	"testing"
	"time"

	"countersign/store"
	"countersign/store/sqlite"
)

// New returns an empty store on a folder of its own. The test's clean-up closes it.
func New(t testing.TB) store.Store {
	t.Helper()
	return NewAt(t, time.Now)
}

// NewAt is New for a test that owns the clock: records and provisional blobs
// expire by now.
func NewAt(t testing.TB, now func() time.Time) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}
