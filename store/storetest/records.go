package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"countersign/store"
)

func testRecords(t *testing.T, open Opener) {
	b := newBed(t, open)

	first := b.commit(batch().Create("fruit", "apple", []byte("red")))
	if got := b.has("fruit", "apple", "red"); got != first || first == 0 {
		t.Errorf("a record made by commit %d stands at %d", first, got)
	}
	b.hasNot("fruit", "pear")
	b.hasNot("vegetable", "apple") // a key is unique within its kind only
	b.refused(batch().Create("fruit", "apple", []byte("green")), store.ErrExists)
	b.has("fruit", "apple", "red")

	second := b.commit(batch().Replace("fruit", "apple", []byte("green"), first))
	if second <= first {
		t.Errorf("revisions %d, then %d: they must rise", first, second)
	}
	b.has("fruit", "apple", "green")
	b.refused(batch().Replace("fruit", "apple", []byte("blue"), first), store.ErrConflict)
	b.refused(batch().Replace("fruit", "pear", []byte("blue"), first), store.ErrNotFound)

	b.commit(batch().Put("fruit", "apple", []byte("yellow")).Put("fruit", "pear", nil))
	b.has("fruit", "apple", "yellow")
	pear := b.has("fruit", "pear", "")

	// Revision zero means never written, wherever it is given.
	b.refused(batch().Replace("fruit", "apple", []byte("blue"), 0), store.ErrConflict)
	b.refused(batch().DeleteIf("fruit", "apple", 0), store.ErrConflict)
	b.commit(batch().Replace("fruit", "quince", []byte("hard"), 0))
	b.has("fruit", "quince", "hard")

	b.refused(batch().DeleteIf("fruit", "pear", first), store.ErrConflict)
	b.refused(batch().DeleteIf("fruit", "plum", first), store.ErrNotFound)
	b.commit(batch().DeleteIf("fruit", "pear", pear))
	b.hasNot("fruit", "pear")
	b.commit(batch().Delete("fruit", "apple").Delete("fruit", "plum"))
	b.hasNot("fruit", "apple")
	b.commit(batch().Create("fruit", "apple", []byte("again")))
	b.has("fruit", "apple", "again")

	// A batch that has nothing to write takes no revision.
	newest := b.Revision()
	if got := b.commit(batch().Delete("fruit", "plum").Check("fruit", "plum", 0)); got != newest || b.Revision() != newest {
		t.Errorf("a batch that wrote nothing: revision %d, the store at %d, want both at %d", got, b.Revision(), newest)
	}

	// Any bytes will do, and large ones.
	large := make([]byte, 3<<20)
	for i := range large {
		large[i] = byte(i * 7)
	}
	for _, key := range []string{"", "\x00", "a\x00b", "\xff\xff", "ключ", "a/b/c"} {
		b.commit(batch().Create("odd keys", key, append([]byte(key), large...)))
		b.has("odd keys", key, key+string(large))
	}
}

