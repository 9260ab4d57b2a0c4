package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Passthrough is what the caller of IssueCertificate gives beside the
// request, ApiPassthrough in AWS's words. Only templates that say so in their
// name look at it.
type Passthrough struct {
	Subject    []byte           // DER name in place of the request's; nil: the request's
	Extensions []pkix.Extension // in the order in which they are encoded; no type twice
}

// Check refuses a Passthrough that has the same extension twice, or a value
// that is not one DER element. The error is a *[RuleError] with RuleExtension.
func (p *Passthrough) Check() error {
	for n, e := range p.Extensions {
		for _, other := range p.Extensions[:n] {
			if e.Id.Equal(other.Id) {
				return &RuleError{RuleExtension, fmt.Sprintf("the extension %s is given twice", e.Id)}
			}
		}
		if !isElement(e.Value) {
			return &RuleError{RuleExtension, fmt.Sprintf("the value of the extension %s is not DER", e.Id)}
		}
	}
	return nil
}

// isElement reports whether der is exactly one DER element, as far as its tag
// and length say.
func isElement(der []byte) bool {
	in := cryptobyte.String(der)
	var element cryptobyte.String
	var tag cbasn1.Tag
	return in.ReadAnyASN1(&element, &tag) && in.Empty()
}

// UsageBits are the bits of a KeyUsage in the order of RFC 5280 section
// 4.2.1.3: digitalSignature, nonRepudiation, keyEncipherment,
// dataEncipherment, keyAgreement, keyCertSign, cRLSign, encipherOnly,
// decipherOnly.
type UsageBits [9]bool

// KeyUsageExtension makes a critical keyUsage. With no bit set it is an error,
// a *[RuleError] with RuleExtension: RFC 5280 wants at least one.
func KeyUsageExtension(bits UsageBits) (pkix.Extension, error) {
	var u keyUsage
	for n, set := range bits {
		if set {
			u |= 1 << n
		}
	}
	if u == 0 {
		return pkix.Extension{}, &RuleError{RuleExtension, "a key usage must name at least one usage"}
	}
	return extension(oidKeyUsage, true, u.marshal)
}

// ExtKeyUsageExtension makes an extendedKeyUsage, not critical, of dotted
// object identifiers. The error is a *[RuleError] with RuleExtension.
func ExtKeyUsageExtension(usages []string) (pkix.Extension, error) {
	ids, err := parseOIDs(usages)
	if err != nil {
		return pkix.Extension{}, err
	}
	return extKeyUsageExtension(false, ids)
}

func extKeyUsageExtension(critical bool, usages []oid) (pkix.Extension, error) {
	return extension(oidExtKeyUsage, critical, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, id := range usages {
				b.AddASN1ObjectIdentifier(id)
			}
		})
	})
}

func parseOIDs(texts []string) ([]oid, error) {
	var ids []oid
	for _, text := range texts {
		id, err := ParseOID(text)
		if err != nil {
			return nil, &RuleError{RuleExtension, fmt.Sprintf("%q is not an object identifier", text)}
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, &RuleError{RuleExtension, "a list of object identifiers must not be empty"}
	}
	return ids, nil
}

// NamedUsage is the object identifier of an extended key usage under ACM
// Private CA's name for it ("SERVER_AUTH").
func NamedUsage(name string) (id string, ok bool) {
	switch name {
	case "SERVER_AUTH":
		return "1.3.6.1.5.5.7.3.1", true
	case "CLIENT_AUTH":
		return "1.3.6.1.5.5.7.3.2", true
	case "CODE_SIGNING":
		return "1.3.6.1.5.5.7.3.3", true
	case "EMAIL_PROTECTION":
		return "1.3.6.1.5.5.7.3.4", true
	case "TIME_STAMPING":
		return "1.3.6.1.5.5.7.3.8", true
	case "OCSP_SIGNING":
		return "1.3.6.1.5.5.7.3.9", true
	case "SMART_CARD_LOGIN":
		return "1.3.6.1.4.1.311.20.2.2", true
	case "DOCUMENT_SIGNING":
		return "1.3.6.1.4.1.311.10.3.12", true
	case "CERTIFICATE_TRANSPARENCY":
		return "1.3.6.1.4.1.11129.2.4.4", true
	}
	return "", false
}

// AltNameExtension makes a subjectAltName, not critical. (A certificate with an
// empty subject makes it critical.)
func AltNameExtension(names []GeneralName) (pkix.Extension, error) {
	if len(names) == 0 {
		return pkix.Extension{}, &RuleError{RuleExtension, "a subject alternative name must have at least one name"}
	}
	return extension(oidSubjectAltName, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, n := range names {
				b.AddBytes(n)
			}
		})
	})
}

