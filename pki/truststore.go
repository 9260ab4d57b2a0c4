package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
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
	entities  []*entity
	bySubject map[string][]*entity // by RawSubject
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
	t := &TrustStore{bySubject: map[string][]*entity{}}
	for _, c := range certs {
		t.add(c)
	}
	return t
}

func (t *TrustStore) add(c *x509.Certificate) {
	if t.find(c) != nil {
		return
	}
	e := newEntity(c)
	if e.selfIssued && e.signature == nil {
		e.selfSigned = c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
	}
	t.entities = append(t.entities, e)
	t.bySubject[string(c.RawSubject)] = append(t.bySubject[string(c.RawSubject)], e)
}

// find returns the store's entry for exactly this certificate, or nil.
func (t *TrustStore) find(c *x509.Certificate) *entity {
	for _, have := range t.bySubject[string(c.RawSubject)] {
		if bytes.Equal(have.Raw, c.Raw) {
			return have
		}
	}
	return nil
}

// Certificates lists the certificates in the order of the bundle. The slice is
// the caller's; the certificates are not to be changed.
func (t *TrustStore) Certificates() []*x509.Certificate {
	list := make([]*x509.Certificate, len(t.entities))
	for i, e := range t.entities {
		list[i] = e.Certificate
	}
	return list
}

// Contains reports whether exactly this certificate is in the store.
func (t *TrustStore) Contains(c *x509.Certificate) bool { return t.find(c) != nil }

// Errors of [ParseTrustStore] that callers tell apart.
var (
	ErrNoPEM         = errors.New("the trust store holds no PEM block of type CERTIFICATE")
	ErrNoCertificate = errors.New("the trust store holds no certificate that can be read")
)

// ParseTrustStore reads a bundle of PEM certificates as API Gateway reads the
// object of truststoreUri. Text between blocks and blocks of other types are
// passed over. A block that is no certificate is a warning, unless nothing
// else is in the bundle. It is an error when data is larger than
// MaxTrustStoreBytes, has more than MaxTrustStoreCertificates blocks, or has
// no certificate at all ([ErrNoPEM], [ErrNoCertificate]). What is to be said
// about certificates that were read is in [TrustStore.Warnings].
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
		if block.Type != PEMCertificate {
			continue
		}
		if blocks++; blocks > MaxTrustStoreCertificates {
			return nil, nil, fmt.Errorf("the trust store has more than %d certificates", MaxTrustStoreCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			warnings = append(warnings, Warning{Text: fmt.Sprintf("Not a certificate: entry %d: %v", blocks, err)})
			continue
		}
		t.add(c)
	}
	if blocks == 0 {
		return nil, nil, ErrNoPEM
	}
	if len(t.entities) == 0 {
		return nil, warnings, ErrNoCertificate
	}
	return t, warnings, nil
}

// Warnings says what about the certificates of the store will keep clients of
// API Gateway out at the time at, in the order of the bundle.
func (t *TrustStore) Warnings(at time.Time) []Warning {
	var list []Warning
	for _, e := range t.entities {
		subject := FormatName(e.RawSubject)
		warn := func(text string) {
			list = append(list, Warning{Text: text + ": " + subject, Subject: subject})
		}
		if f := timeFault(e.Certificate, at); f != nil {
			if f.reason == Expired {
				warn("Certificate expired")
			} else {
				warn("Certificate not yet valid")
			}
		}
		if e.signature != nil {
			warn("Unsupported signature algorithm")
		}
		switch key := keyFault(e.Certificate); {
		case key != nil && e.PublicKeyAlgorithm == x509.RSA:
			warn("Key too small")
		case key != nil:
			warn("Unsupported key")
		case e.form != nil:
			list = append(list, Warning{Text: fmt.Sprintf("Certificate %s: %s", e.form.detail, subject), Subject: subject})
		case e.asIssuer != nil && !e.selfIssued:
			// A client certificate that signed itself is a legitimate member.
			warn("Not a CA certificate")
		}
		if !e.selfIssued && !t.hasIssuer(e) {
			list = append(list, Warning{Text: fmt.Sprintf("Incomplete chain: issuer of %s not found", subject), Subject: subject})
		}
	}
	return list
}

// hasIssuer reports whether a certificate that signed e is in the store.
func (t *TrustStore) hasIssuer(e *entity) bool {
	return slices.ContainsFunc(t.bySubject[string(e.RawIssuer)], func(c *entity) bool {
		// A weak signature has its own warning and cannot be verified here.
		return e.signature != nil || c.CheckSignature(e.SignatureAlgorithm, e.RawTBSCertificate, e.Signature) == nil
	})
}
