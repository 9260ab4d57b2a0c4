package edge

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// An idSource makes request and connection ids: unique, not secret. One
// generator is seeded from the configured randomness; it seeds those of the
// pool, so that requests neither wait for randomness nor share a lock.
type idSource struct {
	mu   sync.Mutex
	root *rand.ChaCha8 // guarded by mu
	pool sync.Pool     // *rand.ChaCha8
}

func (s *idSource) init(random io.Reader) error {
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	s.root = rand.NewChaCha8(seed)
	s.pool.New = func() any {
		var seed [32]byte
		s.mu.Lock()
		defer s.mu.Unlock()
		s.root.Read(seed[:])
		return rand.NewChaCha8(seed)
	}
	return nil
}

func (s *idSource) fill(b []byte) {
	g := s.pool.Get().(*rand.ChaCha8)
	g.Read(b)
	s.pool.Put(g)
}

// request makes an id as HTTP APIs have them: 11 bytes, 15 characters and "=".
func (s *idSource) request() string {
	var b [11]byte
	var text [16]byte
	s.fill(b[:])
	base64.URLEncoding.Encode(text[:], b[:])
	return string(text[:])
}

// uuid makes an id as REST APIs have them (RFC 9562, 5.4).
func (s *idSource) uuid() string {
	var b [16]byte
	s.fill(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// decision makes an id in the form of load balancers' connection traces.
func (s *idSource) decision() string {
	var b [16]byte
	s.fill(b[:])
	return "TID_" + hex.EncodeToString(b[:])
}

// trace makes the value of X-Amzn-Trace-Id.
func (s *idSource) trace(now time.Time) string {
	var b [16]byte
	s.fill(b[4:])
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	text := hex.EncodeToString(b[:])
	return "Root=1-" + text[:8] + "-" + text[8:]
}
