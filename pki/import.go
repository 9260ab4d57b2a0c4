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

// checkImportChain judges the certificate with its chain.
func checkImportChain(in Import, c *x509.Certificate, chain []*x509.Certificate) error {
	selfIssued := bytes.Equal(c.RawSubject, c.RawIssuer)
	switch {
	case in.Root && len(chain) > 0:
		return &ImportError{ImportInvalid, "a root certificate authority takes no certificate chain"}
	case in.Root && !selfIssued:
		return malformed("the certificate of a root certificate authority must be self-signed")
	case !in.Root && selfIssued:
		return malformed("the certificate of a subordinate certificate authority must not be self-signed")
	case !in.Root && len(chain) == 0:
		return &ImportError{ImportInvalid, "a subordinate certificate authority needs the certificate chain of its issuers, the root last"}
	case len(chain)+1 > MaxDepth:
		return malformed("the chain has %d certificates: a hierarchy has at most %d levels", len(chain)+1, MaxDepth)
	}
	for i, ca := range append([]*x509.Certificate{c}, chain...) {
		if err := checkImportMember(ca, i, in.At); err != nil {
			return err
		}
		issuer := ca // of the last one, the root
		if i < len(chain) {
			issuer = chain[i]
		}
		if !bytes.Equal(ca.RawIssuer, issuer.RawSubject) || issuer.CheckSignature(ca.SignatureAlgorithm, ca.RawTBSCertificate, ca.Signature) != nil {
			if i == len(chain) {
				return &ImportError{ImportMismatch, fmt.Sprintf("the chain must end with a self-signed root: %q is none", FormatName(ca.RawSubject))}
			}
			return &ImportError{ImportMismatch, fmt.Sprintf("%q was not signed by the next certificate of the chain, %q", FormatName(ca.RawSubject), FormatName(issuer.RawSubject))}
		}
	}
	for _, x := range c.Extensions {
		if x.Critical && !mayBeCritical(x.Id) {
			return malformed("the extension %s of the certificate must not be critical", x.Id)
		}
	}
	if err := checkNames(newEntity(c), chain); err != nil {
		return malformed("%v", err)
	}
	return nil
}

// checkImportMember judges one certificate, with below others between it and
// the end of the chain.
func checkImportMember(ca *x509.Certificate, below int, at time.Time) error {
	name := FormatName(ca.RawSubject)
	e := newEntity(ca)
	if f := firstFault(keyFault(ca), e.asIssuer); f != nil {
		return malformed("the certificate %q %s", name, f.detail)
	}
	if _, critical, _ := e.extension(oidBasicConstraints); !critical {
		return malformed("the basic constraints of the certificate %q must be critical", name)
	}
	if limit, ok := pathLen(ca); ok && limit < below {
		return malformed("the path length of the certificate %q is %d: it does not allow the chain below it", name, limit)
	}
	if f := timeFault(ca, at); f != nil {
		return malformed("the certificate %q %s", name, f.detail)
	}
	return nil
}

// mayBeCritical is the list of ImportCertificateAuthorityCertificate.
func mayBeCritical(id oid) bool {
	for _, allowed := range []oid{oidAuthorityKeyID, oidBasicConstraints, oidCertificatePolicies, oidExtKeyUsage,
		oidInhibitAnyPolicy, oidIssuerAltName, oidKeyUsage, oidNameConstraints, oidPolicyMappings, oidSubjectAltName,
		oidSubjectDirectoryAttributes, oidSubjectKeyID, oidSubjectInfoAccess} {
		if id.Equal(allowed) {
			return true
		}
	}
	return false
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
