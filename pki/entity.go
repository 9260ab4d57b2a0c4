package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A fault is why something is refused. Detail continues a sentence that begins
// with the certificate's name.
type fault struct {
	reason Reason
	detail string
}

func faultf(reason Reason, format string, args ...any) *fault {
	return &fault{reason, fmt.Sprintf(format, args...)}
}

// An entity is a certificate with all that can be said about it alone. It is
// made once and never changed.
type entity struct {
	*x509.Certificate

	// Faults, nil where there is none.
	form      *fault // refused wherever it stands
	asLeaf    *fault // refused as the end of a path, though not in form
	asIssuer  *fault // refused as the issuer of another certificate
	signature *fault // its signature algorithm is too weak or unknown

	// Faults against the profile of conforming CAs, which RFC 5280's validation
	// algorithm does not ask for: refused under Policy.Strict only.
	profile         *fault // not asked of anchors
	profileAsIssuer *fault

	selfIssued  bool
	selfSigned  bool // self-issued, and its own key verifies its signature; known in trust stores only
	names       []generalName
	constraints *constraints
	policies    policyExtensions
	hasEKU      bool
	points      []string // URIs of CRLDistributionPoints
	otherPoints bool     // CRLDistributionPoints has names other than URIs
}

// newEntity inspects a certificate.
func newEntity(c *x509.Certificate) *entity {
	e := &entity{Certificate: c, selfIssued: bytes.Equal(c.RawSubject, c.RawIssuer)}
	e.signature = signatureFault(c.SignatureAlgorithm)
	e.form = e.inspectForm()
	e.profile = e.inspectProfile()
	e.asLeaf = e.inspectLeaf()
	e.asIssuer, e.profileAsIssuer = e.inspectIssuer()
	return e
}

// extension finds an extension by its type; crypto/x509 has refused doubles.
func (e *entity) extension(id oid) (value []byte, critical, ok bool) {
	for _, x := range e.Extensions {
		if x.Id.Equal(id) {
			return x.Value, x.Critical, true
		}
	}
	return nil, false, false
}

func (e *entity) inspectForm() *fault {
	if e.Version != 3 {
		return faultf(Invalid, "is X.509 version %d: version 3 is required", e.Version)
	}
	if f := keyFault(e.Certificate); f != nil {
		return f
	}
	if bytes.Equal(e.RawIssuer, []byte{0x30, 0}) {
		return faultf(Invalid, "has no issuer name")
	}
	for _, x := range e.Extensions {
		if f := e.inspectExtension(x.Id, x.Value, x.Critical); f != nil {
			return f
		}
	}
	return nil
}

// inspectExtension reads what crypto/x509 does not, and judges criticality by
// RFC 5280 section 4.2: an extension that we do not process must not be
// critical, and some must never be.
func (e *entity) inspectExtension(id oid, value []byte, critical bool) *fault {
	malformed := func(err error) *fault { return faultf(Invalid, "is malformed: %v", err) }
	var err error
	switch {
	case id.Equal(oidBasicConstraints):
	case id.Equal(oidKeyUsage):
		// Section 4.2.1.3: when it appears, at least one bit is set.
		if e.KeyUsage == 0 {
			return faultf(Invalid, "has a key usage without any usage")
		}
	case id.Equal(oidExtKeyUsage):
		e.hasEKU = true
		if len(e.ExtKeyUsage)+len(e.UnknownExtKeyUsage) == 0 {
			return faultf(PurposeInvalid, "has an extended key usage without any usage")
		}
	case id.Equal(oidSubjectAltName):
		if e.names, err = parseGeneralNames(value); err != nil {
			return malformed(err)
		}
	case id.Equal(oidNameConstraints):
		if e.constraints, err = parseConstraints(value); err != nil {
			return malformed(err)
		}
	case id.Equal(oidCertificatePolicies), id.Equal(oidPolicyMappings), id.Equal(oidPolicyConstraints), id.Equal(oidInhibitAnyPolicy):
		if err = e.policies.read(id, value); err != nil {
			return malformed(err)
		}
	case id.Equal(oidCRLDistributionPoints):
		if e.points, e.otherPoints, err = parseDistributionPoints(value); err != nil {
			return malformed(err)
		}
	case id.Equal(oidAuthorityKeyID), id.Equal(oidSubjectKeyID), id.Equal(oidAuthorityInfoAccess), id.Equal(oidSubjectInfoAccess):
		if critical {
			return faultf(Invalid, "marks the extension %s critical, which it must never be", id)
		}
	default:
		if critical {
			return faultf(Invalid, "has a critical extension that is not known: %s", id)
		}
	}
	return nil
}

