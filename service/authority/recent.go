package authority

import (
	"sync"

	"countersign/store"
)

// maxRecent bounds the rows kept in memory, of about a kilobyte each.
const maxRecent = 1024

// recentRows keeps the ledger rows that were issued here last, signed: whoever
// asked for a certificate fetches it next. What is kept of a row never changes
// (whether it is revoked is not looked at here), so an entry is never wrong.
type recentRows struct {
	mu   sync.Mutex
	rows map[rowID]store.Certificate
	ring [maxRecent]rowID // in the order of issue
	next int
}

type rowID struct {
	authority string
	serial    store.Serial
}

func (c *recentRows) get(authority string, serial store.Serial) (store.Certificate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row, ok := c.rows[rowID{authority, serial}]
	return row, ok
}

func (c *recentRows) put(row store.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil {
		c.rows = make(map[rowID]store.Certificate, maxRecent)
	}
	id := rowID{row.Authority, row.Serial}
	delete(c.rows, c.ring[c.next])
	c.rows[id], c.ring[c.next] = row, id
	c.next = (c.next + 1) % maxRecent
}
