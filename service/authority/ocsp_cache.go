package authority

import (
	"sync"

	"countersign/store"
)

// ocspGeneration bounds the answers in memory: two generations of about a
// kilobyte each.
const ocspGeneration = 1 << 15

// An ocspEntry is a signed answer. Immutable.
type ocspEntry struct {
	answer  OCSPAnswer
	revoked bool           // which is for good
	asOf    store.Revision // of store.KindRevocation: as of then the status is known to hold
}

// An ocspCache keeps the answers that were asked for last. When a generation
// is full, what nobody asked for during the whole of it is forgotten.
type ocspCache struct {
	mu       sync.Mutex
	young    map[string]*ocspEntry
	previous map[string]*ocspEntry
}

func (c *ocspCache) get(key string) *ocspEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.young[key]; e != nil {
		return e
	}
	e := c.previous[key]
	if e != nil {
		c.add(key, e)
	}
	return e
}

func (c *ocspCache) put(key string, e *ocspEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, e)
}

// add is called with the lock held.
func (c *ocspCache) add(key string, e *ocspEntry) {
	if c.young == nil || len(c.young) >= ocspGeneration {
		c.previous, c.young = c.young, make(map[string]*ocspEntry)
	}
	c.young[key] = e
}