// inspectLeaf judges what only the end of a path must be.
func (e *entity) inspectLeaf() *fault {
	if e.BasicConstraintsValid && e.IsCA {
		return faultf(PurposeInvalid, "is a CA certificate")
	}
	if e.KeyUsage&x509.KeyUsageCertSign != 0 {
		return faultf(PurposeInvalid, "may sign certificates (keyCertSign) but is no CA certificate")
	}
	if e.constraints != nil {
		return faultf(Invalid, "has name constraints but is no CA certificate")
	}
	if bytes.Equal(e.RawSubject, []byte{0x30, 0}) && len(e.names) == 0 {
		return faultf(Invalid, "has neither a subject nor a subject alternative name")
	}
	return nil
}

// inspectIssuer judges what a certificate must be to issue others.
func (e *entity) inspectIssuer() (hard, profile *fault) {
	_, critical, present := e.extension(oidBasicConstraints)
	switch {
	case !present:
		return faultf(PurposeInvalid, "is no CA certificate: it has no basic constraints"), nil
	case !e.IsCA:
		return faultf(PurposeInvalid, "is no CA certificate"), nil
	case e.KeyUsage != 0 && e.KeyUsage&x509.KeyUsageCertSign == 0:
		return faultf(PurposeInvalid, "may not sign certificates: its key usage lacks keyCertSign"), nil
	case bytes.Equal(e.RawSubject, []byte{0x30, 0}):
		return faultf(Invalid, "is a CA certificate without a subject"), nil
	}
	if !critical {
		return nil, faultf(Invalid, "is a CA certificate whose basic constraints are not critical")
	}
	if e.constraints != nil && e.constraints.leadingDot {
		return nil, faultf(Invalid, "has a dNSName constraint that starts with a dot")
	}
	if f := e.inspectAuthorityKey(); f != nil {
		return nil, f
	}
	return nil, nil
}

// inspectAuthorityKey judges authorityKeyIdentifier by RFC 5280 section
// 4.2.1.1: keyIdentifier is there, issuer and serial number come together, and
// in a self-issued certificate that has one key only it is the subject's own.
func (e *entity) inspectAuthorityKey() *fault {
	value, _, ok := e.extension(oidAuthorityKeyID)
	if !ok {
		return nil
	}
	input := cryptobyte.String(value)
	var seq cryptobyte.String
	var content cryptobyte.String
	var key, issuer, serial bool
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) ||
		!seq.ReadOptionalASN1(&content, &key, cbasn1.Tag(0).ContextSpecific()) ||
		!seq.ReadOptionalASN1(&content, &issuer, cbasn1.Tag(1).ContextSpecific().Constructed()) ||
		!seq.ReadOptionalASN1(&content, &serial, cbasn1.Tag(2).ContextSpecific()) || !seq.Empty() {
		return faultf(Invalid, "has a malformed authority key identifier")
	}
	if !key || issuer != serial {
		return faultf(Invalid, "has an incomplete authority key identifier")
	}
	return nil
}

// inspectProfile judges rules for conforming CAs that hold for every
// certificate but an anchor.
func (e *entity) inspectProfile() *fault {
	// Section 4.1.2.2.
	if e.SerialNumber.Sign() <= 0 || e.SerialNumber.BitLen() > 160 {
		return faultf(Invalid, "has a serial number that is not positive or longer than 20 octets")
	}
	if f := validityFormFault(e.RawTBSCertificate); f != nil {
		return f
	}
	// Section 4.2.1.6.
	if _, critical, ok := e.extension(oidSubjectAltName); ok && !critical && bytes.Equal(e.RawSubject, []byte{0x30, 0}) {
		return faultf(Invalid, "has no subject, but its subject alternative name is not critical")
	}
	// Section 4.2.1.11.
	if _, critical, ok := e.extension(oidPolicyConstraints); ok && !critical {
		return faultf(Invalid, "has policy constraints that are not critical")
	}
	// Section 4.2.1.9.
	if e.BasicConstraintsValid && !e.IsCA && (e.MaxPathLen > 0 || e.MaxPathLenZero) {
		return faultf(Invalid, "has a path length but is no CA certificate")
	}
	return nil
}

