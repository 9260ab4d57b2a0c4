package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of a CRL that is read: twice what a complete list of ACM Private CA can
// have. Those of load balancers' trust stores are lower.
const (
	MaxCRLBytes   = 128 << 20
	MaxCRLEntries = 2_000_000
)

// A CRL is a parsed certificate revocation list. Parsing has not verified its
// signature: that happens against the certificate of its issuer, each time it
// is used in [TrustStore.Verify] or by [CRL.CheckSignature].
type CRL struct {
	Issuer     []byte // DER name
	ThisUpdate time.Time
	NextUpdate time.Time // zero: the list names none
	Number     *big.Int  // nil: the list names none

	list    *x509.RevocationList // without entries
	tbs     []byte               // what is signed, with them
	revoked *crlIndex
	scope   scope
	// unusable says what keeps the list from proving that a certificate is not
	// revoked; its entries still revoke.
	unusable string
}

// A Revocation is an entry of a CRL.
type Revocation struct {
	At     time.Time
	Reason int // RFC 5280 section 5.3.1; 0 when the entry has none
}

// scope is what issuingDistributionPoint says a list covers (RFC 5280 section 5.2.5).
type scope struct {
	present           bool
	points            []string // URIs of the distribution point; nil: all
	onlyUser, onlyCA  bool
	onlyAttribute     bool
	indirect, reasons bool
}

// ErrNoCRL is the error of [ParseCRLs] when there is nothing of the kind.
var ErrNoCRL = errors.New("there is no CRL: want DER, or PEM of type " + PEMCRL)

// ParseCRLs reads one CRL in DER, or any number in PEM.
func ParseCRLs(data []byte) ([]*CRL, error) {
	if len(data) > 0 && data[0] == 0x30 {
		c, err := ParseCRL(data)
		if err != nil {
			return nil, err
		}
		return []*CRL{c}, nil
	}
	var lists []*CRL
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != PEMCRL {
			continue
		}
		c, err := ParseCRL(block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, c)
	}
	if len(lists) == 0 {
		return nil, ErrNoCRL
	}
	return lists, nil
}

// ParseCRL reads one CRL in DER. It refuses lists that are malformed, larger
// than MaxCRLBytes or MaxCRLEntries, or name a certificate twice. The list keeps
// data and some 8 octets per entry.
func ParseCRL(data []byte) (*CRL, error) {
	if len(data) > MaxCRLBytes {
		return nil, fmt.Errorf("the CRL has %d bytes; the limit is %d", len(data), MaxCRLBytes)
	}
	entries, list, tbs, err := splitCRL(data)
	if err != nil {
		return nil, err
	}
	c := &CRL{Issuer: list.RawIssuer, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate, Number: list.Number, list: list, tbs: tbs}
	if err := c.readExtensions(); err != nil {
		return nil, err
	}
	var unknown oid
	if c.revoked, unknown, err = newCRLIndex(entries); err != nil {
		return nil, err
	}
	if unknown != nil {
		// Section 5.3: with an unknown critical entry extension the list tells
		// nothing about certificates it does not name. certificateIssuer, the
		// only one that is critical, belongs to indirect lists.
		c.unusable = fmt.Sprintf("has an entry with a critical extension that is not known: %s", unknown)
	}
	return c, nil
}

// readExtensions reads the extensions of the list. What RFC 5280 section 5.2
// demands of a list and this one has not goes to unusable.
func (c *CRL) readExtensions() error {
	seen := map[string]bool{}
	number := false
	for _, x := range c.list.Extensions {
		if seen[x.Id.String()] {
			return fmt.Errorf("the CRL has the extension %s twice", x.Id)
		}
		seen[x.Id.String()] = true
		switch {
		case x.Id.Equal(oidCRLNumber):
			if number = true; x.Critical {
				c.unusable = "has a critical CRL number"
			}
		case x.Id.Equal(oidIssuingDistributionPoint):
			var err error
			if c.scope, err = parseScope(x.Value); err != nil {
				return err
			}
		case x.Critical:
			// Delta lists announce themselves this way too.
			c.unusable = fmt.Sprintf("has a critical extension that is not known: %s", x.Id)
		}
	}
	switch {
	case !number:
		c.unusable = "has no CRL number"
	case c.NextUpdate.IsZero():
		c.unusable = "does not say when the next one comes"
	case c.scope.indirect:
		c.unusable = "is an indirect list"
	case c.scope.reasons:
		c.unusable = "covers only some reasons"
	case c.scope.onlyAttribute:
		c.unusable = "covers only attribute certificates"
	}
	return nil
}

