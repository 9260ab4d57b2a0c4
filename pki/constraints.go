package pki

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxNameComparisons bounds the work of name constraints over a whole
// verification: names times constraints grows with the square of what an
// attacker sends.
const maxNameComparisons = 250_000

var errTooManyNames = errors.New("too many names and name constraints")

// constraints is a parsed NameConstraints extension (RFC 5280 section 4.2.1.10).
type constraints struct {
	permitted, excluded [lastNameKind + 1][]generalName
	// leadingDot is set when a dNSName starts with a dot, which RFC 5280 does not
	// allow and OpenSSL's documentation taught: only names below the domain match.
	leadingDot bool
}

// parseConstraints reads the extension and refuses malformed constraints,
// which would otherwise match nothing and so permit or exclude too little.
func parseConstraints(der []byte) (*constraints, error) {
	bad := errors.New("malformed name constraints")
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, bad
	}
	c := &constraints{}
	total := 0
	for i, lists := range []*[lastNameKind + 1][]generalName{&c.permitted, &c.excluded} {
		var trees cryptobyte.String
		var present bool
		if !seq.ReadOptionalASN1(&trees, &present, cbasn1.Tag(i).ContextSpecific().Constructed()) {
			return nil, bad
		}
		if present && trees.Empty() {
			return nil, errors.New("name constraints with an empty list")
		}
		for !trees.Empty() {
			var tree cryptobyte.String
			if !trees.ReadASN1(&tree, cbasn1.SEQUENCE) {
				return nil, bad
			}
			base, ok := readGeneralName(&tree)
			if !ok {
				return nil, bad
			}
			// minimum 0 is the DEFAULT and not encoded in DER; maximum must be absent.
			if !tree.Empty() {
				return nil, errors.New("name constraints with minimum or maximum")
			}
			if err := c.normalise(&base); err != nil {
				return nil, err
			}
			lists[base.kind] = append(lists[base.kind], base)
			total++
		}
	}
	if !seq.Empty() {
		return nil, bad
	}
	if total == 0 {
		return nil, errors.New("name constraints without any constraint")
	}
	return c, nil
}

// normalise checks the form of one constraint and lower-cases what compares
// without case.
func (c *constraints) normalise(n *generalName) error {
	text := strings.ToLower(string(n.value))
	ok := true
	switch n.kind {
	case nameDNS:
		domain, dot := strings.CutPrefix(text, ".")
		c.leadingDot = c.leadingDot || dot
		ok = text == "" || validHost(domain) // "" matches every name
		n.value = []byte(text)
	case nameEmail:
		if strings.Contains(text, "@") {
			_, _, ok = splitMailbox(text)
			break // the local part keeps its case
		}
		ok = text == "" || validHost(strings.TrimPrefix(text, "."))
		n.value = []byte(text)
	case nameURI:
		ok = text == "" || validHost(strings.TrimPrefix(text, "."))
		n.value = []byte(text)
	case nameIP:
		ok = len(n.value) == 8 || len(n.value) == 32
		if ok {
			ok = isMask(n.value[len(n.value)/2:])
		}
	}
	if !ok {
		return fmt.Errorf("malformed name constraint of kind %s", n.kind)
	}
	return nil
}

// isMask reports whether b is ones followed by zeros.
func isMask(b []byte) bool {
	zero := false
	for _, octet := range b {
		for bit := 7; bit >= 0; bit-- {
			one := octet>>bit&1 == 1
			if one && zero {
				return false
			}
			zero = zero || !one
		}
	}
	return true
}

// check judges the names of a certificate below. spent counts comparisons over
// the whole verification. The error names the first name refused.
func (c *constraints) check(names []generalName, spent *int) error {
	for _, n := range names {
		permitted, excluded := c.permitted[n.kind], c.excluded[n.kind]
		if len(permitted) == 0 && len(excluded) == 0 {
			continue
		}
		if *spent += len(permitted) + len(excluded); *spent > maxNameComparisons {
			return errTooManyNames
		}
		m, ok := newMatcher(n)
		if !ok {
			// A name form that cannot be compared, or a name that is none: RFC 5280
			// section 4.2.1.10 leaves only the rejection.
			return fmt.Errorf("the name %s cannot be compared with a constraint of its kind", n.text())
		}
		for _, x := range excluded {
			if m.touches(x.value) {
				return fmt.Errorf("the name %s is excluded", n.text())
			}
		}
		if len(permitted) == 0 {
			continue
		}
		inside := false
		for _, p := range permitted {
			if inside = m.within(p.value); inside {
				break
			}
		}
		if !inside {
			return fmt.Errorf("the name %s is not permitted", n.text())
		}
	}
	return nil
}