func testListing(t *testing.T, open Opener) {
	b := newBed(t, open)
	keys := []string{"", "\x00", "a", "a\x00", "a\x00\xff", "a/", "a/1", "a/2", "a/\xfe", "a/\xff", "a/\xff\xff", "a0", "b", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\x01"}
	for i, key := range []int{7, 3, 0, 15, 4, 8, 2, 16, 11, 9, 1, 14, 5, 13, 10, 6, 12} {
		b.commit(batch().Put("k", keys[key], []byte(fmt.Sprint(i))))
	}
	b.commit(batch().Put("j", "a/1", nil).Put("l", "a/1", nil)) // never in the way

	list := func(prefix, after string, limit int) []string {
		t.Helper()
		records, err := b.List(t.Context(), "k", prefix, after, limit)
		if err != nil {
			t.Fatalf("List(%q, %q, %d): %v", prefix, after, limit, err)
		}
		got := []string{}
		for _, r := range records {
			if at := b.has("k", r.Key, string(r.Value)); r.Kind != "k" || r.Revision != at {
				t.Fatalf("List says %s %q stands at %d, Get says %d", r.Kind, r.Key, r.Revision, at)
			}
			got = append(got, r.Key)
		}
		return got
	}
	// What the contract says, said a second time, naively.
	want := func(prefix, after string, limit int) []string {
		w := []string{}
		for _, key := range keys {
			if (after == "" || key > after) && len(key) >= len(prefix) && key[:len(prefix)] == prefix && (limit <= 0 || len(w) < limit) {
				w = append(w, key)
			}
		}
		return w
	}
	for _, prefix := range append(keys, "a/3", "c") {
		for _, after := range append(keys, "a/3", "c") {
			for _, limit := range []int{-1, 0, 1, 3, 100} {
				if got, want := list(prefix, after, limit), want(prefix, after, limit); !slices.Equal(got, want) {
					t.Errorf("List(%q, %q, %d): got %q, want %q", prefix, after, limit, got, want)
				}
			}
		}
	}
}

func testBatches(t *testing.T, open Opener) {
	b := newBed(t, open)
	serial := store.Serial{1}
	at := b.commit(batch().Put("k", "a", []byte("1")).Put("k", "b", []byte("1")).Issue(certificate("ca", serial)))

	// All or nothing, whichever operation is refused and wherever it stands.
	for name, last := range map[string]struct {
		add  func(*store.Batch) *store.Batch
		want error
	}{
		"create":       {func(x *store.Batch) *store.Batch { return x.Create("k", "a", nil) }, store.ErrExists},
		"replace":      {func(x *store.Batch) *store.Batch { return x.Replace("k", "b", nil, at+1000) }, store.ErrConflict},
		"delete if":    {func(x *store.Batch) *store.Batch { return x.DeleteIf("k", "b", at+1000) }, store.ErrConflict},
		"check":        {func(x *store.Batch) *store.Batch { return x.Check("k", "b", at+1000) }, store.ErrConflict},
		"check none":   {func(x *store.Batch) *store.Batch { return x.Check("k", "b", 0) }, store.ErrConflict},
		"check gone":   {func(x *store.Batch) *store.Batch { return x.Check("k", "none", at) }, store.ErrConflict},
		"issue":        {func(x *store.Batch) *store.Batch { return x.Issue(certificate("ca", serial)) }, store.ErrExists},
		"sign":         {func(x *store.Batch) *store.Batch { return x.Sign("ca", store.Serial{9}, []byte("s")) }, store.ErrNotFound},
		"revoke":       {func(x *store.Batch) *store.Batch { return x.Revoke("ca", store.Serial{9}, b.clock.Now(), 1) }, store.ErrNotFound},
		"keep blob":    {func(x *store.Batch) *store.Batch { return x.KeepBlob("4711") }, store.ErrNotFound},
		"keep no blob": {func(x *store.Batch) *store.Batch { return x.KeepBlob("not one of ours") }, store.ErrNotFound},
	} {
		changed := b.Changed("k")
		x := batch().Put("k", "a", []byte("2")).Delete("k", "b").Put("k", "c", nil).
			Issue(certificate("ca", store.Serial{2})).Revoke("ca", serial, b.clock.Now(), 1)
		if name == "replace" || name == "delete if" || name == "check" || name == "check none" {
			x = batch().Put("k", "a", []byte("2")).Put("k", "c", nil).Issue(certificate("ca", store.Serial{2}))
		}
		b.refused(last.add(x), last.want)
		b.has("k", "a", "1")
		b.has("k", "b", "1")
		b.hasNot("k", "c")
		if _, err := b.Certificate(t.Context(), "ca", store.Serial{2}); err == nil {
			t.Fatalf("%s: the refused batch left a ledger row", name)
		}
		if c := b.row("ca", serial); !c.RevokedAt.IsZero() {
			t.Fatalf("%s: the refused batch left a revocation", name)
		}
		if got := b.Changed("k"); got != changed {
			t.Fatalf("%s: the refused batch moved Changed from %d to %d", name, changed, got)
		}
	}

	// Operations apply in order, and see those before them.
	b.commit(batch().Create("k", "x", []byte("1")).Delete("k", "x").Check("k", "x", 0).Create("k", "x", []byte("2")).
		Put("k", "x", []byte("3")))
	x := b.has("k", "x", "3")
	b.commit(batch().Check("k", "x", x).Put("k", "y", nil))
	b.commit(batch().Issue(certificate("ca", store.Serial{3})).Sign("ca", store.Serial{3}, []byte("sig")).
		Revoke("ca", store.Serial{3}, b.clock.Now(), 4))
	if c := b.row("ca", store.Serial{3}); string(c.Signature) != "sig" || c.Reason != 4 {
		t.Errorf("issued, signed and revoked in one batch: got %+v", c)
	}

	// A check sees every write before it, however often it was made, and nothing of
	// a batch that was refused.
	for range 3 {
		b.commit(batch().Check("k", "x", x))
	}
	b.refused(batch().Put("k", "x", []byte("4")).Create("k", "y", nil), store.ErrExists)
	b.commit(batch().Check("k", "x", x))
	b.refused(batch().Delete("k", "x").Check("k", "x", 0).Create("k", "y", nil), store.ErrExists)
	b.refused(batch().Check("k", "x", 0), store.ErrConflict)
	later := b.commit(batch().Check("k", "x", x).Put("k", "x", []byte("5")))
	b.refused(batch().Check("k", "x", x), store.ErrConflict)
	b.commit(batch().Check("k", "x", later).Check("k", "x", later).Delete("k", "x").Check("k", "x", 0))
	b.refused(batch().Check("k", "x", later), store.ErrConflict)

	// An empty batch is nothing, successfully.
	if got := b.commit(batch()); got != b.Revision() {
		t.Errorf("an empty batch: got revision %d, want the newest, %d", got, b.Revision())
	}
}

func testExpiry(t *testing.T, open Opener) {
	b := newBed(t, open)
	until := b.clock.Now().Add(time.Minute)
	at := b.commit(batch().CreateUntil("lease", "a", []byte("mine"), until).Create("lease", "b", []byte("for good")))
	b.clock.Advance(time.Minute - time.Microsecond)
	b.has("lease", "a", "mine")
	b.refused(batch().CreateUntil("lease", "a", nil, until), store.ErrExists)

	newest := b.Revision()
	b.commit(batch().Check("lease", "a", at))
	b.clock.Advance(time.Microsecond)
	b.hasNot("lease", "a")
	if list, err := b.List(t.Context(), "lease", "", "", 0); err != nil || len(list) != 1 || list[0].Key != "b" {
		t.Errorf("List beside an expired record: got %v, %v, want only b", list, err)
	}
	b.refused(batch().Replace("lease", "a", nil, at), store.ErrNotFound)
	b.refused(batch().DeleteIf("lease", "a", at), store.ErrNotFound)
	b.refused(batch().Check("lease", "a", at), store.ErrConflict)
	b.commit(batch().Check("lease", "a", 0))
	if b.Revision() != newest || b.Changed("lease") != at {
		t.Errorf("expiry moved revisions: %d to %d, Changed %d to %d", newest, b.Revision(), at, b.Changed("lease"))
	}

	// Its key is free, and the new record is not the old one.
	second := b.commit(batch().CreateUntil("lease", "a", []byte("yours"), b.clock.Now().Add(time.Minute)))
	b.has("lease", "a", "yours")
	b.refused(batch().Replace("lease", "a", nil, at), store.ErrConflict)

	// Renewing moves the end; a plain write takes it away.
	b.commit(batch().ReplaceUntil("lease", "a", []byte("renewed"), second, b.clock.Now().Add(time.Hour)))
	b.clock.Advance(30 * time.Minute)
	renewed := b.has("lease", "a", "renewed")
	b.commit(batch().Replace("lease", "a", []byte("kept"), renewed))
	b.commit(batch().CreateUntil("lease", "c", nil, b.clock.Now().Add(time.Minute)))
	b.commit(batch().Put("lease", "c", []byte("kept")))
	b.clock.Advance(100 * 365 * 24 * time.Hour)
	b.has("lease", "a", "kept")
	b.has("lease", "b", "for good")
	b.has("lease", "c", "kept")

	// Sweeping goes on in the background, and is not to be seen.
	for i := range 40 {
		x := batch()
		for j := range 50 {
			x.CreateUntil("token", fmt.Sprint(i, "-", j), []byte("x"), b.clock.Now().Add(time.Duration(i)*time.Second))
		}
		b.commit(x)
	}
	b.clock.Advance(time.Hour)
	b.reopen()
	b.commit(batch().CreateUntil("token", "0-0", []byte("new"), b.clock.Now().Add(time.Minute)))
	time.Sleep(50 * time.Millisecond) // the sweep may or may not have run: nothing depends on it
	b.has("token", "0-0", "new")
	b.has("lease", "a", "kept")
	if list, err := b.List(t.Context(), "token", "", "", 0); err != nil || len(list) != 1 {
		t.Errorf("List after expiry: got %d records, %v, want the new one only", len(list), err)
	}
}
