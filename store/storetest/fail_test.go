package storetest_test

import (
	"errors"
	"testing"

	"countersign/store"
	"countersign/store/storetest"
)

func TestFailBeforeLeavesNothing(t *testing.T) {
	t.Parallel()
	disk := errors.New("no space left")
	whole := storetest.New(t)
	s := storetest.FailBefore(whole, func(b *store.Batch) error {
		if len(b.Ops) == 2 {
			return disk
		}
		return nil
	})
	if _, err := s.Commit(t.Context(), new(store.Batch).Put("k", "a", nil).Put("k", "b", nil)); !errors.Is(err, disk) {
		t.Errorf("Commit: got %v, want %v", err, disk)
	}
	s.Later(new(store.Batch).Put("k", "a", nil).Put("k", "b", nil))
	if r, err := s.Commit(t.Context(), new(store.Batch).Put("k", "c", nil)); err != nil || r != 1 {
		t.Errorf("Commit that is let pass: got %d, %v", r, err)
	}
	if list, err := s.List(t.Context(), "k", "", "", 0); err != nil || len(list) != 1 {
		t.Errorf("List: got %v, %v, want c only", list, err)
	}
}

func TestFailAfterLeavesEverything(t *testing.T) {
	t.Parallel()
	disk := errors.New("the cable was pulled")
	fail := true
	s := storetest.FailAfter(storetest.New(t), func(*store.Batch) error {
		if fail {
			return disk
		}
		return nil
	})
	if r, err := s.Commit(t.Context(), new(store.Batch).Create("k", "a", []byte("x"))); !errors.Is(err, disk) || r != 0 {
		t.Errorf("Commit: got %d, %v, want %v", r, err, disk)
	}
	if got, err := s.Get(t.Context(), "k", "a"); err != nil || string(got.Value) != "x" {
		t.Errorf("what the failed commit wrote: got %q, %v", got.Value, err)
	}
	if _, err := s.Commit(t.Context(), new(store.Batch).Create("k", "a", nil)); !errors.Is(err, store.ErrExists) {
		t.Errorf("a refused commit: got %v, want its own error", err)
	}
	fail = false
	if _, err := s.Commit(t.Context(), new(store.Batch).Put("k", "a", nil)); err != nil {
		t.Errorf("a commit that is let pass: %v", err)
	}
}
