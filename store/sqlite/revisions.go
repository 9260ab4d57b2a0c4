package sqlite

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"countersign/store"
)

// revisions is what the store remembers of its revisions in memory, so that a
// data plane may ask as often as it likes. The writer publishes, all may read.
type revisions struct {
	newest atomic.Uint64

	mu      sync.Mutex
	changed map[string]store.Revision
	risen   chan struct{} // closed and replaced when newest rises
	closed  bool
}

// publish makes newest, and what it changed, known, and wakes every waiter. The
// transaction that wrote them has been committed.
func (r *revisions) publish(newest store.Revision, changed map[string]store.Revision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed == nil {
		r.changed = map[string]store.Revision{}
	}
	maps.Copy(r.changed, changed)
	r.newest.Store(uint64(newest)) // after changed: whoever sees newest sees its kinds
	if r.risen != nil {
		close(r.risen)
		r.risen = nil
	}
}

// close fails those who wait, now and later.
func (r *revisions) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.risen != nil {
		close(r.risen)
		r.risen = nil
	}
}

// Revision implements store.Store, from memory.
func (s *Store) Revision() store.Revision {
	return store.Revision(s.revisions.newest.Load())
}

// Changed implements store.Store, from memory. What a kind's records expire at
// changes nothing.
func (s *Store) Changed(kind string) store.Revision {
	r := &s.revisions
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed[kind]
}

// Wait implements store.Store. It fails with ErrClosed once the store is closed.
func (s *Store) Wait(ctx context.Context, after store.Revision) (store.Revision, error) {
	r := &s.revisions
	for {
		r.mu.Lock()
		newest := s.Revision()
		if newest > after {
			r.mu.Unlock()
			return newest, nil
		}
		if r.closed {
			r.mu.Unlock()
			return newest, store.ErrClosed
		}
		if r.risen == nil {
			r.risen = make(chan struct{})
		}
		risen := r.risen
		r.mu.Unlock()

		select {
		case <-risen:
		case <-ctx.Done():
			return newest, ctx.Err()
		}
	}
}
