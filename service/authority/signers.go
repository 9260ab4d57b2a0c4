package authority

import (
	"crypto"
	"sync"

	"countersign/keys/rsasign"
	"countersign/pki"
)

// maxSigners bounds the unsealed keys kept in memory.
const maxSigners = 256

// signers caches unsealed keys by authority id. An authority never changes its
// key, so an entry is never wrong.
type signers struct {
	mu   sync.Mutex
	byID map[string]crypto.Signer
}

func (c *signers) get(id string) crypto.Signer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

func (c *signers) put(id string, key crypto.Signer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = make(map[string]crypto.Signer)
	}
	if len(c.byID) >= maxSigners {
		for other := range c.byID { // any will do: unsealing takes microseconds
			delete(c.byID, other)
			break
		}
	}
	c.byID[id] = key
}

func (c *signers) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// signer unseals an authority's key and gives it randomness, for RSASSA-PSS.
func (s *Service) signer(r *record) (crypto.Signer, error) {
	if key := s.signers.get(r.ID); key != nil {
		return key, nil
	}
	key, err := s.sealer.OpenKey(r.Key, r.arn())
	if err != nil {
		return nil, err
	}
	key = pki.WithRandom(rsasign.Wrap(key), s.rand)
	s.signers.put(r.ID, key)
	return key, nil
}
