package pki

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An Issuance is everything that goes into one certificate. Its rules have
// been checked by [CheckIssuer], [CheckRoot] and [CheckWindow]; TBS only
// encodes, and Lint judges what it encoded.
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

	// OmitPoints says that the CA has CRLs but keeps their address out of
	// certificates: then ApiPassthrough may bring one under any template.
	OmitPoints  bool
	Passthrough *Passthrough // nil: none; ignored by templates that are not API variants
}

// Subject is the DER name of the certificate: of Passthrough where the template
// looks at it and it has one, else the request's, octet by octet.
func (i Issuance) Subject() []byte {
	if i.Template.fromAPI && i.Passthrough != nil && i.Passthrough.Subject != nil {
		return i.Passthrough.Subject
	}
	return i.Request.Subject
}

// TBS encodes the to-be-signed certificate. The same Issuance gives the same
// bytes.
func (i Issuance) TBS() ([]byte, error) {
	alg, err := i.Algorithm.lookup()
	if err != nil {
		return nil, err
	}
	subjectKey, err := keyID(i.Request.SPKI)
	if err != nil {
		return nil, err
	}
	subject := i.Subject()
	issuer, authorityKey := subject, subjectKey
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
	extensions, err := i.extensions(subjectKey, authorityKey)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024)) // room for most
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(i.Serial.Int())
		b.AddBytes(alg.identifier)
		b.AddBytes(issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, i.NotBefore)
			addTime(b, i.NotAfter)
		})
		b.AddBytes(subject)
		b.AddBytes(i.Request.SPKI)
		b.AddASN1(cbasn1.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range extensions {
					addExtension(b, e.Id, e.Critical, func(b *cryptobyte.Builder) { b.AddBytes(e.Value) })
				}
			})
		})
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode certificate of template %s: %w", i.Template.Name, err)
	}
	return tbs, nil
}

// extensions are those of the certificate, by AWS's order of precedence: what
// the template defines, what the CA's configuration supplies, ApiPassthrough,
// the request. Whoever comes first has an extension for itself: values are never
// merged.
func (i Issuance) extensions(subjectKey, authorityKey []byte) ([]pkix.Extension, error) {
	list, err := i.ownExtensions(subjectKey, authorityKey)
	if err != nil {
		return nil, err
	}
	has := func(id oid) bool {
		return slices.ContainsFunc(list, func(e pkix.Extension) bool { return e.Id.Equal(id) })
	}
	if i.Template.fromAPI && i.Passthrough != nil {
		for _, e := range i.Passthrough.Extensions {
			if i.takes(e.Id, true) && !has(e.Id) {
				list = append(list, e)
			}
		}
	}
	if san := i.Request.SAN; san != nil && !has(oidSubjectAltName) {
		list = append(list, *san) // under every template
	}
	if i.Template.fromCSR {
		for _, e := range i.Request.Extensions {
			if i.takes(e.Id, false) && !e.Id.Equal(oidSubjectAltName) && !has(e.Id) {
				list = append(list, e)
			}
		}
	}
	if bytes.Equal(i.Subject(), []byte{0x30, 0}) {
		for n := range list { // RFC 5280 section 4.1.2.6
			list[n].Critical = list[n].Critical || list[n].Id.Equal(oidSubjectAltName)
		}
	}
	slices.SortStableFunc(list, func(a, b pkix.Extension) int { return position(a.Id) - position(b.Id) })
	return list, nil
}

// ownExtensions are those of the template and of the CA's configuration.
func (i Issuance) ownExtensions(subjectKey, authorityKey []byte) ([]pkix.Extension, error) {
	t := i.Template
	list := append(make([]pkix.Extension, 0, len(t.fixed)+8), t.fixed...)
	var bad error
	add := func(id oid, value cryptobyte.BuilderContinuation) {
		e, err := extension(id, false, value)
		list, bad = append(list, e), errors.Join(bad, err)
	}
	if t.authorityKey {
		add(oidAuthorityKeyID, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(authorityKey) })
			})
		})
	}
	add(oidSubjectKeyID, func(b *cryptobyte.Builder) { b.AddASN1OctetString(subjectKey) })
	if t.revocation && i.CRLURL != "" {
		add(oidCRLDistributionPoints, func(b *cryptobyte.Builder) { addDistributionPoint(b, i.CRLURL) })
	}
	if t.revocation && i.OCSPURL != "" {
		add(oidAuthorityInfoAccess, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidOCSP)
					b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(i.OCSPURL)) })
				})
			})
		})
	}
	return list, bad
}

// takes reports whether an extension may come from ApiPassthrough (else from
// the request), where nobody before defined it.
func (i Issuance) takes(id oid, api bool) bool {
	t := i.Template
	switch {
	case id.Equal(oidBasicConstraints), id.Equal(oidSubjectKeyID):
		return false
	case id.Equal(oidAuthorityKeyID):
		return api && t.authorityFromAPI
	case id.Equal(oidCRLDistributionPoints):
		return t.revocation && (!api || t.pointsFromAPI || i.OmitPoints)
	case id.Equal(oidAuthorityInfoAccess):
		return t.revocation
	}
	return true
}

// position orders extensions as seen in certificates that AWS issued: BC, SKI,
// KU in roots; BC, AKI, SKI, KU, CRLDP in subordinates. Where there are more,
// they stand between KU and CRLDP in the order they came in, and AIA is last.
func position(id oid) int {
	for n, known := range [...]oid{oidBasicConstraints, oidAuthorityKeyID, oidSubjectKeyID, oidKeyUsage, oidExtKeyUsage, oidSubjectAltName} {
		if id.Equal(known) {
			return n - 10
		}
	}
	switch {
	case id.Equal(oidCRLDistributionPoints):
		return 1
	case id.Equal(oidAuthorityInfoAccess):
		return 2
	}
	return 0
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

// Assemble puts a certificate, a request or a CRL together: the to-be-signed
// bytes, the algorithm, and the signature that Sign made with both.
func Assemble(tbs []byte, alg Algorithm, signature []byte) ([]byte, error) {
	a, err := alg.lookup()
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(a.identifier)+len(signature)+16))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(a.identifier)
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

// checkNames applies the name constraints of the CA certificates of chain to
// the subject and the subject alternative names of a certificate. The error is
// a *[RuleError] with RuleNameConstraints.
func checkNames(subject *entity, chain []*x509.Certificate) error {
	spent := 0
	for _, ca := range chain {
		if !slices.ContainsFunc(ca.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oidNameConstraints) }) {
			continue
		}
		c := newEntity(ca).constraints
		if c == nil { // it was refused: our trust store would not have it either
			return &RuleError{RuleNameConstraints, fmt.Sprintf("the name constraints of the certificate authority %q cannot be read", ReversedName(ca.RawSubject))}
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
