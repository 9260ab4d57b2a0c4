package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxRequestBytes bounds a certificate request, PEM or DER, as ACM Private CA does.
const MaxRequestBytes = 32768

// A Request is a certificate request whose signature has been verified. The
// only way to one is [ParseRequest].
type Request struct {
	Raw        []byte // DER
	Subject    []byte // DER name as requested, copied into the certificate unchanged
	SPKI       []byte // DER SubjectPublicKeyInfo
	PublicKey  crypto.PublicKey
	SAN        *pkix.Extension  // nil: none
	Extensions []pkix.Extension // all that the request asks for, SAN included
	DNSNames   []string         // of SAN, for those who want to look at them
}

// ParseRequest reads a PKCS#10 request, PEM or DER. It refuses what no
// certificate should be made of: a signature that does not verify, neither
// subject nor subject alternative name, the same extension twice, a key that
// [CheckKey] refuses. The error is a *[RequestError].
func ParseRequest(data []byte) (*Request, error) {
	if len(data) > MaxRequestBytes {
		return nil, &RequestError{fmt.Sprintf("the certificate signing request has %d bytes; the limit is %d", len(data), MaxRequestBytes)}
	}
	der := data
	if len(data) == 0 || data[0] != 0x30 {
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, &RequestError{"the certificate signing request is neither PEM nor DER"}
		}
		if block.Type != PEMRequest && block.Type != "NEW CERTIFICATE REQUEST" {
			return nil, &RequestError{fmt.Sprintf("the PEM block is a %s, not a %s", block.Type, PEMRequest)}
		}
		der = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, &RequestError{"the certificate signing request is malformed: " + strings.TrimPrefix(err.Error(), "x509: ")}
	}
	if err := CheckKey(csr.PublicKey, csr.RawSubjectPublicKeyInfo); err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, &RequestError{"the signature of the certificate signing request does not verify"}
	}
	r := &Request{Raw: csr.Raw, Subject: csr.RawSubject, SPKI: csr.RawSubjectPublicKeyInfo, PublicKey: csr.PublicKey,
		Extensions: csr.Extensions, DNSNames: csr.DNSNames}
	for i, e := range csr.Extensions { // crypto/x509 has refused doubles
		if e.Id.Equal(oidSubjectAltName) && !bytes.Equal(e.Value, []byte{0x30, 0}) {
			r.SAN = &csr.Extensions[i]
		}
	}
	name, err := parseName(r.Subject)
	if err != nil {
		return nil, &RequestError{"the subject of the certificate signing request is malformed"}
	}
	if len(name) == 0 && r.SAN == nil {
		return nil, &RequestError{"the certificate signing request has neither a subject nor a subject alternative name"}
	}
	return r, nil
}

// NewRequest makes the PKCS#10 request of a certificate authority as ACM
// Private CA does: version 0, the subject in the order given, and an
// extensionRequest that holds exactly basicConstraints, critical, CA:TRUE, and
// the extensions given after it. It is deterministic, as [Sign] is.
func NewRequest(subject []Attribute, alg Algorithm, signer crypto.Signer, extensions ...pkix.Extension) ([]byte, error) {
	name, err := EncodeName(subject)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	var info cryptobyte.Builder
	info.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(name)
		b.AddBytes(spki)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidExtensionRequest)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						addExtension(b, oidBasicConstraints, true, func(b *cryptobyte.Builder) {
							b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Boolean(true) })
						})
						for _, e := range extensions {
							addExtension(b, e.Id, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
						}
					})
				})
			})
		})
	})
	tbs, err := info.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode certificate request: %w", err)
	}
	signature, err := Sign(tbs, alg, signer)
	if err != nil {
		return nil, err
	}
	return Assemble(tbs, alg, signature)
}
