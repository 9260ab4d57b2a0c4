package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Limits of ImportCertificateAuthorityCertificate.
const (
	MaxImportBytes      = 32768
	MaxImportChainBytes = 2 << 20
)

// An Import is a CA certificate on its way into a certificate authority.
type Import struct {
	Root        bool             // the certificate authority is of type ROOT
	Key         crypto.PublicKey // of the certificate authority
	Subject     []byte           // DER name of its request
	Certificate []byte           // PEM, one certificate
	Chain       []byte           // PEM, without the certificate itself: its issuer first, the root last
	At          time.Time
}

// CheckImport applies the checks of ImportCertificateAuthorityCertificate and
// returns the certificate and its chain, parsed. The error is an *[ImportError].
func CheckImport(in Import) (*x509.Certificate, []*x509.Certificate, error) {
	if len(in.Certificate) > MaxImportBytes {
		return nil, nil, malformed("the certificate has %d bytes; the limit is %d", len(in.Certificate), MaxImportBytes)
	}
	if len(in.Chain) > MaxImportChainBytes {
		return nil, nil, malformed("the certificate chain has %d bytes; the limit is %d", len(in.Chain), MaxImportChainBytes)
	}
	certs, err := parsePEMCertificates(in.Certificate)
	if err != nil {
		return nil, nil, malformed("the certificate is not valid PEM: %v", err)
	}
	if len(certs) != 1 {
		return nil, nil, malformed("the certificate field holds %d certificates: want one, and its issuers in the chain", len(certs))
	}
	c := certs[0]
	var chain []*x509.Certificate
	if len(bytes.TrimSpace(in.Chain)) > 0 {
		if chain, err = parsePEMCertificates(in.Chain); err != nil {
			return nil, nil, malformed("the certificate chain is not valid PEM: %v", err)
		}
	}
	if !SameKey(c.PublicKey, in.Key) {
		return nil, nil, &ImportError{ImportMismatch, "the public key of the certificate is not the key of the certificate authority: sign the request that GetCertificateAuthorityCsr returns"}
	}
	if !bytes.Equal(c.RawSubject, in.Subject) {
		return nil, nil, &ImportError{ImportMismatch, fmt.Sprintf("the subject of the certificate is %q, that of the certificate authority's request %q", FormatName(c.RawSubject), FormatName(in.Subject))}
	}
	if err := checkImportChain(in, c, chain); err != nil {
		return nil, nil, err
	}
	return c, chain, nil
}

func checkImportChain(in Import, c *x509.Certificate, chain []*x509.Certificate) error {
	return nil
}

func malformed(format string, args ...any) error {
	return &ImportError{ImportMalformed, fmt.Sprintf(format, args...)}
}

// parsePEMCertificates reads every CERTIFICATE block of data and refuses
// anything else but space between them.
func parsePEMCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for len(bytes.TrimSpace(data)) > 0 {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("no PEM block where certificate %d is expected", len(certs)+1)
		}
		if block.Type != PEMCertificate {
			return nil, fmt.Errorf("block %d is a %s", len(certs)+1, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs, data = append(certs, c), rest
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("no certificate")
	}
	return certs, nil
}
