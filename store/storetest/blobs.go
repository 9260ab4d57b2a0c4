package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"countersign/store"
)

// noise is n bytes that look like no other noise of another seed.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(b) // never fails
	return b
}

// blob writes data in uneven pieces, and closes.
func (b *bed) blob(data []byte) store.BlobID {
	b.t.Helper()
	w, err := b.NewBlob(b.t.Context())
	if err != nil {
		b.t.Fatalf("NewBlob: %v", err)
	}
	for piece, rest := 1, data; len(rest) > 0; piece = piece*3 + 1 {
		n, err := w.Write(rest[:min(piece, len(rest))])
		if err != nil || n != min(piece, len(rest)) {
			b.t.Fatalf("Write: %d, %v", n, err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		b.t.Fatalf("close the blob: %v", err)
	}
	return w.ID()
}

func (b *bed) read(id store.BlobID, offset, length int64) ([]byte, error) {
	r, err := b.OpenBlob(b.t.Context(), id, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// gone demands that a blob can neither be read nor kept.
func (b *bed) gone(id store.BlobID) {
	b.t.Helper()
	if data, err := b.read(id, 0, -1); !errors.Is(err, store.ErrNotFound) {
		b.t.Fatalf("blob %s: read %d bytes, %v, want ErrNotFound", id, len(data), err)
	}
	b.refused(batch().KeepBlob(id), store.ErrNotFound)
}

func testBlobs(t *testing.T, open Opener) {
	b := newBed(t, open)
	for i, size := range []int{0, 1, 1000, 512 << 10, 512<<10 + 1, 3<<20 + 17} {
		data := noise(size, uint64(i))
		id := b.blob(data)
		if got, err := b.read(id, 0, -1); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, provisional: read %d, %v", size, len(got), err)
		}
		b.commit(batch().KeepBlob(id))
		b.commit(batch().KeepBlob(id)) // again is fine
		n := int64(size)
		for _, at := range []struct{ offset, length int64 }{
			{0, -1}, {0, 0}, {0, 1}, {0, n}, {0, n + 1}, {1, -1}, {n, -1}, {n + 5, 3}, {n / 2, n}, {n - 1, 1}, {n / 3, n / 3}, {512<<10 - 1, 2}, {512 << 10, 1},
		} {
			if at.offset < 0 {
				continue
			}
			from, to := min(at.offset, n), n
			if at.length >= 0 {
				to = min(n, from+at.length)
			}
			if got, err := b.read(id, at.offset, at.length); err != nil || !bytes.Equal(got, data[from:to]) {
				t.Fatalf("%d bytes from %d for %d: got %d bytes, %v, want %d", size, at.offset, at.length, len(got), err, to-from)
			}
		}
	}

	if _, err := b.OpenBlob(t.Context(), b.blob(nil), -1, -1); err == nil {
		t.Error("a negative offset was accepted")
	}
	for _, id := range []store.BlobID{"", "0", "-1", "007", "99999999", "99999999999999999999999", "a\x00b"} {
		b.gone(id)
		b.commit(batch().DropBlob(id)) // absence is fine
	}

	// Dropped means gone, for a reader half way as well.
	data := noise(5<<20, 99)
	id := b.blob(data)
	b.commit(batch().KeepBlob(id))
	r, err := b.OpenBlob(t.Context(), id, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	b.commit(batch().DropBlob(id))
	b.gone(id)
	eventually(t, "a reader of a dropped blob fails, or has got everything", func() bool {
		rest, err := io.ReadAll(r)
		if err == nil && !bytes.Equal(rest, data[100:]) {
			t.Fatalf("a reader of a dropped blob got %d bytes and no error", len(rest))
		}
		return err == nil || errors.Is(err, store.ErrNotFound)
	})

	// A blob that is being written is not there yet; an aborted one never is.
	w, err := b.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	b.gone(w.ID())
	w.Abort()
	w.Abort()
	b.gone(w.ID())
	if _, err := w.Write(data[:1]); err == nil {
		t.Error("Write after Abort was accepted")
	}
	if w, err = b.NewBlob(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data[:10]); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // deferred clean-up: nothing after Close
	b.commit(batch().KeepBlob(w.ID()))
	if _, err := w.Write(data[:1]); err == nil {
		t.Error("Write after Close was accepted")
	}
	if got, err := b.read(w.ID(), 0, -1); err != nil || !bytes.Equal(got, data[:10]) {
		t.Errorf("a blob aborted after Close: got %d bytes, %v", len(got), err)
	}

	// The context of NewBlob ends the writing.
	ctx, cancel := context.WithCancel(t.Context())
	if w, err = b.NewBlob(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("writing with a context that ended: got %v, want context.Canceled", err)
	}
	w.Abort()
	b.gone(w.ID())
}

func testBlobSweep(t *testing.T, open Opener) {
	b := newBed(t, open)
	data := noise(2<<20, 1)
	kept, left := b.blob(data), b.blob(data)
	b.commit(batch().KeepBlob(kept).Put("k", "a", []byte(kept)))
	slow, err := b.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.Write(data); err != nil {
		t.Fatal(err)
	}
	abandoned, err := b.NewBlob(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := abandoned.Write(data); err != nil {
		t.Fatal(err)
	}
	defer abandoned.Abort()

	b.clock.Advance(23 * time.Hour)
	if got, err := b.read(left, 0, -1); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("a provisional blob after 23 hours: %d bytes, %v", len(got), err)
	}
	// A day counts from the last write.
	if _, err := slow.Write(data); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(2 * time.Hour)
	b.gone(left)
	if _, err := slow.Write(data); err != nil {
		t.Fatalf("a blob that is written to every day: %v", err)
	}
	if err := slow.Close(); err != nil {
		t.Fatal(err)
	}
	b.commit(batch().KeepBlob(slow.ID()))
	if got, err := b.read(slow.ID(), 0, -1); err != nil || !bytes.Equal(got, bytes.Repeat(data, 3)) {
		t.Fatalf("a blob written over 25 hours: %d bytes, %v", len(got), err)
	}
	// More than a day of silence ends a blob for its writer too: it must not come back with holes.
	if _, err = abandoned.Write(data); err == nil {
		err = abandoned.Close()
	}
	if err == nil {
		b.refused(batch().KeepBlob(abandoned.ID()), store.ErrNotFound)
	}

	// Across a restart, in numbers beyond one step, and not what is kept.
	var many []store.BlobID
	for i := range 150 {
		many = append(many, b.blob(fmt.Append(nil, "blob ", i)))
	}
	b.reopen()
	b.clock.Advance(25 * time.Hour)
	b.reopen()
	for _, id := range many {
		b.gone(id)
	}
	if got, err := b.read(kept, 0, -1); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("a kept blob after the sweep: %d bytes, %v", len(got), err)
	}
	// An id is never given to other bytes.
	taken := map[store.BlobID]bool{kept: true, left: true, slow.ID(): true}
	for _, id := range many {
		taken[id] = true
	}
	if id := b.blob(data); taken[id] {
		t.Errorf("blob id %s was given out twice", id)
	}
}