// A PolicyInformation is one entry of certificatePolicies. CPS are URIs of
// certification practice statements.
type PolicyInformation struct {
	Policy string // dotted object identifier
	CPS    []string
}

// PoliciesExtension makes a certificatePolicies, not critical. The error is a
// *[RuleError] with RuleExtension.
func PoliciesExtension(policies []PolicyInformation) (pkix.Extension, error) {
	texts := make([]string, len(policies))
	for n, p := range policies {
		texts[n] = p.Policy
		for _, other := range texts[:n] {
			if other == p.Policy { // RFC 5280 section 4.2.1.4
				return pkix.Extension{}, &RuleError{RuleExtension, fmt.Sprintf("the certificate policy %s is given twice", other)}
			}
		}
		for _, uri := range p.CPS {
			if uri == "" || !isASCII(uri) {
				return pkix.Extension{}, &RuleError{RuleExtension, fmt.Sprintf("the CPS URI %q cannot be encoded: it must be ASCII and not empty", uri)}
			}
		}
	}
	ids, err := parseOIDs(texts)
	if err != nil {
		return pkix.Extension{}, err
	}
	return extension(oidCertificatePolicies, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for n, p := range policies {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(ids[n])
					if len(p.CPS) == 0 {
						return
					}
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, uri := range p.CPS {
							b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddASN1ObjectIdentifier(oidCPS)
								b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
							})
						}
					})
				})
			}
		})
	})
}

// An Access is one AccessDescription (RFC 5280 section 4.2.2).
type Access struct {
	Method   string // dotted object identifier
	Location GeneralName
}

// Access methods of subjectInfoAccess under ACM Private CA's names.
const (
	CARepository = "1.3.6.1.5.5.7.48.5"
	RPKIManifest = "1.3.6.1.5.5.7.48.10"
	RPKINotify   = "1.3.6.1.5.5.7.48.13"
)

// SubjectInfoAccessExtension makes a subjectInfoAccess, which is never
// critical. The error is a *[RuleError] with RuleExtension.
func SubjectInfoAccessExtension(list []Access) (pkix.Extension, error) {
	methods := make([]string, len(list))
	for n, a := range list {
		methods[n] = a.Method
	}
	ids, err := parseOIDs(methods)
	if err != nil {
		return pkix.Extension{}, err
	}
	return extension(oidSubjectInfoAccess, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for n, a := range list {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(ids[n])
					b.AddBytes(a.Location)
				})
			}
		})
	})
}

// CustomExtension makes an extension of any type out of its DER value. The
// error is a *[RuleError] with RuleExtension.
func CustomExtension(id string, critical bool, value []byte) (pkix.Extension, error) {
	parsed, err := ParseOID(id)
	if err != nil {
		return pkix.Extension{}, &RuleError{RuleExtension, fmt.Sprintf("%q is not an object identifier", id)}
	}
	if !isElement(value) {
		return pkix.Extension{}, &RuleError{RuleExtension, fmt.Sprintf("the value of the extension %s is not DER", id)}
	}
	return pkix.Extension{Id: parsed, Critical: critical, Value: value}, nil
}

// extension encodes the value of one.
func extension(id asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) (pkix.Extension, error) {
	var b cryptobyte.Builder
	value(&b)
	der, err := b.Bytes()
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encode extension %s: %w", id, err)
	}
	return pkix.Extension{Id: id, Critical: critical, Value: der}, nil
}
