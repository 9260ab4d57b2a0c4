package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"countersign/pki"
)

// maxChain is how many CA certificates API Gateway accepts above a client's.
const maxChain = 4

// join makes the trust store of PEM texts: their certificates in order, each
// once. It refuses texts with anything but certificates in PEM, and certificates
// that are not complete chains of CA certificates that API Gateway takes.
func join(texts []string, at time.Time) ([]byte, error) {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > pki.MaxTrustStoreBytes {
		return nil, fmt.Errorf("the certificates have %d bytes; the limit is %d", size, pki.MaxTrustStoreBytes)
	}
	var all []*x509.Certificate
	for i, text := range texts {
		certs, err := parseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("entry %d of Certs %w", i+1, err)
		}
		if all = append(all, certs...); len(all) > pki.MaxTrustStoreCertificates {
			return nil, fmt.Errorf("there are more than %d certificates", pki.MaxTrustStoreCertificates)
		}
	}
	store := pki.NewTrustStore(all...)
	certs := store.Certificates()
	w := &walk{bySubject: map[string][]*x509.Certificate{}, checks: maxChecks}
	for _, c := range certs {
		w.bySubject[string(c.RawSubject)] = append(w.bySubject[string(c.RawSubject)], c)
	}
	pairs := 0
	for _, c := range certs {
		// The store's warnings excuse a client certificate that signed itself.
		if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
			return nil, fmt.Errorf("not a CA certificate: %s", pki.FormatName(c.RawSubject))
		}
		pairs += len(w.bySubject[string(c.RawIssuer)])
	}
	if pairs > maxChecks {
		return nil, errTooManyChecks
	}
	if warnings := store.Warnings(at); len(warnings) > 0 {
		list := make([]string, len(warnings))
		for i, w := range warnings {
			list[i] = w.Text
		}
		return nil, errors.New(strings.Join(list, "; "))
	}
	for _, c := range certs {
		if err := w.up([]*x509.Certificate{c}); err != nil {
			return nil, err
		}
	}
	return []byte(pki.EncodeChain(certs)), nil
}

// parseCertificates reads a text of PEM certificates. Remarks between them are
// passed over; a block that is broken or something else is not, lest a
// certificate that was meant to be trusted is missing.
func parseCertificates(text string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	begun := strings.Count(text, "-----BEGIN ")
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != pki.PEMCertificate {
			return nil, fmt.Errorf("holds a PEM block of type %.40q; want %s only", block.Type, pki.PEMCertificate)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
		if list = append(list, c); len(list) > pki.MaxTrustStoreCertificates {
			return nil, fmt.Errorf("holds more than %d certificates", pki.MaxTrustStoreCertificates)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	if len(list) != begun {
		return nil, errors.New("holds a PEM block that is malformed")
	}
	return list, nil
}

// A walk looks for paths among the certificates of a trust store, with a bound
// on the signatures that it verifies.
type walk struct {
	bySubject map[string][]*x509.Certificate
	checks    int // signatures left
}

const maxChecks = 10_000

var errTooManyChecks = errors.New("too many certificates have the same name")

// up looks for the rest of a path up to a self-signed certificate. The error is
// about the first candidate that leads nowhere.
func (w *walk) up(path []*x509.Certificate) error {
	tip := path[len(path)-1]
	if len(path) > maxChain {
		return fmt.Errorf("chain too long: %s has more than %d CA certificates up to its root, itself included", pki.FormatName(path[0].RawSubject), maxChain)
	}
	if limit := pathLen(tip); limit >= 0 && issuersBelow(path) > limit {
		return fmt.Errorf("path length exceeded: %s allows %d CA certificates below it and has %d", pki.FormatName(tip.RawSubject), limit, issuersBelow(path))
	}
	if bytes.Equal(tip.RawSubject, tip.RawIssuer) && w.issued(tip, tip) {
		return nil
	}
	var problem error
	for _, c := range w.bySubject[string(tip.RawIssuer)] {
		if slices.Contains(path, c) || !w.issued(c, tip) {
			continue
		}
		err := w.up(append(path[:len(path):len(path)], c))
		if err == nil {
			return nil
		}
		if problem == nil {
			problem = err
		}
	}
	if w.checks < 0 {
		return errTooManyChecks
	}
	if problem == nil {
		problem = fmt.Errorf("incomplete chain: issuer of %s not found", pki.FormatName(tip.RawSubject))
	}
	return problem
}

// issued reports whether the issuer's key verifies the certificate's signature.
func (w *walk) issued(issuer, c *x509.Certificate) bool {
	w.checks--
	return w.checks >= 0 && issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// pathLen is a certificate's pathLenConstraint, or -1.
func pathLen(c *x509.Certificate) int {
	if c.MaxPathLen == 0 && !c.MaxPathLenZero {
		return -1
	}
	return c.MaxPathLen
}

// issuersBelow counts the CA certificates below the end of a path as RFC 5280
// section 4.2.1.9 does: self-issued ones not.
func issuersBelow(path []*x509.Certificate) int {
	n := 0
	for _, c := range path[:len(path)-1] {
		if !bytes.Equal(c.RawSubject, c.RawIssuer) {
			n++
		}
	}
	return n
}
