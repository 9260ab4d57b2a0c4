package pki

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Issuance is everything that goes into one certificate. Its rules have
// been checked by [CheckIssuer], [CheckRoot] and [CheckWindow]; TBS only
// encodes.
type Issuance struct {
	Template  *Template
	Request   *Request
	Issuer    *x509.Certificate // the CA's certificate; nil where a root signs itself
	Algorithm Algorithm
	Serial    Serial
	NotBefore time.Time // whole seconds count
	NotAfter  time.Time
	CRLURL    string // CRL distribution point; "": none. Roots get none.
	OCSPURL   string // OCSP responder for authorityInfoAccess; "": none. Roots get none.
}

// TBS encodes the to-be-signed certificate. The same Issuance gives the same
// bytes. Subject and subject alternative name are the request's, octet by
// octet; everything else is the template's.
func (i Issuance) TBS() ([]byte, error) {
	alg, err := i.Algorithm.lookup()
	if err != nil {
		return nil, err
	}
	subjectKey, err := keyID(i.Request.SPKI)
	if err != nil {
		return nil, err
	}
	issuer, authorityKey := i.Request.Subject, subjectKey
	if !i.Template.root {
		if i.Issuer == nil {
			return nil, fmt.Errorf("encode certificate of template %s: no issuer", i.Template.Name)
		}
		issuer, authorityKey = i.Issuer.RawSubject, i.Issuer.SubjectKeyId
		if len(authorityKey) == 0 {
			if authorityKey, err = keyID(i.Issuer.RawSubjectPublicKeyInfo); err != nil {
				return nil, err
			}
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(i.Serial.Int())
		alg.marshal(b)
		b.AddBytes(issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, i.NotBefore)
			addTime(b, i.NotAfter)
		})
		b.AddBytes(i.Request.Subject)
		b.AddBytes(i.Request.SPKI)
		b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { i.extensions(b, subjectKey, authorityKey) })
		})
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode certificate of template %s: %w", i.Template.Name, err)
	}
	return tbs, nil
}

// extensions writes them in the order seen in certificates that AWS issued: BC,
// SKI, KU in roots; BC, AKI, SKI, KU, CRLDP in subordinates. Where a leaf has
// more, they stand between KU and CRLDP, and AIA comes last.
func (i Issuance) extensions(b *cryptobyte.Builder, subjectKey, authorityKey []byte) {
	t := i.Template
	addExtension(b, oidBasicConstraints, t.basicCritical, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if t.ca {
				b.AddASN1Boolean(true)
				if t.pathLen >= 0 {
					b.AddASN1Int64(int64(t.pathLen))
				}
			}
		})
	})
	if t.authorityKey {
		addExtension(b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(authorityKey) })
			})
		})
	}
	addExtension(b, oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(subjectKey) })
	if t.keyUsage != 0 {
		addExtension(b, oidKeyUsage, true, t.keyUsage.marshal)
	}
	if t.extKeyUsage != nil {
		addExtension(b, oidExtKeyUsage, t.extUsageCritical, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, usage := range t.extKeyUsage {
					b.AddASN1ObjectIdentifier(usage)
				}
			})
		})
	}
	if san := i.Request.SAN; san != nil {
		// RFC 5280 section 4.1.2.6: with an empty subject it must be critical.
		critical := san.Critical || bytes.Equal(i.Request.Subject, []byte{0x30, 0})
		addExtension(b, oidSubjectAltName, critical, func(b *cryptobyte.Builder) { b.AddBytes(san.Value) })
	}
	if t.revocation && i.CRLURL != "" {
		addExtension(b, oidCRLDistributionPoints, false, func(b *cryptobyte.Builder) { addDistributionPoint(b, i.CRLURL) })
	}
	if t.revocation && i.OCSPURL != "" {
		addExtension(b, oidAuthorityInfoAccess, false, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidOCSP)
					b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(i.OCSPURL)) })
				})
			})
		})
	}
}

// addDistributionPoint writes CRLDistributionPoints with one point whose
// fullName is one URI.
func addDistributionPoint(b *cryptobyte.Builder, uri string) {
	constructed := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(constructed(0), func(b *cryptobyte.Builder) { // distributionPoint
				b.AddASN1(constructed(0), func(b *cryptobyte.Builder) { // fullName
					b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
				})
			})
		})
	})
}

func addExtension(b *cryptobyte.Builder, id oid, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

// marshal writes a KeyUsage as a named BIT STRING: no trailing zero bits (X.690
// section 11.2.2).
func (u keyUsage) marshal(b *cryptobyte.Builder) {
	var bits [2]byte
	last := 0
	for n := range 9 {
		if u&(1<<n) != 0 {
			bits[n/8] |= 0x80 >> (n % 8)
			last = n
		}
	}
	b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(uint8(7 - last%8))
		b.AddBytes(bits[:last/8+1])
	})
}

