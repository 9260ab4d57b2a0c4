package pki

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// nameKind is the context tag of a GeneralName (RFC 5280 section 4.2.1.6).
type nameKind uint8

const (
	nameOther     nameKind = 0
	nameEmail     nameKind = 1
	nameDNS       nameKind = 2
	nameDirectory nameKind = 4
	nameEDIParty  nameKind = 5
	nameURI       nameKind = 6
	nameIP        nameKind = 7
	lastNameKind  nameKind = 8
)

func (k nameKind) String() string {
	switch k {
	case nameOther:
		return "otherName"
	case nameEmail:
		return "rfc822Name"
	case nameDNS:
		return "dNSName"
	case nameDirectory:
		return "directoryName"
	case nameURI:
		return "uniformResourceIdentifier"
	case nameIP:
		return "iPAddress"
	case 3:
		return "x400Address"
	case nameEDIParty:
		return "ediPartyName"
	}
	return "registeredID"
}

// A generalName is a GeneralName as found: the content octets under its tag;
// for a directoryName the DER Name inside.
type generalName struct {
	kind  nameKind
	value []byte
}

// readGeneralName takes one GeneralName off input.
func readGeneralName(input *cryptobyte.String) (generalName, bool) {
	var value cryptobyte.String
	var tag cbasn1.Tag
	if !input.ReadAnyASN1(&value, &tag) {
		return generalName{}, false
	}
	const class, constructed = 0xc0, 0x20
	kind := nameKind(tag &^ (class | constructed))
	if tag&class != 0x80 || kind > lastNameKind {
		return generalName{}, false
	}
	// otherName, x400Address, directoryName and ediPartyName are constructed.
	if isConstructed := tag&constructed != 0; isConstructed != (kind == 0 || kind == 3 || kind == 4 || kind == 5) {
		return generalName{}, false
	}
	n := generalName{kind, value}
	switch kind {
	case nameEmail, nameDNS, nameURI:
		if !isASCII(string(value)) {
			return generalName{}, false
		}
	case nameDirectory:
		if _, err := parseName(value); err != nil {
			return generalName{}, false
		}
	}
	return n, true
}

// parseGeneralNames reads the value of a subjectAltName extension.
func parseGeneralNames(der []byte) ([]generalName, error) {
	bad := errors.New("malformed general names")
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() || seq.Empty() {
		return nil, bad
	}
	var names []generalName
	for !seq.Empty() {
		n, ok := readGeneralName(&seq)
		if !ok {
			return nil, bad
		}
		if n.kind == nameIP && len(n.value) != 4 && len(n.value) != 16 {
			return nil, errors.New("an iPAddress is neither 4 nor 16 octets long")
		}
		names = append(names, n)
	}
	return names, nil
}

// text writes a name for people.
func (n generalName) text() string {
	switch n.kind {
	case nameDirectory:
		return ReversedName(n.value)
	case nameIP:
		if a, ok := netip.AddrFromSlice(n.value); ok {
			return a.String()
		}
	case nameEmail, nameDNS, nameURI:
		return string(n.value)
	}
	return "of kind " + n.kind.String()
}

// validHost reports whether s, in lower case, has the form of a host name:
// labels of letters, digits, hyphens and underscores (which RFC 5280 does not
// know and everybody has), none empty, no dot at the end.
func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// validPattern is validHost for dNSNames of certificates, whose first label
// may be a whole wildcard before at least one other label.
func validPattern(s string) bool {
	return validHost(strings.TrimPrefix(s, "*."))
}

// splitMailbox takes local@host apart. Quoted local parts are accepted as long
// as there is exactly one @.
func splitMailbox(s string) (local, host string, ok bool) {
	local, host, ok = strings.Cut(s, "@")
	host = strings.ToLower(host)
	if !ok || local == "" || strings.ContainsAny(local, " \x00") || !validHost(host) {
		return "", "", false
	}
	return local, host, true
}

// uriHost is the host of a URI if it is a domain name. RFC 5280 section
// 4.2.1.10 knows no constraint for other URIs.
func uriHost(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil {
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil || !validHost(host) {
		return "", false
	}
	return host, true
}

// parseIP reads an address as certificates hold it: 4 or 16 octets. Brackets
// around an IPv6 address are taken off. It is nil for anything else.
func parseIP(s string) []byte {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil
	}
	return a.Unmap().AsSlice()
}

// matchHost compares host, in lower case and without a dot at the end, with a
// dNSName of a certificate by RFC 9525: only a whole leftmost label may be a
// wildcard, and it stands for exactly one label.
func matchHost(pattern, host string) bool {
	pattern = strings.ToLower(pattern)
	if !validPattern(pattern) {
		return false
	}
	if rest, wild := strings.CutPrefix(pattern, "*."); wild {
		_, parent, ok := strings.Cut(host, ".")
		return ok && parent == rest
	}
	return pattern == host
}