// validityFormFault judges RFC 5280 section 4.1.2.5: UTCTime through 2049,
// GeneralizedTime later, both to the second and in Zulu.
func validityFormFault(tbs []byte) *fault {
	input := cryptobyte.String(tbs)
	var validity cryptobyte.String
	if !input.ReadASN1(&input, cbasn1.SEQUENCE) ||
		!input.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!input.SkipASN1(cbasn1.INTEGER) || !input.SkipASN1(cbasn1.SEQUENCE) || !input.SkipASN1(cbasn1.SEQUENCE) ||
		!input.ReadASN1(&validity, cbasn1.SEQUENCE) {
		return faultf(Invalid, "has a malformed validity")
	}
	for !validity.Empty() {
		var text cryptobyte.String
		var tag cbasn1.Tag
		if !validity.ReadAnyASN1(&text, &tag) {
			return faultf(Invalid, "has a malformed validity")
		}
		form := "060102150405Z"
		if tag == cbasn1.GeneralizedTime {
			form = "20060102150405Z"
		}
		if len(text) != len(form) || text[len(text)-1] != 'Z' {
			return faultf(Invalid, "has a time that is not in the form of RFC 5280")
		}
		if tag == cbasn1.GeneralizedTime && string(text[:4]) < "2050" {
			return faultf(Invalid, "has a time before 2050 as GeneralizedTime")
		}
	}
	return nil
}

// signatureFault is the list of API Gateway and of load balancers: SHA-256 or
// stronger, with RSA or ECDSA.
func signatureFault(a x509.SignatureAlgorithm) *fault {
	switch a {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return nil
	}
	if a == x509.UnknownSignatureAlgorithm {
		return faultf(TypeUnsupported, "is signed with an algorithm that is not known")
	}
	return faultf(TypeUnsupported, "is signed with %v: SHA-256 or stronger with RSA or ECDSA is required", a)
}

// keyFault is their list of keys: RSA from 2048 to 8192 bits, P-256, P-384, P-521.
func keyFault(c *x509.Certificate) *fault {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 || bits%8 != 0 {
			return faultf(TypeUnsupported, "has an RSA key of %d bits: 2048 to 8192 are required", bits)
		}
		if k.E < 3 || k.E%2 == 0 {
			return faultf(TypeUnsupported, "has an RSA key with the public exponent %d", k.E)
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return faultf(TypeUnsupported, "has an EC key on %s: P-256, P-384 or P-521 is required", k.Curve.Params().Name)
	}
	return faultf(TypeUnsupported, "has a %v key: RSA or EC is required", c.PublicKeyAlgorithm)
}

// timeFault judges the validity period, both ends inclusive (RFC 5280 section
// 4.1.2.5), at whole seconds.
func timeFault(c *x509.Certificate, at time.Time) *fault {
	at = at.Truncate(time.Second)
	if at.Before(c.NotBefore) {
		return faultf(NotYetValid, "is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	}
	if at.After(c.NotAfter) {
		return faultf(Expired, "ended at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// usageFault compares a usage with extended key usage, and for leaves with key
// usage as OpenSSL's purposes do.
func (e *entity) usageFault(u Usage, leaf bool) *fault {
	if u == AnyUsage {
		return nil
	}
	want, name, keys := x509.ExtKeyUsageClientAuth, "clientAuth", x509.KeyUsageDigitalSignature|x509.KeyUsageKeyAgreement
	if u == ServerAuth {
		want, name, keys = x509.ExtKeyUsageServerAuth, "serverAuth", keys|x509.KeyUsageKeyEncipherment
	}
	if leaf && e.KeyUsage != 0 && e.KeyUsage&keys == 0 {
		return faultf(PurposeInvalid, "has a key usage that does not allow %s", name)
	}
	if !e.hasEKU {
		return nil
	}
	for _, have := range e.ExtKeyUsage {
		if have == want || have == x509.ExtKeyUsageAny {
			return nil
		}
	}
	return faultf(PurposeInvalid, "is not for %s: its extended key usage does not name it", name)
}

// hostFault compares the subject alternative names with a host name or IP
// address. The common name is never looked at (RFC 9525).
func (e *entity) hostFault(host string) *fault {
	kind, want := nameDNS, strings.TrimSuffix(strings.ToLower(host), ".")
	if ip := parseIP(host); ip != nil {
		kind, want = nameIP, string(ip)
	} else if !validHost(want) {
		return faultf(NameMismatch, "cannot be compared with %q, which is no host name in ASCII form", host)
	}
	var have []string
	for _, n := range e.names {
		if n.kind != kind {
			continue
		}
		if kind == nameIP && string(n.value) == want || kind == nameDNS && matchHost(string(n.value), want) {
			return nil
		}
		have = append(have, n.text())
	}
	if len(have) == 0 {
		return faultf(NameMismatch, "has no subject alternative name of kind %s to compare with %s", kind, host)
	}
	return faultf(NameMismatch, "is for %s, not for %s", strings.Join(have, ", "), host)
}
