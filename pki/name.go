package pki

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute types of subjects, in the order in which ACM Private CA encodes
// the members of ASN1Subject.
const (
	Country             = "2.5.4.6"
	Organization        = "2.5.4.10"
	OrganizationalUnit  = "2.5.4.11"
	DNQualifier         = "2.5.4.46"
	State               = "2.5.4.8"
	CommonName          = "2.5.4.3"
	SubjectSerialNumber = "2.5.4.5"
	Locality            = "2.5.4.7"
	Title               = "2.5.4.12"
	Surname             = "2.5.4.4"
	GivenName           = "2.5.4.42"
	Initials            = "2.5.4.43"
	Pseudonym           = "2.5.4.65"
	GenerationQualifier = "2.5.4.44"
	DomainComponent     = "0.9.2342.19200300.100.1.25"
	UserID              = "0.9.2342.19200300.100.1.1"
	EmailAddress        = "1.2.840.113549.1.9.1"
)

// An Attribute is one attribute of a distinguished name.
type Attribute struct {
	OID   string // dotted decimal
	Value string
}

// shortName is how an attribute type is written in a name. The names are
// OpenSSL's, where RFC 4514 has none.
func shortName(id string) string {
	switch id {
	case Country:
		return "C"
	case Organization:
		return "O"
	case OrganizationalUnit:
		return "OU"
	case DNQualifier:
		return "dnQualifier"
	case State:
		return "ST"
	case CommonName:
		return "CN"
	case SubjectSerialNumber:
		return "serialNumber"
	case Locality:
		return "L"
	case Title:
		return "title"
	case Surname:
		return "SN"
	case GivenName:
		return "GN"
	case Initials:
		return "initials"
	case Pseudonym:
		return "pseudonym"
	case GenerationQualifier:
		return "generationQualifier"
	case DomainComponent:
		return "DC"
	case UserID:
		return "UID"
	case EmailAddress:
		return "emailAddress"
	case "2.5.4.9":
		return "street"
	case "2.5.4.17":
		return "postalCode"
	case "2.5.4.15":
		return "businessCategory"
	case "2.5.4.97":
		return "organizationIdentifier"
	}
	return ""
}

// EncodeName encodes a distinguished name with one attribute per RDN, in the
// order given: countryName, serialNumber and dnQualifier as PrintableString,
// domainComponent and emailAddress as IA5String, all others as UTF8String. The
// error is a *[RuleError] with RuleSubject.
func EncodeName(attributes []Attribute) ([]byte, error) {
	var b cryptobyte.Builder
	var bad error
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, a := range attributes {
			id, tag, err := encoding(a)
			if err != nil {
				bad = err
				return
			}
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(id)
					b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Value)) })
				})
			})
		}
	})
	if bad != nil {
		return nil, bad
	}
	return b.Bytes()
}

// encoding decides how an attribute is encoded and whether it can be.
func encoding(a Attribute) (asn1.ObjectIdentifier, cbasn1.Tag, error) {
	id, err := ParseOID(a.OID)
	if err != nil {
		return nil, 0, &RuleError{RuleSubject, fmt.Sprintf("%q is not an object identifier", a.OID)}
	}
	if a.Value == "" {
		return nil, 0, &RuleError{RuleSubject, fmt.Sprintf("the subject attribute %s is empty", a.OID)}
	}
	switch a.OID {
	case Country, SubjectSerialNumber, DNQualifier:
		if !isPrintable(a.Value) {
			return nil, 0, &RuleError{RuleSubject, fmt.Sprintf("the subject attribute %s has characters that a PrintableString cannot hold: %q", a.OID, a.Value)}
		}
		return id, cbasn1.PrintableString, nil
	case DomainComponent, EmailAddress:
		if !isASCII(a.Value) {
			return nil, 0, &RuleError{RuleSubject, fmt.Sprintf("the subject attribute %s has characters that an IA5String cannot hold: %q", a.OID, a.Value)}
		}
		return id, cbasn1.IA5String, nil
	}
	if !utf8.ValidString(a.Value) {
		return nil, 0, &RuleError{RuleSubject, fmt.Sprintf("the subject attribute %s is not UTF-8", a.OID)}
	}
	return id, cbasn1.UTF8String, nil
}

// ParseOID reads a dotted object identifier that DER can hold.
func ParseOID(text string) (asn1.ObjectIdentifier, error) {
	bad := fmt.Errorf("%q is not an object identifier", text)
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 64 {
		return nil, bad
	}
	id := make(asn1.ObjectIdentifier, len(parts))
	for i, p := range parts {
		if p == "" || len(p) > 9 || len(p) > 1 && p[0] == '0' {
			return nil, bad
		}
		for _, c := range p {
			if c < '0' || c > '9' {
				return nil, bad
			}
			id[i] = id[i]*10 + int(c-'0')
		}
	}
	if id[0] > 2 || id[0] < 2 && id[1] > 39 {
		return nil, bad
	}
	return id, nil
}

