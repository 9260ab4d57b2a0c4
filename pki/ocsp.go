package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of an OCSP request. RFC 5019 section 2.1.1 asks for one certificate;
// a few more cost little.
const (
	MaxOCSPRequest      = 16 << 10 // bytes of DER
	MaxOCSPCertificates = 16
)

// An OCSPError is a response without a signature: the request was not answered
// (RFC 6960 section 4.2.1).
type OCSPError uint8

// Values of OCSPResponseStatus.
const (
	OCSPMalformed    OCSPError = 1
	OCSPInternal     OCSPError = 2
	OCSPTryLater     OCSPError = 3
	OCSPUnauthorized OCSPError = 6 // RFC 5019 section 2.2.3: not a certificate that this responder knows of
)

// DER is the whole response.
func (e OCSPError) DER() []byte { return []byte{0x30, 3, 0x0a, 1, byte(e)} }

// An OCSPRequest is a parsed request. Its signature, if it had one, was not
// looked at: everybody may ask.
type OCSPRequest struct {
	Certificates []OCSPCertID // 1 to MaxOCSPCertificates
	Nonce        []byte       // nil: none; else 1 to 128 octets (RFC 9654 section 2.1)
}

// An OCSPCertID names the certificate that is asked about.
type OCSPCertID struct {
	Serial *big.Int
	// Raw is the CertID as it was sent. It comes back in the response octet by
	// octet, since clients compare it.
	Raw []byte

	hash              crypto.Hash // 0: none that is known, which matches no issuer
	nameHash, keyHash []byte
}

// ParseOCSPRequest reads an OCSPRequest in DER. An error means that the
// request is malformed, too large, or has a critical extension that is unknown
// (RFC 6960 section 4.4).
func ParseOCSPRequest(der []byte) (*OCSPRequest, error) {
	if len(der) > MaxOCSPRequest {
		return nil, fmt.Errorf("the OCSP request has %d bytes; the limit is %d", len(der), MaxOCSPRequest)
	}
	malformed := func(what string) (*OCSPRequest, error) {
		return nil, fmt.Errorf("the OCSP request is malformed: %s", what)
	}
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	in := cryptobyte.String(der)
	var request, tbs, list, extensions cryptobyte.String
	var extended bool
	if !in.ReadASN1(&request, cbasn1.SEQUENCE) || !in.Empty() || !request.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return malformed("not a SEQUENCE")
	}
	if !request.SkipOptionalASN1(explicit(0)) || !request.Empty() {
		return malformed("data after the request")
	}
	if tbs.PeekASN1Tag(explicit(0)) {
		var version cryptobyte.String
		var n int64
		if !tbs.ReadASN1(&version, explicit(0)) || !version.ReadASN1Integer(&n) || !version.Empty() || n != 0 {
			return malformed("not of version 1")
		}
	}
	if !tbs.SkipOptionalASN1(explicit(1)) || // requestorName
		!tbs.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!tbs.ReadOptionalASN1(&extensions, &extended, explicit(2)) || !tbs.Empty() {
		return malformed("the request list")
	}
	r := &OCSPRequest{}
	for !list.Empty() {
		if len(r.Certificates) == MaxOCSPCertificates {
			return nil, fmt.Errorf("the OCSP request asks for more than %d certificates", MaxOCSPCertificates)
		}
		var one, single cryptobyte.String
		var has bool
		if !list.ReadASN1(&one, cbasn1.SEQUENCE) {
			return malformed("a request")
		}
		id, ok := readCertID(&one)
		if !ok || !one.ReadOptionalASN1(&single, &has, explicit(0)) || !one.Empty() {
			return malformed("a CertID")
		}
		if _, ok := readOCSPExtensions(single, has); !ok {
			return malformed("the extensions of a request")
		}
		r.Certificates = append(r.Certificates, id)
	}
	if len(r.Certificates) == 0 {
		return malformed("it asks for no certificate")
	}
	nonce, ok := readOCSPExtensions(extensions, extended)
	if !ok {
		return malformed("the extensions")
	}
	r.Nonce = nonce
	return r, nil
}

func readCertID(from *cryptobyte.String) (id OCSPCertID, ok bool) {
	var raw, fields, algorithm cryptobyte.String
	var name oid
	id.Serial = new(big.Int)
	if !from.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
		return id, false
	}
	id.Raw = raw
	if !raw.ReadASN1(&fields, cbasn1.SEQUENCE) ||
		!fields.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&name) ||
		!fields.ReadASN1Bytes(&id.nameHash, cbasn1.OCTET_STRING) || !fields.ReadASN1Bytes(&id.keyHash, cbasn1.OCTET_STRING) ||
		!fields.ReadASN1Integer(id.Serial) || !fields.Empty() {
		return id, false
	}
	// Parameters are absent, or NULL as RFC 3370 section 2.1 lets them be.
	if !algorithm.Empty() {
		var null cryptobyte.String
		if !algorithm.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !algorithm.Empty() {
			return id, false
		}
	}
	for _, h := range ocspHashes() {
		if name.Equal(h.id) {
			id.hash = h.hash
		}
	}
	return id, true
}

// ocspHashes are the algorithms that a CertID may use. SHA-1 is what nearly
// all clients send; nothing rests on its strength here, since the response says
// which issuer it is for by its signature.
func ocspHashes() [4]ocspHash {
	return [...]ocspHash{{crypto.SHA1, oidSHA1}, {crypto.SHA256, oidSHA256}, {crypto.SHA384, oidSHA384}, {crypto.SHA512, oidSHA512}}
}

type ocspHash struct {
	hash crypto.Hash
	id   oid
}

