package pki

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A GeneralName is the DER of one GeneralName (RFC 5280 section 4.2.1.6), made
// by one of the functions below. Their errors are *[RuleError]s with
// RuleExtension.
type GeneralName []byte

// RFC822Name is a mailbox. As AWS does, its form is not judged beyond what an
// IA5String can hold; neither is that of DNSName and URIName.
func RFC822Name(mailbox string) (GeneralName, error) { return textName(nameEmail, mailbox) }

// DNSName is a host name, possibly with a wildcard.
func DNSName(host string) (GeneralName, error) { return textName(nameDNS, host) }

// URIName is a uniformResourceIdentifier.
func URIName(uri string) (GeneralName, error) { return textName(nameURI, uri) }

func textName(kind nameKind, text string) (GeneralName, error) {
	if text == "" || !isASCII(text) {
		return nil, &RuleError{RuleExtension, fmt.Sprintf("the %s %q cannot be encoded: it must be ASCII and not empty", kind, text)}
	}
	return encodeName(kind, false, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
}

// IPAddress is an address in the usual text form, IPv4 or IPv6.
func IPAddress(text string) (GeneralName, error) {
	ip := parseIP(text)
	if ip == nil {
		return nil, &RuleError{RuleExtension, fmt.Sprintf("%q is not an IP address", text)}
	}
	return encodeName(nameIP, false, func(b *cryptobyte.Builder) { b.AddBytes(ip) })
}

// RegisteredID is an object identifier.
func RegisteredID(text string) (GeneralName, error) {
	id, err := ParseOID(text)
	if err != nil {
		return nil, &RuleError{RuleExtension, fmt.Sprintf("%q is not an object identifier", text)}
	}
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(id)
	der, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	der[0] = 0x80 | byte(lastNameKind) // IMPLICIT
	return der, nil
}

// DirectoryName is a distinguished name.
func DirectoryName(attributes []Attribute) (GeneralName, error) {
	name, err := EncodeName(attributes)
	if err != nil {
		return nil, err
	}
	return encodeName(nameDirectory, true, func(b *cryptobyte.Builder) { b.AddBytes(name) })
}

// OtherName is a value of a type that its object identifier names. The value
// is encoded as a UTF8String.
func OtherName(typeID, value string) (GeneralName, error) {
	id, err := ParseOID(typeID)
	if err != nil {
		return nil, &RuleError{RuleExtension, fmt.Sprintf("%q is not an object identifier", typeID)}
	}
	return encodeName(nameOther, true, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(value)) })
		})
	})
}

// EDIPartyName is a party and, unless it is empty, who assigned its name.
func EDIPartyName(party, assigner string) (GeneralName, error) {
	if party == "" {
		return nil, &RuleError{RuleExtension, "an ediPartyName needs a party name"}
	}
	// DirectoryString is a CHOICE, so both tags are explicit (X.680 section 31.2.7).
	directoryString := func(b *cryptobyte.Builder, tag uint8, text string) {
		b.AddASN1(cbasn1.Tag(tag).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
		})
	}
	return encodeName(nameEDIParty, true, func(b *cryptobyte.Builder) {
		if assigner != "" {
			directoryString(b, 0, assigner)
		}
		directoryString(b, 1, party)
	})
}

func encodeName(kind nameKind, constructed bool, content cryptobyte.BuilderContinuation) (GeneralName, error) {
	tag := cbasn1.Tag(kind).ContextSpecific()
	if constructed {
		tag = tag.Constructed()
	}
	var b cryptobyte.Builder
	b.AddASN1(tag, content)
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return der, nil
}
