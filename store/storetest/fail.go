package storetest

import (
	"context"

	"countersign/store"
)

// FailBefore returns s with commits that fail before they take effect: fail is
// asked about each batch, that of a Later too, and what it returns is what
// Commit fails with, nil to let it pass. It may be called by several goroutines at once.
func FailBefore(s store.Store, fail func(b *store.Batch) error) store.Store {
	return failBefore{s, fail}
}

type failBefore struct {
	store.Store
	fail func(*store.Batch) error
}

func (f failBefore) Commit(ctx context.Context, b *store.Batch) (store.Revision, error) {
	if err := f.fail(b); err != nil {
		return 0, err
	}
	return f.Store.Commit(ctx, b)
}

func (f failBefore) Later(b *store.Batch) {
	if f.fail(b) == nil {
		f.Store.Later(b)
	}
}

// FailAfter returns s with commits that fail although they took effect, as
// when a disk or a network gives up between doing and saying so. fail is asked
// about each batch once it is committed; what it returns is what Commit fails
// with. A commit that fails by itself fails as it does.
func FailAfter(s store.Store, fail func(b *store.Batch) error) store.Store {
	return failAfter{s, fail}
}

type failAfter struct {
	store.Store
	fail func(*store.Batch) error
}

func (f failAfter) Commit(ctx context.Context, b *store.Batch) (store.Revision, error) {
	r, err := f.Store.Commit(ctx, b)
	if err != nil {
		return 0, err
	}
	if err := f.fail(b); err != nil {
		return 0, err
	}
	return r, nil
}
