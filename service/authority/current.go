package authority

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"countersign/pki"
	"countersign/store"
)

// maxRecords bounds the decoded records kept in memory.
const maxRecords = 256

// A recordCache keeps authorities as issuing reads them, decoded and with their
// certificates parsed. All that it holds was read at or after changed, the revision
// that wrote an authority last: an entry is as good as a new read until that moves.
type recordCache struct {
	mu      sync.Mutex
	changed store.Revision
	byKey   map[string]*record
}

func (c *recordCache) get(key string, changed store.Revision) *record {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed != changed {
		return nil
	}
	return c.byKey[key]
}

// put adds what was read after changed was.
func (c *recordCache) put(key string, changed store.Revision, r *record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if changed < c.changed {
		return // others have seen a later one
	}
	if changed > c.changed || len(c.byKey) >= maxRecords || c.byKey == nil {
		c.changed, c.byKey = changed, make(map[string]*record)
	}
	c.byKey[key] = r
}

// drop forgets an entry that a commit has found to be old: the one that made it
// so may have reported a failure.
func (c *recordCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byKey, key)
}

// current is load for those who only look: the record is shared, and must not
// be changed.
func (s *Service) current(ctx context.Context, name *string) (*record, error) {
	account, region, id, err := parseARN(ctx, name)
	if err != nil {
		return nil, err
	}
	key := account + "/" + region + "/" + id
	changed := s.store.Changed(KindAuthority) // a commit moves it before it returns to its caller
	if r := s.records.get(key, changed); r != nil {
		if r.gone(s.now()) {
			return nil, notFound("Could not find certificate authority %s", *name)
		}
		return r, nil
	}
	r, err := s.load(ctx, name)
	if err != nil {
		return nil, err
	}
	if r.Certificate != nil {
		if r.parsed, err = r.path(); err != nil {
			return nil, err
		}
		r.above = aws.String(pki.EncodeChainBare(r.parsed))
	}
	s.records.put(key, changed, r)
	return r, nil
}
