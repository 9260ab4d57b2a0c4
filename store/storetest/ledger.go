package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"countersign/store"
)

// certificate makes up a ledger row.
func certificate(authority string, serial store.Serial) store.Certificate {
	return store.Certificate{
		Authority: authority,
		Serial:    serial,
		TBS:       fmt.Appendf(nil, "tbs %s %x\x00", authority, serial),
		Template:  "arn:aws:acm-pca:::template/EndEntityCertificate/V1",
		Requester: "arn:aws:iam::000000000000:root",
		IssuedAt:  time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		NotBefore: time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no end
		Subject:   "CN=grüße\x00",
	}
}

// row reads a ledger row that must be there.
func (b *bed) row(authority string, serial store.Serial) store.Certificate {
	b.t.Helper()
	c, err := b.Certificate(b.t.Context(), authority, serial)
	if err != nil {
		b.t.Fatalf("Certificate(%s, %x): %v", authority, serial, err)
	}
	return c
}

func serialOf(n int) store.Serial {
	return store.Serial{1, byte(n >> 16), byte(n >> 8), byte(n)}
}

func testLedger(t *testing.T, open Opener) {
	b := newBed(t, open)
	want := certificate("ca-1", store.Serial{0x7f, 0, 0xff, 15: 1})
	given := want
	given.Sequence, given.RevokedAt, given.Reason = 4711, time.Now(), 3 // the store's own: ignored
	b.commit(batch().Issue(given))
	got := b.row("ca-1", want.Serial)
	if got.Sequence <= 0 {
		t.Errorf("Sequence: got %d, want one above zero", got.Sequence)
	}
	want.Sequence = got.Sequence
	if got.Signature != nil {
		t.Errorf("Signature before it was recorded: got %x, want nil", got.Signature)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Certificate:\n got %+v\nwant %+v", got, want)
	}
	if b.Changed(store.KindCertificate) != b.Revision() || b.Changed(store.KindRevocation) != 0 {
		t.Errorf("Changed after issuing: certificates %d, revocations %d, revision %d", b.Changed(store.KindCertificate), b.Changed(store.KindRevocation), b.Revision())
	}

	if _, err := b.Certificate(t.Context(), "ca-2", want.Serial); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Certificate of another authority: got %v, want ErrNotFound", err)
	}
	b.refused(batch().Issue(want), store.ErrExists)
	b.commit(batch().Issue(certificate("ca-2", want.Serial))) // a serial is unique per authority
	b.commit(batch().Sign("ca-1", want.Serial, []byte("signature")))
	want.Signature = []byte("signature")
	if got := b.row("ca-1", want.Serial); !reflect.DeepEqual(got, want) {
		t.Errorf("Certificate after signing:\n got %+v\nwant %+v", got, want)
	}
	b.commit(batch().Sign("ca-1", want.Serial, []byte("another")))
	if got := b.row("ca-1", want.Serial); string(got.Signature) != "signature" {
		t.Errorf("a second signature took the place of the first: got %q", got.Signature)
	}
	signed := certificate("ca-1", store.Serial{5})
	signed.Signature = []byte("at once")
	b.commit(batch().Issue(signed))
	if got := b.row("ca-1", signed.Serial); string(got.Signature) != "at once" {
		t.Errorf("a row issued with its signature: got %q", got.Signature)
	}

	for i := range 10 {
		b.commit(batch().Issue(certificate("ca-3", serialOf(100-i))).Issue(certificate("ca-4", serialOf(i))))
	}
	var after int64
	var serials []store.Serial
	for {
		page, err := b.Certificates(t.Context(), "ca-3", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		if len(page) > 3 {
			t.Fatalf("a page of 3 has %d rows", len(page))
		}
		for _, c := range page {
			if c.Authority != "ca-3" || c.Sequence <= after || string(c.TBS) != string(certificate("ca-3", c.Serial).TBS) {
				t.Fatalf("after sequence %d: got %+v", after, c)
			}
			after = c.Sequence
			serials = append(serials, c.Serial)
		}
	}
	if len(serials) != 10 {
		t.Fatalf("paging found %d rows, want 10", len(serials))
	}
	for i, serial := range serials {
		if serial != serialOf(100-i) {
			t.Errorf("row %d: got serial %x, want the %dth issued", i, serial, i)
		}
	}
	if all, err := b.Certificates(t.Context(), "ca-3", 0, 0); err != nil || len(all) != 10 {
		t.Errorf("Certificates without limit: got %d, %v, want 10", len(all), err)
	}
}