// readOCSPExtensions takes the nonce out of Extensions; all others are
// ignored unless they are critical.
func readOCSPExtensions(in cryptobyte.String, present bool) (nonce []byte, ok bool) {
	if !present {
		return nil, true
	}
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var extension, value cryptobyte.String
		var id oid
		var critical bool
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&id) {
			return nil, false
		}
		if extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) {
			return nil, false
		}
		if !extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return nil, false
		}
		switch {
		case id.Equal(oidOCSPNonce):
			var octets cryptobyte.String
			// RFC 9654 section 2.1: 1 to 128 octets, anything else is malformed.
			if nonce != nil || !value.ReadASN1(&octets, cbasn1.OCTET_STRING) || !value.Empty() || len(octets) < 1 || len(octets) > 128 {
				return nil, false
			}
			nonce = octets
		case critical && !id.Equal(oidOCSPResponse): // acceptable responses: we make the basic one, which all accept
			return nil, false
		}
	}
	return nonce, true
}

// An OCSPIssuer is a CA as a CertID names it.
type OCSPIssuer struct {
	hashes map[crypto.Hash][2][]byte // of the name, of the key
	keyID  []byte                    // SHA-1 of the key, for the responder's id
}

// NewOCSPIssuer reads what names a CA from its certificate.
func NewOCSPIssuer(c *x509.Certificate) (*OCSPIssuer, error) {
	key, err := keyBits(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	i := &OCSPIssuer{hashes: map[crypto.Hash][2][]byte{}}
	for _, algorithm := range ocspHashes() {
		sum := func(b []byte) []byte {
			h := algorithm.hash.New()
			h.Write(b)
			return h.Sum(nil)
		}
		i.hashes[algorithm.hash] = [2][]byte{sum(c.RawSubject), sum(key)}
	}
	i.keyID = i.hashes[crypto.SHA1][1]
	return i, nil
}

// Issued reports whether id names the CA as the issuer; nothing of its serial number.
func (i *OCSPIssuer) Issued(id OCSPCertID) bool {
	want, ok := i.hashes[id.hash]
	return ok && bytes.Equal(want[0], id.nameHash) && bytes.Equal(want[1], id.keyHash)
}

// Issuer is the same for equal names and keys of an issuer, whatever the
// certificate: a key for looking CAs up with [OCSPIssuer.Keys].
func (id OCSPCertID) Issuer() string { return string(id.nameHash) + string(id.keyHash) }

// Keys are the values that [OCSPCertID.Issuer] can have for the CA.
func (i *OCSPIssuer) Keys() []string {
	var keys []string
	for _, h := range i.hashes {
		keys = append(keys, string(h[0])+string(h[1]))
	}
	return keys
}

// An OCSPStatus is what is said of one certificate.
type OCSPStatus struct {
	ID      OCSPCertID
	Unknown bool        // the CA never issued it; RFC 6960 section 2.2
	Revoked *Revocation // nil: good
}

// An OCSPResponse is a response of the basic type, signed by the CA itself
// (RFC 6960 section 4.2.2.2, its first way).
type OCSPResponse struct {
	Issuer     *OCSPIssuer
	Statuses   []OCSPStatus
	ThisUpdate time.Time // whole seconds count; producedAt is the same
	NextUpdate time.Time
	Nonce      []byte // nil: none
}

// TBS encodes the ResponseData, which [Sign] signs and [AssembleOCSP] wraps.
func (r OCSPResponse) TBS() ([]byte, error) {
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	generalized := func(b *cryptobyte.Builder, t time.Time) { b.AddASN1GeneralizedTime(t.UTC().Truncate(time.Second)) }
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.Issuer.keyID) }) // ResponderID byKey
		generalized(b, r.ThisUpdate)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range r.Statuses {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(s.ID.Raw)
					switch {
					case s.Unknown:
						b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
					case s.Revoked == nil:
						b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
					default:
						b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
							generalized(b, s.Revoked.At)
							if s.Revoked.Reason != 0 { // RFC 5280 section 5.3.1: "unspecified" is left out
								b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Revoked.Reason)) })
							}
						})
					}
					generalized(b, r.ThisUpdate)
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { generalized(b, r.NextUpdate) })
				})
			}
		})
		if r.Nonce != nil {
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addExtension(b, oidOCSPNonce, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.Nonce) })
				})
			})
		}
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode OCSP response: %w", err)
	}
	return tbs, nil
}

// AssembleOCSP puts a successful OCSPResponse together from what TBS gave, the
// algorithm, and the signature that [Sign] made with both.
func AssembleOCSP(tbs []byte, alg Algorithm, signature []byte) ([]byte, error) {
	basic, err := Assemble(tbs, alg, signature) // BasicOCSPResponse has the form of a certificate
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0) // successful
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidOCSPBasic)
				b.AddASN1OctetString(basic)
			})
		})
	})
	return b.Bytes()
}

// keyBits is the value of the BIT STRING of a SubjectPublicKeyInfo.
func keyBits(spki []byte) ([]byte, error) {
	input := cryptobyte.String(spki)
	var seq cryptobyte.String
	var bits []byte
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.SkipASN1(cbasn1.SEQUENCE) || !seq.ReadASN1BitStringAsBytes(&bits) {
		return nil, fmt.Errorf("identify key: malformed SubjectPublicKeyInfo")
	}
	return bits, nil
}

var (
	oidOCSPBasic    = oid{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce    = oid{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidOCSPResponse = oid{1, 3, 6, 1, 5, 5, 7, 48, 1, 4}
	oidSHA1         = oid{1, 3, 14, 3, 2, 26}
	oidSHA256       = oid{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384       = oid{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512       = oid{2, 16, 840, 1, 101, 3, 4, 2, 3}
)