// addTime follows RFC 5280 section 4.1.2.5: UTCTime through 2049,
// GeneralizedTime from 2050 (and before 1950, which UTCTime cannot say).
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if y := t.Year(); 1950 <= y && y < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// keyID is RFC 5280 section 4.2.1.2 method 1: SHA-1 of the BIT STRING's value.
func keyID(spki []byte) ([]byte, error) {
	bits, err := keyBits(spki)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(bits)
	return sum[:], nil
}

// Sign signs to-be-signed bytes and returns the signature value. It is
// deterministic: RSA is PKCS#1 v1.5, and ECDSA gets no randomness, which
// crypto/ecdsa takes for RFC 6979. A signer that wraps another must pass the
// nil reader on.
func Sign(tbs []byte, alg Algorithm, signer crypto.Signer) ([]byte, error) {
	if err := alg.Check(signer.Public()); err != nil {
		return nil, err
	}
	a, err := alg.lookup()
	if err != nil {
		return nil, err
	}
	h := a.hash.New()
	h.Write(tbs)
	signature, err := signer.Sign(nil, h.Sum(nil), a.hash)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", alg, err)
	}
	return signature, nil
}

// Assemble puts a certificate, a request or a CRL together: the to-be-signed
// bytes, the algorithm, and the signature that Sign made with both.
func Assemble(tbs []byte, alg Algorithm, signature []byte) ([]byte, error) {
	a, err := alg.lookup()
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		a.marshal(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// MaxDepth is how many CA certificates a hierarchy may have, the root included.
const MaxDepth = 5

// CheckIssuer judges whether the CA whose certificate is chain[0], with its
// own issuers after it up to the root, may issue a certificate of the template.
// The error is a *[RuleError] with RulePathLength or RuleDepth.
func CheckIssuer(t *Template, chain []*x509.Certificate) error {
	if !t.ca || t.root || len(chain) == 0 {
		return nil
	}
	for above, ca := range chain {
		limit, ok := pathLen(ca)
		if !ok {
			continue
		}
		// The new certificate has `above` others between it and ca, and its own
		// path length must fit below all of them.
		want := above + 1
		if t.pathLen >= 0 {
			want += t.pathLen
		}
		if limit < want {
			return &RuleError{RulePathLength, fmt.Sprintf("the path length of the certificate authority %q is %d: it does not allow a certificate of template %s below it",
				ReversedName(ca.RawSubject), limit, t.Name)}
		}
	}
	if len(chain)+1 > MaxDepth {
		return &RuleError{RuleDepth, fmt.Sprintf("a hierarchy has at most %d levels of certificate authorities", MaxDepth)}
	}
	return nil
}

// CheckNames applies the name constraints of the CA certificates of chain to
// the subject and the subject alternative names of a request. The error is a
// *[RuleError] with RuleNameConstraints.
func CheckNames(r *Request, chain []*x509.Certificate) error {
	subject := &entity{Certificate: &x509.Certificate{RawSubject: r.Subject}}
	if r.SAN != nil {
		names, err := parseGeneralNames(r.SAN.Value)
		if err != nil {
			return &RequestError{"the subject alternative name of the certificate signing request is malformed"}
		}
		subject.names = names
	}
	return checkNames(subject, chain)
}

func checkNames(subject *entity, chain []*x509.Certificate) error {
	spent := 0
	for _, ca := range chain {
		c := newEntity(ca).constraints
		if c == nil {
			continue
		}
		if err := c.check(subject.constrainedNames(), &spent); err != nil {
			return &RuleError{RuleNameConstraints, fmt.Sprintf("the name constraints of the certificate authority %q do not allow the request: %v", ReversedName(ca.RawSubject), err)}
		}
	}
	return nil
}

// pathLen is a certificate's pathLenConstraint, if it has one.
func pathLen(c *x509.Certificate) (int, bool) {
	if !c.BasicConstraintsValid || !c.IsCA || c.MaxPathLen < 0 || c.MaxPathLen == 0 && !c.MaxPathLenZero {
		return 0, false
	}
	return c.MaxPathLen, true
}

// CheckRoot judges whether a request may become the root certificate of the CA
// whose key is given: only its own key signs itself. The error is a
// *[RuleError] with RuleRoot.
func CheckRoot(r *Request, key crypto.PublicKey) error {
	if !SameKey(r.PublicKey, key) {
		return &RuleError{RuleRoot, "a root certificate is issued only for the certificate authority's own certificate signing request"}
	}
	return nil
}

// SameKey reports whether two public keys are equal.
func SameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
