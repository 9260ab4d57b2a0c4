package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"
)

// Lint judges the to-be-signed bytes of i as if somebody else had made them. It
// reads them with crypto/x509 and compares what it finds with what was asked
// for, with the template, with RFC 5280's profile, and with what the CA
// certificates of chain allow: chain[0] is the issuer's, the root's is last; a
// root that signs itself has none. Nothing is signed that Lint refuses.
//
// What AWS leaves to the caller it leaves, too: the form of names, critical
// extensions that nobody knows, CA certificates without a key usage.
//
// The error is a *[RequestError] when an extension of the request is at fault,
// else a *[RuleError]: RuleNameConstraints, RulePathLength, RuleDepth,
// RuleNesting, or RuleLint for all that is wrong in itself.
func (i Issuance) Lint(tbs []byte, chain []*x509.Certificate) error {
	// The parser wants a whole certificate; it does not look at the signature.
	whole, err := Assemble(tbs, i.Algorithm, []byte{0})
	if err != nil {
		return err
	}
	c, err := x509.ParseCertificate(whole)
	if err != nil {
		return &RuleError{RuleLint, fmt.Sprintf("the certificate would be unreadable: %v", err)}
	}
	e := &entity{Certificate: c, selfIssued: bytes.Equal(c.RawSubject, c.RawIssuer)}
	for _, lint := range []func(*entity, []*x509.Certificate) error{i.lintExtensions, i.lintFields, i.lintTemplate, i.lintProfile, i.lintChain} {
		if err := lint(e, chain); err != nil {
			return err
		}
	}
	return nil
}

func lintError(format string, a ...any) error {
	return &RuleError{RuleLint, fmt.Sprintf("the certificate "+format, a...)}
}

// lintExtensions reads every extension that this package knows.
func (i Issuance) lintExtensions(e *entity, _ []*x509.Certificate) error {
	for _, x := range e.Extensions {
		refused := ""
		if !isElement(x.Value) {
			refused = fmt.Sprintf("has an extension %s that is not DER", x.Id)
		} else if f := e.inspectExtension(x.Id, x.Value, x.Critical && isKnownExtension(x.Id)); f != nil {
			refused = f.detail
		}
		if refused == "" {
			continue
		}
		if slices.ContainsFunc(i.Request.Extensions, func(r pkix.Extension) bool { return r.Id.Equal(x.Id) && bytes.Equal(r.Value, x.Value) }) {
			return &RequestError{"the certificate signing request cannot be granted: the certificate " + refused}
		}
		return lintError("%s", refused)
	}
	return nil
}

// isKnownExtension tells the extensions whose criticality RFC 5280 settles.
func isKnownExtension(id oid) bool {
	return len(id) == 4 && id[0] == 2 && id[1] == 5 && id[2] == 29 && !id.Equal(oidIssuerAltName) && !id.Equal(oidSubjectDirectoryAttributes) ||
		id.Equal(oidAuthorityInfoAccess) || id.Equal(oidSubjectInfoAccess)
}

// lintFields compares the fields of the certificate with what was asked for.
func (i Issuance) lintFields(e *entity, chain []*x509.Certificate) error {
	issuer := e.RawSubject
	if len(chain) > 0 {
		issuer = chain[0].RawSubject
	}
	switch {
	case e.Version != 3:
		return lintError("has version %d", e.Version)
	case e.SerialNumber.Cmp(i.Serial.Int()) != 0:
		return lintError("has the serial number %x", e.SerialNumber)
	case !bytes.Equal(e.RawIssuer, issuer) || len(chain) == 0 != i.Template.root:
		return lintError("has the issuer %s", ReversedName(e.RawIssuer))
	case !bytes.Equal(e.RawSubject, i.Subject()):
		return lintError("has the subject %s", ReversedName(e.RawSubject))
	case !bytes.Equal(e.RawSubjectPublicKeyInfo, i.Request.SPKI):
		return lintError("has another public key than the request")
	case !e.NotBefore.Equal(i.NotBefore.Truncate(time.Second)) || !e.NotAfter.Equal(i.NotAfter.Truncate(time.Second)):
		return lintError("is valid from %s to %s", e.NotBefore, e.NotAfter)
	case !e.NotAfter.After(e.NotBefore):
		return lintError("ends before it is valid")
	}
	return nil
}

// lintTemplate demands every extension that the template defines, as it does.
func (i Issuance) lintTemplate(e *entity, chain []*x509.Certificate) error {
	t := i.Template
	_, critical, ok := e.extension(oidBasicConstraints)
	if n, has := pathLen(e.Certificate); !ok || critical != t.basicCritical || e.IsCA != t.ca || has != (t.pathLen >= 0) || has && n != t.pathLen {
		return lintError("has other basic constraints than the template %s", t.Name)
	}
	if t.keyUsage != 0 {
		if _, critical, ok := e.extension(oidKeyUsage); !ok || !critical || int(e.KeyUsage) != int(t.keyUsage) {
			return lintError("has another key usage than the template %s", t.Name)
		}
	}
	for _, want := range t.fixed {
		if value, critical, ok := e.extension(want.Id); want.Id.Equal(oidExtKeyUsage) && (!ok || critical != want.Critical || !bytes.Equal(value, want.Value)) {
			return lintError("has another extended key usage than the template %s", t.Name)
		}
	}
	own, err := keyID(i.Request.SPKI)
	if err != nil {
		return err
	}
	if !bytes.Equal(e.SubjectKeyId, own) {
		return lintError("has another subject key identifier than its key")
	}
	authority := own // where a root names one at all
	if len(chain) > 0 {
		if authority = chain[0].SubjectKeyId; len(authority) == 0 {
			if authority, err = keyID(chain[0].RawSubjectPublicKeyInfo); err != nil {
				return err
			}
		}
	}
	if _, _, ok := e.extension(oidAuthorityKeyID); (ok || t.authorityKey) && !bytes.Equal(e.AuthorityKeyId, authority) {
		return lintError("has another authority key identifier than its issuer's key")
	}
	if _, _, ok := e.extension(oidCRLDistributionPoints); ok && !t.revocation {
		return lintError("is a root's and has CRL distribution points")
	}
	return nil
}

// lintProfile judges the certificate by RFC 5280's profile of conforming CAs.
func (i Issuance) lintProfile(e *entity, _ []*x509.Certificate) error {
	faults := []*fault{e.inspectProfile()}
	if i.Template.ca {
		hard, profile := e.inspectIssuer()
		faults = append(faults, hard, profile)
	} else {
		faults = append(faults, e.inspectLeaf())
	}
	for _, f := range faults {
		if f != nil {
			return lintError("%s", f.detail)
		}
	}
	return nil
}

// lintChain judges the certificate by what the CAs above it allow.
func (i Issuance) lintChain(e *entity, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return nil
	}
	if e.NotAfter.After(chain[0].NotAfter) {
		return &RuleError{RuleNesting, "the certificate would outlive its certificate authority"}
	}
	if err := CheckIssuer(i.Template, chain); err != nil {
		return err
	}
	return checkNames(e, chain)
}
