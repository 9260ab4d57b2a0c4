package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"sync"
	"time"

	"countersign/store"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A ServerCertificate is what a domain name presents to its clients.
type ServerCertificate struct {
	TLS    *tls.Certificate // leaf first, Leaf parsed; nil unless Status is ISSUED
	Type   string           // AMAZON_ISSUED, PRIVATE or IMPORTED
	Status string           // ISSUED, PENDING_VALIDATION, …
}

// Certificates is what the gateway needs of the certificate inventory.
type Certificates interface {
	// ServerCertificate reads the certificate with its key. A certificate
	// that does not exist is a modelled ResourceNotFoundException.
	ServerCertificate(ctx context.Context, arn string) (ServerCertificate, error)
}

// Objects is what the gateway needs of the buckets: reading a trust store.
type Objects interface {
	GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error)
}

// Config is what a Service is built from. All of it is required.
type Config struct {
	Store        store.Store
	Certificates Certificates
	Objects      Objects
	Now          func() time.Time
	Rand         io.Reader // ids

	// Derive gives a secret of the installation's own for a purpose: the same
	// bytes for the same text on every node, and nothing that leads back from them.
	Derive func(purpose string) [32]byte
}

// A Service carries out the operations of API Gateway v2, and by way of REST those
// of v1. It is safe for concurrent use; what an operation returned without error is durable.
type Service struct {
	store        store.Store
	certificates Certificates
	objects      Objects
	now          func() time.Time
	rand         io.Reader
	derive       func(purpose string) [32]byte

	edits editLocks  // record.go
	trust trustCache // compile.go
}

// New builds a Service.
func New(c Config) *Service {
	return &Service{
		store: c.Store, certificates: c.Certificates, objects: c.Objects, now: c.Now, rand: c.Rand, derive: c.Derive,
		trust: trustCache{parsed: map[string]parsedTrust{}},
	}
}

var idLock sync.Mutex // a random source handed in need not be safe for concurrent use

// randomID makes an id by chance; newID is for what a call creates.
func (s *Service) randomID(n int) (string, error) {
	raw := make([]byte, 2*n)
	idLock.Lock()
	_, err := io.ReadFull(s.rand, raw)
	idLock.Unlock()
	if err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	return spell(raw, n), nil
}
