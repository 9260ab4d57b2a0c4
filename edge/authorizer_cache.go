package edge

import (
	"crypto/sha256"
	"sync"
	"time"
)

// An answerCache keeps what REQUEST authorizers have answered, in shards so that
// callers of different identities do not wait for each other. It holds no more
// than so many bytes: when a shard is full, answers are dropped at random.
type answerCache struct {
	shards [16]answerShard
	limit  int // bytes of one shard, about
}

type answerShard struct {
	mu      sync.Mutex
	answers map[[sha256.Size]byte]*verdict
	held    int
}

func (c *answerCache) init(memory int) {
	c.limit = max(1, memory/len(c.shards))
	for i := range c.shards {
		c.shards[i].answers = map[[sha256.Size]byte]*verdict{}
	}
}

func (c *answerCache) shard(key [sha256.Size]byte) *answerShard {
	return &c.shards[int(key[0])%len(c.shards)]
}

// recall gives the answer under a key that is still good; nil if there is none.
func (c *answerCache) recall(key [sha256.Size]byte, now time.Time) *verdict {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.answers[key]
	if v != nil && !now.Before(v.until) {
		s.drop(key)
		return nil
	}
	return v
}

// remember keeps an answer until its time is up, if there is room for it at all.
func (c *answerCache) remember(key [sha256.Size]byte, v *verdict, now time.Time) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
	if v.cost > c.limit {
		return
	}
	for old := range s.answers { // a map hands them out in random order
		if s.held+v.cost <= c.limit {
			break
		}
		s.drop(old)
	}
	s.answers[key] = v
	s.held += v.cost
}

// drop forgets an answer; the shard is locked.
func (s *answerShard) drop(key [sha256.Size]byte) {
	if v := s.answers[key]; v != nil {
		s.held -= v.cost
		delete(s.answers, key)
	}
}
