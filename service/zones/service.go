package zones

import (
	"io"
	"strings"
	"time"

	"countersign/store"

	"fmt"
)

// DefaultNameServers are the names that NS and SOA records of a new zone carry
// unless the configuration has others. The suffix is reserved (RFC 6761), so
// that nobody is asked in our place.
var DefaultNameServers = []string{"ns1.countersign.invalid", "ns2.countersign.invalid", "ns3.countersign.invalid", "ns4.countersign.invalid"}

// Config is what a Service is built from. Only NameServers may be left out.
type Config struct {
	Store       store.Store
	Now         func() time.Time
	Rand        io.Reader // zone and change ids; safe for concurrent use
	NameServers []string  // host names that NS records of new zones carry
}

// A Service carries out the operations of Route 53. It is safe for concurrent
// use; what an operation returned without error is durable.
type Service struct {
	store       store.Store
	now         func() time.Time
	rand        io.Reader
	nameServers []string
}

// New builds a Service.
func New(c Config) *Service {
	if len(c.NameServers) == 0 {
		c.NameServers = DefaultNameServers
	}
	return &Service{store: c.Store, now: c.Now, rand: c.Rand, nameServers: c.NameServers}
}

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// newID makes an id as Route 53's are: a letter that says of what, and upper-case
// letters and digits.
func (s *Service) newID(prefix string) (string, error) {
	raw := make([]byte, 20)
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	var b strings.Builder
	b.WriteString(prefix)
	for _, r := range raw {
		b.WriteByte(idLetters[int(r)%len(idLetters)])
	}
	return b.String(), nil
}