func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(" '()+,-./:=?", c) >= 0:
		default:
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for _, c := range []byte(s) {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// An attributeValue is an attribute as it was found in a name.
type attributeValue struct {
	oid   string
	raw   []byte // whole element of the value
	text  string // when known
	known bool   // the value is a string type that could be decoded
}

// An rdn is the set of attributes of one step of a name.
type rdn []attributeValue

// parseName takes a DER Name apart, keeping its order.
func parseName(der []byte) ([]rdn, error) {
	bad := errors.New("malformed distinguished name")
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, bad
	}
	var name []rdn
	for !seq.Empty() {
		var set cryptobyte.String
		if !seq.ReadASN1(&set, cbasn1.SET) || set.Empty() {
			return nil, bad
		}
		var step rdn
		for !set.Empty() {
			var pair, raw cryptobyte.String
			var id asn1.ObjectIdentifier
			var tag cbasn1.Tag
			if !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&id) ||
				!pair.ReadAnyASN1Element(&raw, &tag) || !pair.Empty() {
				return nil, bad
			}
			v := attributeValue{oid: id.String(), raw: raw}
			content := cryptobyte.String(raw)
			if !content.ReadASN1(&content, tag) {
				return nil, bad
			}
			v.text, v.known = decodeString(tag, content)
			step = append(step, v)
		}
		name = append(name, step)
	}
	return name, nil
}

// decodeString reads the string types of X.520. TeletexString is taken for
// Latin-1, as everybody does.
func decodeString(tag cbasn1.Tag, b []byte) (string, bool) {
	switch tag {
	case cbasn1.UTF8String:
		return string(b), utf8.Valid(b)
	case cbasn1.PrintableString, cbasn1.IA5String, cbasn1.Tag(asn1.TagNumericString), cbasn1.Tag(26): // 26: VisibleString
		return string(b), isASCII(string(b))
	case cbasn1.T61String:
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		return string(r), true
	case cbasn1.Tag(asn1.TagBMPString):
		if len(b)%2 != 0 {
			return "", false
		}
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		}
		return string(utf16.Decode(u)), true
	}
	return "", false
}

// FormatName writes a DER name in the certificate's own order, "C=US,O=Acme",
// a comma without a space between, as API Gateway's events have it. Values are
// escaped by RFC 4514; unknown types and values are written as their OID and
// "#" with the DER in hex. A name that cannot be parsed is "#" and its hex.
func FormatName(der []byte) string {
	name, err := parseName(der)
	if err != nil {
		return "#" + hex.EncodeToString(der)
	}
	steps := make([]string, len(name))
	for i, step := range name {
		steps[i] = step.String()
	}
	return strings.Join(steps, ",")
}

// ReversedName writes a DER name by RFC 4514, last RDN first, "O=Acme,C=US",
// as ACM Private CA's audit reports and load balancers have it.
func ReversedName(der []byte) string {
	name, err := parseName(der)
	if err != nil {
		return "#" + hex.EncodeToString(der)
	}
	steps := make([]string, len(name))
	for i, step := range name {
		steps[len(name)-1-i] = step.String()
	}
	return strings.Join(steps, ",")
}

func (r rdn) String() string {
	parts := make([]string, len(r))
	for i, a := range r {
		short := shortName(a.oid)
		if short == "" || !a.known {
			if short == "" {
				short = a.oid
			}
			parts[i] = short + "=#" + hex.EncodeToString(a.raw)
			continue
		}
		parts[i] = short + "=" + escapeValue(a.text)
	}
	return strings.Join(parts, "+")
}

// escapeValue escapes by RFC 4514 section 2.4, and control characters besides,
// so that a name never breaks a log line.
func escapeValue(s string) string {
	var b strings.Builder
	for i, c := range s {
		switch {
		case strings.ContainsRune(`"+,;<>\`, c),
			i == 0 && (c == ' ' || c == '#'),
			i == len(s)-1 && c == ' ':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, `\%02X`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// AttributesOf lists the attributes of a DER name in the order found, values
// that are no string left out.
func AttributesOf(der []byte) ([]Attribute, error) {
	name, err := parseName(der)
	if err != nil {
		return nil, err
	}
	var list []Attribute
	for _, step := range name {
		for _, a := range step {
			if a.known {
				list = append(list, Attribute{a.oid, a.text})
			}
		}
	}
	return list, nil
}