// Lookup finds the entry of a serial number. Its presence revokes, whatever
// its date.
func (c *CRL) Lookup(serial *big.Int) (Revocation, bool) {
	return c.revoked.lookup(serial)
}

// Len is the number of entries.
func (c *CRL) Len() int { return c.revoked.count }

// CheckSignature verifies that the list was signed by the key of issuer, whose
// name must be the list's and whose key usage, if any, must allow it.
func (c *CRL) CheckSignature(issuer *x509.Certificate) error {
	if !bytes.Equal(c.Issuer, issuer.RawSubject) {
		return fmt.Errorf("the CRL is of %q, not of %q", ReversedName(c.Issuer), ReversedName(issuer.RawSubject))
	}
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return fmt.Errorf("%q may not sign CRLs: its key usage lacks cRLSign", ReversedName(issuer.RawSubject))
	}
	if f := signatureFault(c.list.SignatureAlgorithm); f != nil {
		return fmt.Errorf("the CRL of %q %s", ReversedName(c.Issuer), f.detail)
	}
	if err := issuer.CheckSignature(c.list.SignatureAlgorithm, c.tbs, c.list.Signature); err != nil {
		return fmt.Errorf("the signature of the CRL of %q does not verify", ReversedName(c.Issuer))
	}
	return nil
}

// CheckTime judges thisUpdate and nextUpdate.
func (c *CRL) CheckTime(at time.Time) error {
	at = at.Truncate(time.Second)
	if at.Before(c.ThisUpdate) {
		return fmt.Errorf("the CRL of %q is of %s, which is later", ReversedName(c.Issuer), c.ThisUpdate.UTC().Format(time.RFC3339))
	}
	if !c.NextUpdate.IsZero() && at.After(c.NextUpdate) {
		return fmt.Errorf("the CRL of %q was to be replaced by %s", ReversedName(c.Issuer), c.NextUpdate.UTC().Format(time.RFC3339))
	}
	return nil
}

// covers judges whether the list's scope includes a certificate.
func (c *CRL) covers(e *entity) error {
	ca := e.BasicConstraintsValid && e.IsCA
	if c.scope.onlyUser && ca || c.scope.onlyCA && !ca {
		return fmt.Errorf("the CRL of %q does not cover certificates of this kind", ReversedName(c.Issuer))
	}
	if c.scope.points == nil {
		return nil
	}
	// Section 6.3.3 (b)(2): the names compare octet by octet. Names that are no
	// URIs are not looked up anywhere, so certificates that have them are left alone.
	for _, p := range c.scope.points {
		if !e.otherPoints && slices.Contains(e.points, p) {
			return nil
		}
	}
	return fmt.Errorf("the CRL of %q is for another distribution point than the certificate's", ReversedName(c.Issuer))
}

// A CRLSet is the revocation lists of a verification. It never changes.
type CRLSet struct {
	byIssuer map[string][]*CRL
}

// NewCRLSet collects lists by their issuer.
func NewCRLSet(lists ...*CRL) *CRLSet {
	s := &CRLSet{byIssuer: map[string][]*CRL{}}
	for _, c := range lists {
		s.byIssuer[string(c.Issuer)] = append(s.byIssuer[string(c.Issuer)], c)
	}
	return s
}

// check judges one certificate against the lists of its issuer. A validly
// signed list that names it revokes it, even when the list is out of date. A
// certificate passes only by a list that is signed, current and covers it.
// Without any list of the issuer it passes unless required.
func (s *CRLSet) check(e, issuer *entity, at time.Time, required bool) *fault {
	lists := s.byIssuer[string(issuer.RawSubject)]
	if len(lists) == 0 {
		if required {
			return faultf(CRLProcessingError, "cannot be checked: there is no CRL of %q", ReversedName(issuer.RawSubject))
		}
		return nil
	}
	passed := false
	var problem error
	for _, c := range lists {
		err := c.CheckSignature(issuer.Certificate)
		if err == nil {
			if r, hit := c.Lookup(e.SerialNumber); hit && !c.scope.indirect {
				return faultf(CRLHit, "was revoked at %s (reason %d)", r.At.UTC().Format(time.RFC3339), r.Reason)
			}
			err = c.covers(e)
		}
		if err == nil {
			err = c.CheckTime(at)
		}
		if err == nil && c.unusable != "" {
			err = fmt.Errorf("the CRL of %q %s", ReversedName(c.Issuer), c.unusable)
		}
		if err == nil {
			passed = true
		} else if problem == nil {
			problem = err
		}
	}
	if !passed {
		return faultf(CRLProcessingError, "cannot be checked: %v", problem)
	}
	return nil
}

