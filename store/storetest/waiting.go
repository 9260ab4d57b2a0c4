package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"countersign/store"
)

func testWaiting(t *testing.T, open Opener) {
	b := newBed(t, open)
	if b.Revision() != 0 || b.Changed("k") != 0 {
		t.Errorf("an empty store: revision %d, Changed %d, want zero", b.Revision(), b.Changed("k"))
	}
	first := b.commit(batch().Put("k", "a", nil))
	second := b.commit(batch().Put("l", "a", nil))
	if b.Changed("k") != first || b.Changed("l") != second || b.Revision() != second || b.Changed("m") != 0 {
		t.Errorf("Changed: k %d, l %d, m %d, revision %d; want %d, %d, 0, %d", b.Changed("k"), b.Changed("l"), b.Changed("m"), b.Revision(), first, second, second)
	}
	third := b.commit(batch().Delete("k", "a").Delete("l", "none"))
	if b.Changed("k") != third || b.Changed("l") != second {
		t.Errorf("Changed after a delete: k %d, l %d; want %d, %d", b.Changed("k"), b.Changed("l"), third, second)
	}

	if got, err := b.Wait(t.Context(), 0); err != nil || got != third {
		t.Errorf("Wait for the past: got %d, %v, want %d at once", got, err, third)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := b.Wait(ctx, third); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait for the future: got %d, %v, want the context's error", got, err)
	}

	// One commit wakes everybody, and what they see is readable.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			got, err := b.Wait(t.Context(), third)
			if err != nil || got <= third || b.Changed("n") != got {
				t.Errorf("Wait: got %d, %v; Changed %d", got, err, b.Changed("n"))
			}
			if _, err := b.Get(t.Context(), "n", "a"); err != nil {
				t.Errorf("Get after Wait: %v", err)
			}
		})
	}
	b.commit(batch().Put("n", "a", nil))
	wg.Wait()

	// A waiter that follows misses nothing.
	const commits = 200
	last := b.Revision() + commits
	done := make(chan error, 1)
	from := b.Revision()
	go func() {
		for at := from; at < last; {
			next, err := b.Wait(t.Context(), at)
			if err != nil || next <= at {
				done <- fmt.Errorf("waiting after %d: got %d, %v", at, next, err)
				return
			}
			at = next
		}
		done <- nil
	}()
	for range commits {
		b.commit(batch().Put("n", "a", nil))
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a waiter never saw the last revision")
	}
}

func testContexts(t *testing.T, open Opener) {
	b := newBed(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Commit(ctx, batch().Put("k", "a", nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit with an ended context: got %v", err)
	}
	b.hasNot("k", "a")
	if _, err := b.Get(ctx, "k", "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get with an ended context: got %v", err)
	}
	if _, err := b.List(ctx, "k", "", "", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("List with an ended context: got %v", err)
	}

	// Contexts that end at any moment leave a batch whole or absent, and never hold up their callers or others.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 25 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*j)*20*time.Microsecond)
				key := fmt.Sprint(i, "-", j)
				_, err := b.Commit(ctx, batch().Put("x", key, nil).Put("y", key, nil))
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Commit: got %v, want the context's error or none", err)
				}
				if err == nil {
					if _, err := b.Get(t.Context(), "x", key); err != nil {
						t.Errorf("a commit that succeeded cannot be read: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	b.commit(batch().Put("k", "last", nil)) // behind everything that is still queued
	x, err := b.List(t.Context(), "x", "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.List(t.Context(), "y", "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(x) != len(y) {
		t.Fatalf("%d halves of one kind, %d of the other", len(x), len(y))
	}
	for i := range x {
		if x[i].Key != y[i].Key || x[i].Revision != y[i].Revision {
			t.Errorf("a batch came apart: %+v and %+v", x[i], y[i])
		}
	}
}

func testLater(t *testing.T, open Opener) {
	b := newBed(t, open)
	serial := store.Serial{1}
	b.commit(batch().Issue(certificate("ca", serial)))
	b.Later(batch().Sign("ca", serial, []byte("sig")))
	eventually(t, "a deferred signature is there", func() bool { return b.row("ca", serial).Signature != nil })

	// In order, behind the commits before, and a refused one is dropped alone.
	for i := range 100 {
		b.commit(batch().Put("k", "a", fmt.Append(nil, "commit ", i)))
		b.Later(batch().Put("k", "a", fmt.Append(nil, "later ", i)))
		b.Later(batch().Put("k", "a", []byte("never")).Create("k", "a", nil))
	}
	b.commit(batch().Put("k", "b", nil)) // comes after them all
	b.has("k", "a", "later 99")

	// Closing writes what waits.
	for i := range 1000 {
		b.Later(batch().Put("l", fmt.Sprint(i), nil))
	}
	b.reopen()
	if list, err := b.List(t.Context(), "l", "", "", 0); err != nil || len(list) != 1000 {
		t.Errorf("after Close: %d deferred records, %v, want 1000", len(list), err)
	}
}