// A matcher compares one name with constraints of its kind.
type matcher struct {
	within  func(constraint []byte) bool // every host that the name stands for is inside
	touches func(constraint []byte) bool // some host that the name stands for is inside
}

func newMatcher(n generalName) (matcher, bool) {
	both := func(f func([]byte) bool) matcher { return matcher{f, f} }
	switch n.kind {
	case nameDNS:
		name := strings.ToLower(string(n.value))
		if !validPattern(name) {
			return matcher{}, false
		}
		base, wild := strings.CutPrefix(name, "*.")
		if !wild {
			return both(func(c []byte) bool { return inDomain(name, string(c)) }), true
		}
		return matcher{
			// "*.a.b" is inside ".a.b" and "a.b".
			within: func(c []byte) bool { return inDomain("x."+base, string(c)) && !isChild(string(c), base) },
			// It may also stand for an excluded "x.a.b" (CVE-2025-61727).
			touches: func(c []byte) bool { return inDomain("x."+base, string(c)) || isChild(string(c), base) },
		}, true
	case nameEmail:
		local, host, ok := splitMailbox(string(n.value))
		if !ok {
			return matcher{}, false
		}
		return both(func(c []byte) bool {
			if wantLocal, wantHost, isMailbox := splitMailbox(string(c)); isMailbox {
				return local == wantLocal && host == wantHost
			}
			return hostOrSubdomains(host, string(c))
		}), true
	case nameURI:
		host, ok := uriHost(string(n.value))
		if !ok {
			return matcher{}, false
		}
		return both(func(c []byte) bool { return hostOrSubdomains(host, string(c)) }), true
	case nameIP:
		return both(func(c []byte) bool { return inNetwork(n.value, c) }), true
	case nameDirectory:
		name, err := parseName(n.value)
		if err != nil {
			return matcher{}, false
		}
		return both(func(c []byte) bool {
			base, err := parseName(c)
			return err == nil && hasPrefix(name, base)
		}), true
	}
	return matcher{}, false
}

// inDomain is the rule of dNSName constraints: the domain itself and all below;
// with a dot in front only all below.
func inDomain(host, domain string) bool {
	if domain == "" || host == domain {
		return true
	}
	if !strings.HasPrefix(domain, ".") {
		domain = "." + domain
	}
	return strings.HasSuffix(host, domain)
}

// isChild reports whether domain is exactly one label below parent.
func isChild(domain, parent string) bool {
	_, rest, ok := strings.Cut(domain, ".")
	return ok && rest == parent && domain[0] != '.'
}

// hostOrSubdomains is the rule of rfc822Name and URI constraints: a host is
// that host, a domain with a dot in front is all hosts below it.
func hostOrSubdomains(host, constraint string) bool {
	if constraint == "" || host == constraint {
		return true
	}
	return strings.HasPrefix(constraint, ".") && strings.HasSuffix(host, constraint)
}

func inNetwork(ip, network []byte) bool {
	if len(network) != 2*len(ip) {
		return false
	}
	for i := range ip {
		if mask := network[len(ip)+i]; ip[i]&mask != network[i]&mask {
			return false
		}
	}
	return true
}

// hasPrefix reports whether a name lies in the subtree below base.
func hasPrefix(name, base []rdn) bool {
	if len(base) > len(name) {
		return false
	}
	for i := range base {
		if !sameRDN(name[i], base[i]) {
			return false
		}
	}
	return true
}

// sameRDN compares two RDNs as sets.
func sameRDN(a, b rdn) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		found := false
		for _, y := range b {
			if found = x.oid == y.oid && sameValue(x, y); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// sameValue compares attribute values by RFC 5280 section 7.1 as far as it
// matters: without case, and with runs of space as one. Values that are no
// strings compare octet by octet.
func sameValue(a, b attributeValue) bool {
	if !a.known || !b.known {
		return bytes.Equal(a.raw, b.raw)
	}
	fold := func(s string) string {
		return strings.ToLower(strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "))
	}
	return fold(a.text) == fold(b.text)
}
