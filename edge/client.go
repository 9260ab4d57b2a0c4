package edge

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"

	"countersign/edge/snapshot"
	"countersign/pki"
)

// trust is the trust store of a domain with the chains that were found valid
// under it. It lives as long as snapshots carry the same certificates, so that
// a change elsewhere forgets nothing, and a change of the trust store forgets
// everything.
type trust struct {
	store       *pki.TrustStore
	fingerprint [32]byte
	shards      [16]chainShard
	shardLimit  int
}

type chainShard struct {
	mu     sync.RWMutex
	chains map[[32]byte]*client
	_      [32]byte // keeps neighbours off one cache line
}

// A client is a certificate chain that leads to an anchor of a trust store.
// Whether it is acceptable now also depends on the time and on revocations,
// which are checked at every handshake and request and never remembered here.
type client struct {
	path      []*x509.Certificate // leaf … anchor
	notBefore time.Time           // the latest of the path
	notAfter  time.Time           // the earliest of the path
	ids       []certificateID

	eventOnce sync.Once
	event     *clientCert
}

func newTrust(m *snapshot.Mutual, limit int) *trust {
	t := &trust{store: m.Trust, fingerprint: trustFingerprint(m.Trust)}
	t.shardLimit = max(1, limit/len(t.shards))
	for i := range t.shards {
		t.shards[i].chains = map[[32]byte]*client{}
	}
	return t
}

// trustFingerprint identifies the certificates of a trust store and their order.
func trustFingerprint(store *pki.TrustStore) [32]byte { return chainKey(store.Certificates()) }

// chainKey is the hash of a list of certificates, each with its length.
func chainKey(chain []*x509.Certificate) (key [32]byte) {
	h := sha256.New()
	var size [8]byte
	for _, c := range chain {
		binary.BigEndian.PutUint64(size[:], uint64(len(c.Raw)))
		h.Write(size[:])
		h.Write(c.Raw)
	}
	h.Sum(key[:0])
	return key
}

func (t *trust) shard(key [32]byte) *chainShard { return &t.shards[key[0]%uint8(len(t.shards))] }

func (t *trust) recall(key [32]byte) *client {
	s := t.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.chains[key]
}

func (t *trust) remember(key [32]byte, c *client) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, have := s.chains[key]; !have && len(s.chains) >= t.shardLimit {
		for old := range s.chains { // any: a map hands them out in random order
			delete(s.chains, old)
			break
		}
	}
	s.chains[key] = c
}

// judge decides on the chain a client presented, leaf first, at the time now.
// The client is nil unless the reason is pki.Valid.
func (t *trust) judge(chain []*x509.Certificate, now time.Time, revoked *Revocations) (c *client, reason pki.Reason, detail string) {
	if len(chain) == 0 {
		return nil, pki.Missing, "the client presented no certificate"
	}
	key := chainKey(chain)
	c = t.recall(key)
	// Outside the window of the path that is remembered there may be another
	// one, through a cross-signed issuer.
	if c == nil || !c.timely(now) {
		verdict := t.store.Verify(chain, pki.GatewayPolicy(now))
		if !verdict.Valid() {
			return nil, verdict.Reason, verdict.Detail
		}
		c = newClient(verdict.Path)
		t.remember(key, c)
	}
	if reason, detail := c.revokedIn(revoked); reason != pki.Valid {
		return nil, reason, detail
	}
	return c, pki.Valid, ""
}

func newClient(path []*x509.Certificate) *client {
	c := &client{path: path, notBefore: path[0].NotBefore, notAfter: path[0].NotAfter, ids: identify(path)}
	for _, cert := range path[1:] {
		if cert.NotBefore.After(c.notBefore) {
			c.notBefore = cert.NotBefore
		}
		if cert.NotAfter.Before(c.notAfter) {
			c.notAfter = cert.NotAfter
		}
	}
	return c
}

func (c *client) leaf() *x509.Certificate { return c.path[0] }

// timely reports whether every certificate of the path is within its validity
// period; both ends belong to it (RFC 5280, 4.1.2.5).
func (c *client) timely(now time.Time) bool {
	return !now.Before(c.notBefore) && !now.After(c.notAfter)
}

// revokedIn names the first certificate of the path that is revoked, or that
// nobody can tell of: whoever is not known to be unrevoked is refused.
func (c *client) revokedIn(revoked *Revocations) (pki.Reason, string) {
	for i, id := range c.ids {
		hit, err := revoked.lookup(id.issuer, id.number)
		if !hit && err == nil {
			continue
		}
		detail := "certificate \"" + pki.FormatName(c.path[i].RawSubject) + "\" with serial number " + pki.SerialHex(c.path[i].SerialNumber)
		if hit {
			return pki.CRLHit, detail + " is revoked"
		}
		return pki.CRLProcessingError, "whether " + detail + " is revoked cannot be told: " + err.Error()
	}
	return pki.Valid, ""
}