func testRevocations(t *testing.T, open Opener) {
	b := newBed(t, open)
	at := b.clock.Now()
	b.commit(batch().Issue(certificate("ca", serialOf(0))))
	first := b.commit(batch().Revoke("ca", serialOf(0), at, 1))
	if c := b.row("ca", serialOf(0)); !c.RevokedAt.Equal(at) || c.Reason != 1 {
		t.Errorf("revoked at %v for %d, want %v for 1", c.RevokedAt, c.Reason, at)
	}
	if b.Changed(store.KindRevocation) != first || b.Changed(store.KindCertificate) != first {
		t.Errorf("Changed after revoking: got %d and %d, want %d", b.Changed(store.KindRevocation), b.Changed(store.KindCertificate), first)
	}
	b.refused(batch().Revoke("ca", serialOf(0), at.Add(time.Hour), 2), store.ErrRevoked)
	b.refused(batch().Revoke("other", serialOf(0), at, 2), store.ErrNotFound)
	if c := b.row("ca", serialOf(0)); !c.RevokedAt.Equal(at) || c.Reason != 1 {
		t.Errorf("a second revocation changed the first: %v, %d", c.RevokedAt, c.Reason)
	}
	all, err := b.Revocations(t.Context(), 0, 0)
	want := []store.Revocation{{Authority: "ca", Serial: serialOf(0), At: at, Reason: 1, Revision: first}}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Fatalf("Revocations: got %+v, %v, want %+v", all, err, want)
	}

	// Revocations come in the order they were made, not that of issuing; some in one batch.
	x := batch()
	for i := 1; i <= 20; i++ {
		x.Issue(certificate(fmt.Sprint("ca-", i%3), serialOf(i)))
	}
	b.commit(x)
	revision := map[store.Serial]store.Revision{serialOf(0): first}
	for _, group := range [][]int{{20}, {3, 1, 2, 19, 7}, {18}, {17, 16}, {4}} {
		x := batch().Put("noise", "n", nil)
		for _, i := range group {
			x.Revoke(fmt.Sprint("ca-", i%3), serialOf(i), at.Add(time.Duration(-i)*time.Hour), i%10)
		}
		r := b.commit(x)
		for _, i := range group {
			revision[serialOf(i)] = r
		}
		b.commit(batch().Put("noise", "n", nil)) // revisions between those that revoke
	}
	for limit := range 12 {
		var after store.Revision
		seen := map[store.Serial]bool{}
		for {
			page, err := b.Revocations(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for i, r := range page {
				if r.Revision <= after || i > 0 && r.Revision < page[i-1].Revision || r.Revision != revision[r.Serial] || seen[r.Serial] {
					t.Fatalf("limit %d after %d: entry %d is %+v, its revision should be %d", limit, after, i, r, revision[r.Serial])
				}
				seen[r.Serial] = true
			}
			// More than limit only to complete the last revision.
			if last := page[len(page)-1].Revision; limit > 0 && len(page) > limit && page[limit-1].Revision != last {
				t.Fatalf("limit %d after %d: %d entries, more than needed", limit, after, len(page))
			}
			after = page[len(page)-1].Revision
		}
		if len(seen) != len(revision) {
			t.Errorf("limit %d: paging found %d revocations, want %d", limit, len(seen), len(revision))
		}
	}
}

func testRevoked(t *testing.T, open Opener) {
	b := newBed(t, open)
	at := b.clock.Now()
	last := store.Serial{}
	for i := range last {
		last[i] = 0xff
	}
	var want []store.Revoked
	for i := range 300 {
		c := certificate("ca", serialOf(i))
		c.NotAfter = at.Add(time.Duration(i) * time.Hour)
		b.commit(batch().Issue(c).Issue(certificate("other", c.Serial)))
		if i%3 == 0 {
			continue
		}
		r := store.Revoked{Serial: c.Serial, At: at.Add(time.Duration(-i) * time.Second), Reason: i % 6, NotAfter: c.NotAfter}
		b.commit(batch().Revoke("ca", r.Serial, r.At, r.Reason))
		want = append(want, r)
	}
	all, err := b.Revoked(t.Context(), "ca", store.Serial{}, last, 0)
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Fatalf("Revoked: got %d rows and %v, want %d in the order of serials", len(all), err, len(want))
	}
	var paged []store.Revoked
	for after := (store.Serial{}); ; {
		page, err := b.Revoked(t.Context(), "ca", after, last, 7)
		if err != nil || len(page) > 7 {
			t.Fatalf("a page of 7: got %d rows and %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
		after = page[len(page)-1].Serial
	}
	if !reflect.DeepEqual(paged, want) {
		t.Errorf("paging found %d rows, want %d", len(paged), len(want))
	}
	// Both ends: above after, not above through.
	some, err := b.Revoked(t.Context(), "ca", want[10].Serial, want[20].Serial, 0)
	if err != nil || !reflect.DeepEqual(some, want[11:21]) {
		t.Errorf("a range: got %+v and %v, want %+v", some, err, want[11:21])
	}
	for _, authority := range []string{"other", "nobody"} {
		if none, err := b.Revoked(t.Context(), authority, store.Serial{}, last, 0); err != nil || len(none) != 0 {
			t.Errorf("authority %s has none revoked: got %d rows and %v", authority, len(none), err)
		}
	}
}