// parseScope reads issuingDistributionPoint.
func parseScope(der []byte) (scope, error) {
	bad := errors.New("the CRL has a malformed issuing distribution point")
	s := scope{present: true}
	input := cryptobyte.String(der)
	var seq, point, content cryptobyte.String
	var named, reasons bool
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() ||
		!seq.ReadOptionalASN1(&point, &named, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return scope{}, bad
	}
	if named {
		uris, others, ok := readPointName(&point)
		if !ok {
			return scope{}, bad
		}
		// A name that is no URI could be matched by nothing here: then the list
		// covers nothing, which an empty but non-nil slice says.
		if s.points = uris; others || uris == nil {
			s.points = []string{}
		}
	}
	if !readFlag(&seq, 1, &s.onlyUser) || !readFlag(&seq, 2, &s.onlyCA) ||
		!seq.ReadOptionalASN1(&content, &reasons, cbasn1.Tag(3).ContextSpecific()) ||
		!readFlag(&seq, 4, &s.indirect) || !readFlag(&seq, 5, &s.onlyAttribute) || !seq.Empty() {
		return scope{}, bad
	}
	s.reasons = reasons
	return s, nil
}

// readFlag reads an optional BOOLEAN under a context tag, FALSE by default.
func readFlag(seq *cryptobyte.String, tag uint8, flag *bool) bool {
	var content cryptobyte.String
	var present bool
	if !seq.ReadOptionalASN1(&content, &present, cbasn1.Tag(tag).ContextSpecific()) {
		return false
	}
	if present {
		if len(content) != 1 || content[0] != 0 && content[0] != 0xff {
			return false
		}
		*flag = content[0] == 0xff
	}
	return true
}

// readPointName reads a DistributionPointName: the URIs of its fullName, and
// whether it has anything else.
func readPointName(point *cryptobyte.String) (uris []string, others, ok bool) {
	var names cryptobyte.String
	if point.PeekASN1Tag(cbasn1.Tag(1).ContextSpecific().Constructed()) { // nameRelativeToCRLIssuer
		return nil, true, point.SkipASN1(cbasn1.Tag(1).ContextSpecific().Constructed()) && point.Empty()
	}
	if !point.ReadASN1(&names, cbasn1.Tag(0).ContextSpecific().Constructed()) || !point.Empty() || names.Empty() {
		return nil, false, false
	}
	for !names.Empty() {
		n, ok := readGeneralName(&names)
		if !ok {
			return nil, false, false
		}
		if n.kind == nameURI {
			uris = append(uris, string(n.value))
		} else {
			others = true
		}
	}
	return uris, others, true
}

// parseDistributionPoints reads CRLDistributionPoints: the URIs of all points,
// and whether there are other names.
func parseDistributionPoints(der []byte) (uris []string, others bool, err error) {
	bad := errors.New("malformed CRL distribution points")
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() || seq.Empty() {
		return nil, false, bad
	}
	for !seq.Empty() {
		var point, name, content cryptobyte.String
		var named, reasons, issuer bool
		if !seq.ReadASN1(&point, cbasn1.SEQUENCE) ||
			!point.ReadOptionalASN1(&name, &named, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
			!point.ReadOptionalASN1(&content, &reasons, cbasn1.Tag(1).ContextSpecific()) ||
			!point.ReadOptionalASN1(&content, &issuer, cbasn1.Tag(2).ContextSpecific().Constructed()) || !point.Empty() {
			return nil, false, bad
		}
		if !named {
			continue
		}
		found, more, ok := readPointName(&name)
		if !ok {
			return nil, false, bad
		}
		uris, others = append(uris, found...), others || more
	}
	return uris, others, nil
}
