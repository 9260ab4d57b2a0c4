package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/store"
)

func testConcurrency(t *testing.T, open Opener) {
	b := newBed(t, open)
	const workers, rounds = 16, 25

	// A counter that everybody raises by compare-and-swap loses nothing.
	b.commit(batch().Create("counter", "n", []byte("0")))
	var mu sync.Mutex
	revisions := map[store.Revision]bool{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < rounds; {
				r, err := b.Get(t.Context(), "counter", "n")
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(r.Value))
				at, err := b.Commit(t.Context(), batch().Replace("counter", "n", []byte(strconv.Itoa(n+1)), r.Revision))
				switch {
				case err == nil:
					done++
					mu.Lock()
					if revisions[at] {
						t.Errorf("two commits share revision %d", at)
					}
					revisions[at] = true
					mu.Unlock()
					if got, err := b.Get(t.Context(), "counter", "n"); err != nil || got.Revision < at || b.Revision() < at {
						t.Errorf("after commit %d: the record at %d, the store at %d, %v", at, got.Revision, b.Revision(), err)
					}
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.has("counter", "n", strconv.Itoa(workers*rounds))

	// One of many creates a record; one of many revokes a certificate.
	var created, revoked atomic.Int32
	b.commit(batch().Issue(certificate("ca", store.Serial{1})))
	for i := range workers {
		wg.Go(func() {
			_, err := b.Commit(t.Context(), batch().Create("race", "a", fmt.Append(nil, i)))
			if err == nil {
				created.Add(1)
			} else if !errors.Is(err, store.ErrExists) {
				t.Errorf("Create: %v", err)
			}
			_, err = b.Commit(t.Context(), batch().Revoke("ca", store.Serial{1}, b.clock.Now(), 1))
			if err == nil {
				revoked.Add(1)
			} else if !errors.Is(err, store.ErrRevoked) {
				t.Errorf("Revoke: %v", err)
			}
		})
	}
	wg.Wait()
	if created.Load() != 1 || revoked.Load() != 1 {
		t.Errorf("%d created and %d revoked, want one of each", created.Load(), revoked.Load())
	}

	// Blobs in parallel do not mix, and do not hold up commits.
	for i := range 4 {
		wg.Go(func() {
			data := noise(1<<20+i, uint64(i))
			w, err := b.NewBlob(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if got, err := b.read(w.ID(), 0, -1); err != nil || !bytes.Equal(got, data) {
				t.Errorf("blob %s: %d bytes, %v", w.ID(), len(got), err)
			}
		})
		wg.Go(func() {
			for j := range rounds {
				if _, err := b.Commit(t.Context(), batch().Put("beside", fmt.Sprint(i, j), nil)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// testIsolation mixes batches that are refused with batches that are not, so
// that they share transactions, and looks at each.
func testIsolation(t *testing.T, open Opener) {
	b := newBed(t, open)
	b.commit(batch().Create("k", "taken", []byte("original")).Issue(certificate("ca", store.Serial{1})))
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 15 {
				key := fmt.Sprint(i, "-", j)
				good := batch().Create("good", key, []byte(key)).Issue(certificate("ca", serialOf(1000*(i+1)+j)))
				bad, want := batch().Create("bad", key, nil).Put("k", "taken", []byte(key)), error(nil)
				switch j % 3 {
				case 0:
					bad, want = bad.Create("k", "taken", nil), store.ErrExists
				case 1:
					bad, want = bad.Issue(certificate("ca", store.Serial{1})), store.ErrExists
				case 2:
					bad, want = batch().Create("bad", key, nil).Check("k", "taken", 0), store.ErrConflict
				}
				x, wanted := good, error(nil)
				if (i+j)%2 == 0 {
					x, wanted = bad, want
				}
				if _, err := b.Commit(t.Context(), x); !errors.Is(err, wanted) {
					t.Errorf("batch %s: got %v, want %v", key, err, wanted)
				}
			}
		})
	}
	wg.Wait()
	b.has("k", "taken", "original")
	if bad, err := b.List(t.Context(), "bad", "", "", 0); err != nil || len(bad) != 0 || b.Changed("bad") != 0 {
		t.Errorf("%d records of refused batches, Changed %d, %v", len(bad), b.Changed("bad"), err)
	}
	seen := map[store.Revision]bool{}
	for i := range 32 {
		for j := range 15 {
			if (i+j)%2 == 0 {
				continue
			}
			key := fmt.Sprint(i, "-", j)
			at := b.has("good", key, key)
			b.row("ca", serialOf(1000*(i+1)+j))
			if seen[at] {
				t.Errorf("two batches share revision %d", at)
			}
			seen[at] = true
		}
	}
}

func testReopening(t *testing.T, open Opener) {
	b := newBed(t, open)
	b.commit(batch().Put("k", "a", []byte("1")).Put("l", "a", []byte("1")))
	b.commit(batch().Issue(certificate("ca", store.Serial{1})).Issue(certificate("ca", store.Serial{2})))
	b.commit(batch().Revoke("ca", store.Serial{1}, b.clock.Now(), 5))
	data := noise(1<<20, 7)
	id := b.blob(data)
	newest := b.commit(batch().KeepBlob(id).Put("k", "blob", []byte(id)))
	type view struct {
		revision  store.Revision
		changed   [5]store.Revision
		records   []store.Record
		ledger    []store.Certificate
		feed      []store.Revocation
		blobBytes []byte
	}
	look := func() (v view) {
		t.Helper()
		v.revision = b.Revision()
		for i, kind := range []string{"k", "l", "none", store.KindCertificate, store.KindRevocation} {
			v.changed[i] = b.Changed(kind)
		}
		var errs [4]error
		v.records, errs[0] = b.List(t.Context(), "k", "", "", 0)
		v.ledger, errs[1] = b.Certificates(t.Context(), "ca", 0, 0)
		v.feed, errs[2] = b.Revocations(t.Context(), 0, 0)
		v.blobBytes, errs[3] = b.read(id, 0, -1)
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := look()
	for range 3 {
		b.reopen()
		if after := look(); !reflect.DeepEqual(before, after) {
			t.Fatalf("after reopening:\n got %+v\nwant %+v", after, before)
		}
	}
	if at := b.commit(batch().Put("k", "a", []byte("2"))); at <= newest {
		t.Errorf("a commit after reopening got revision %d, want one above %d", at, newest)
	}
	b.commit(batch().Issue(certificate("ca", store.Serial{3})))
	if c, last := b.row("ca", store.Serial{3}), before.ledger[1].Sequence; c.Sequence <= last {
		t.Errorf("sequence %d after reopening, want one above %d", c.Sequence, last)
	}
}

func testClosing(t *testing.T, open Opener) {
	b := newBed(t, open)
	b.commit(batch().Put("k", "a", nil))
	id := b.blob([]byte("bytes"))
	w, err := b.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	waited := make(chan error, 1)
	go func() {
		for at := b.Revision(); ; {
			var err error
			if at, err = b.Wait(t.Context(), at); err != nil {
				waited <- err
				return
			}
		}
	}()

	// Commits race with Close: each succeeds and is there afterwards, or says that the store is closed.
	var wg sync.WaitGroup
	var acknowledged sync.Map
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ; j++ {
				key := fmt.Sprint(i, "-", j)
				_, err := b.Commit(t.Context(), batch().Put("race", key, nil))
				if errors.Is(err, store.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("Commit beside Close: %v", err)
					return
				}
				acknowledged.Store(key, true)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	if err := b.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wg.Wait()
	select {
	case err := <-waited:
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("Wait under way: got %v, want ErrClosed", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Close left a waiter behind")
	}

	ctx := t.Context()
	if err := b.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	b.Later(batch().Put("k", "b", nil)) // dropped, quietly
	if _, err := w.Write([]byte("x")); err == nil {
		err = w.Close()
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("a blob writer after Close: got %v, want ErrClosed", err)
		}
	}
	for name, call := range map[string]func() error{
		"Commit":       func() error { _, err := b.Commit(ctx, batch().Put("k", "a", nil)); return err },
		"Get":          func() error { _, err := b.Get(ctx, "k", "a"); return err },
		"List":         func() error { _, err := b.List(ctx, "k", "", "", 0); return err },
		"Wait":         func() error { _, err := b.Wait(ctx, b.Revision()); return err },
		"Certificate":  func() error { _, err := b.Certificate(ctx, "ca", store.Serial{1}); return err },
		"Certificates": func() error { _, err := b.Certificates(ctx, "ca", 0, 0); return err },
		"Revocations":  func() error { _, err := b.Revocations(ctx, 0, 0); return err },
		"NewBlob":      func() error { _, err := b.NewBlob(ctx); return err },
		"OpenBlob":     func() error { _, err := b.OpenBlob(ctx, id, 0, -1); return err },
	} {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", name, err)
		}
	}

	b.Store = open(t, b.dir, b.clock.Now)
	acknowledged.Range(func(key, _ any) bool {
		b.has("race", key.(string), "")
		return true
	})
	b.hasNot("k", "b")
}
