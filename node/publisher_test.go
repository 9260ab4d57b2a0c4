package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"countersign/edge"
	"countersign/service/authority"
	"countersign/store"
	"countersign/store/storetest"
)

// One feed that fails, one revocation that cannot be placed, one snapshot that
// lacks something: none of them keeps the data planes from the rest.
func TestPublisherGoesOn(t *testing.T) {
	t.Parallel()
	st := storetest.New(t)
	commit := func(b *store.Batch) store.Revision {
		t.Helper()
		r, err := st.Commit(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var key authority.IssuerKey
	copy(key[:], bytes.Repeat([]byte{7}, len(key)))
	record, err := json.Marshal(struct{ Key []byte }{key[:]})
	if err != nil {
		t.Fatal(err)
	}
	commit(new(store.Batch).Create(authority.KindIssuer, "known", record))

	var fails, lacks error
	published := map[string]store.Revision{}
	newFeed := func(name string, result *error) *feed {
		return &feed{name: name, kinds: []string{"test/" + name}, publish: func(_ context.Context, r store.Revision) error {
			published[name] = r
			return *result
		}}
	}
	var none error
	p := &publisher{
		store: st, revocations: edge.NewRevocations(), log: slog.New(slog.DiscardHandler), feeds: []*feed{newFeed("failing", &fails), newFeed("lacking", &lacks), newFeed("good", &none)},
		authority: authority.New(authority.Config{Store: st, Now: time.Now, Rand: rand.Reader}),
	}
	p.revoked = &revocationLog{publisher: p, folder: t.TempDir(), random: rand.Reader, limits: defaultRevocationLimits}
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}

	revoke := func(authority string, serial byte) {
		t.Helper()
		number := store.Serial{serial}
		commit(new(store.Batch).Issue(store.Certificate{Authority: authority, Serial: number, TBS: []byte{serial}, IssuedAt: time.Now(), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}))
		commit(new(store.Batch).Revoke(authority, number, time.Now(), 0))
	}
	contains := func(serial byte) bool {
		number := store.Serial{serial}
		return p.revocations.Contains(key, number[:])
	}
	revoke("unknown", 1)
	revoke("known", 2)
	fails, lacks = errors.New("cannot be published"), partial{errors.New("without a certificate")}
	r := commit(new(store.Batch).Create("test/failing", "k", nil).Create("test/lacking", "k", nil).Create("test/good", "k", nil))
	if err := p.catchUp(t.Context(), r); !errors.Is(err, fails) {
		t.Errorf("catching up: %v; want the failing feed's error among others", err)
	}
	if !contains(2) {
		t.Error("a revocation after one that cannot be placed is not in force")
	}
	if published["good"] != r || published["lacking"] != r {
		t.Errorf("published %v behind a feed that fails, want %d", published, r)
	}
	if p.shown >= r {
		t.Error("the publisher says that it shows what it does not")
	}

	// The authority's record turns up, and the feed works again; what lacks something holds nobody up.
	commit(new(store.Batch).Create(authority.KindIssuer, "unknown", record))
	fails = nil
	if err := p.catchUp(t.Context(), r); err != nil || p.shown != r {
		t.Errorf("catching up later: %v, shows %d of %d", err, p.shown, r)
	}
	if !contains(1) {
		t.Error("a revocation that could not be placed was forgotten")
	}
	if !p.feeds[1].stale {
		t.Error("a snapshot that lacks something is not tried again")
	}
}
