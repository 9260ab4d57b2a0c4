package pki

import (
	"crypto/x509/pkix"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Template is a certificate template of ACM Private CA: which extensions a
// certificate gets, whatever its request asks for, and where others may come
// from. Templates are values of one table and are never changed.
type Template struct {
	// Name is the last part of the ARN without the version: "RootCACertificate".
	Name string

	family
	fromAPI bool // extensions and the subject may come from ApiPassthrough
	fromCSR bool // extensions may come from the request

	// fixed are the extensions that are the same in every certificate of the
	// template: basicConstraints, and its own keyUsage and extKeyUsage.
	fixed []pkix.Extension
}

// A family is what the variants of a template share: a row of the table.
type family struct {
	name             string
	variants         variants
	ca               bool
	root             bool
	pathLen          int // -1: no limit
	basicCritical    bool
	keyUsage         keyUsage // 0: none of the template's own
	extKeyUsage      []oid    // nil: none of the template's own
	extUsageCritical bool
	authorityKey     bool // authorityKeyIdentifier
	revocation       bool // CRLDistributionPoints and authorityInfoAccess may be there
	pointsFromAPI    bool // ApiPassthrough may bring CRLDistributionPoints
	authorityFromAPI bool // ApiPassthrough may bring authorityKeyIdentifier
}

// variants says which of its four forms a family has.
type variants uint8

const (
	base variants = 1 << iota
	csrPassthrough
	apiPassthrough
	apiCSRPassthrough
)

// suffix is what a variant adds to the family's name.
func (v variants) suffix() string {
	switch v {
	case csrPassthrough:
		return "_CSRPassthrough"
	case apiPassthrough:
		return "_APIPassthrough"
	case apiCSRPassthrough:
		return "_APICSRPassthrough"
	}
	return ""
}

// DefaultTemplate is used where a request names none.
const DefaultTemplate = "EndEntityCertificate"

// families is the table of all templates of ACM Private CA.
func families() []family {
	const (
		every = base | csrPassthrough | apiPassthrough | apiCSRPassthrough
		blank = csrPassthrough | apiPassthrough | apiCSRPassthrough

		tls = usageDigitalSignature | usageKeyEncipherment // for EC keys too: the template is fixed
		ca  = usageDigitalSignature | usageCertSign | usageCRLSign
	)
	table := []family{
		{name: "EndEntityCertificate", variants: every, pathLen: -1, keyUsage: tls, extKeyUsage: []oid{oidServerAuth, oidClientAuth}, authorityKey: true, revocation: true},
		{name: "EndEntityClientAuthCertificate", variants: every, pathLen: -1, keyUsage: tls, extKeyUsage: []oid{oidClientAuth}, authorityKey: true, revocation: true},
		{name: "EndEntityServerAuthCertificate", variants: every, pathLen: -1, keyUsage: tls, extKeyUsage: []oid{oidServerAuth}, authorityKey: true, revocation: true},
		{name: "CodeSigningCertificate", variants: every, pathLen: -1, keyUsage: usageDigitalSignature, extKeyUsage: []oid{oidCodeSigning}, extUsageCritical: true, authorityKey: true, revocation: true},
		{name: "OCSPSigningCertificate", variants: every, pathLen: -1, keyUsage: usageDigitalSignature, extKeyUsage: []oid{oidOCSPSigning}, extUsageCritical: true, authorityKey: true, revocation: true},
		{name: "RootCACertificate", variants: base | apiPassthrough, ca: true, root: true, pathLen: -1, basicCritical: true, keyUsage: ca, authorityFromAPI: true},
		{name: "BlankEndEntityCertificate", variants: blank, pathLen: -1, authorityKey: true, revocation: true},
		{name: "BlankEndEntityCertificate_CriticalBasicConstraints", variants: blank, pathLen: -1, basicCritical: true, authorityKey: true, revocation: true, pointsFromAPI: true},
		{name: "BlankRootCACertificate", variants: apiPassthrough, ca: true, root: true, pathLen: -1, basicCritical: true},
	}
	for n := range 4 {
		name := fmt.Sprintf("CACertificate_PathLen%d", n)
		table = append(table,
			family{name: "Subordinate" + name, variants: every, ca: true, pathLen: n, basicCritical: true, keyUsage: ca, authorityKey: true, revocation: true},
			family{name: "BlankSubordinate" + name, variants: blank, ca: true, pathLen: n, basicCritical: true, authorityKey: true, revocation: true},
			family{name: "BlankRoot" + name, variants: apiPassthrough, ca: true, root: true, pathLen: n, basicCritical: true})
	}
	return table
}

// allTemplates holds the 61 templates by name. It is never written.
var allTemplates = func() map[string]*Template {
	all := make(map[string]*Template)
	for _, f := range families() {
		for v := base; v <= apiCSRPassthrough; v <<= 1 {
			if f.variants&v != 0 {
				t := &Template{Name: f.name + v.suffix(), family: f, fixed: f.fixedExtensions(),
					fromAPI: v == apiPassthrough || v == apiCSRPassthrough, fromCSR: v == csrPassthrough || v == apiCSRPassthrough}
				all[t.Name] = t
			}
		}
	}
	return all
}()

func (f *family) fixedExtensions() []pkix.Extension {
	var list []pkix.Extension
	add := func(e pkix.Extension, err error) {
		if err != nil {
			panic(fmt.Sprintf("the template %s cannot be encoded: %v", f.name, err)) // the table is at fault
		}
		list = append(list, e)
	}
	add(extension(oidBasicConstraints, f.basicCritical, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if f.ca {
				b.AddASN1Boolean(true)
				if f.pathLen >= 0 {
					b.AddASN1Int64(int64(f.pathLen))
				}
			}
		})
	}))
	if f.keyUsage != 0 {
		add(extension(oidKeyUsage, true, f.keyUsage.marshal))
	}
	if f.extKeyUsage != nil {
		add(extKeyUsageExtension(f.extUsageCritical, f.extKeyUsage))
	}
	return list
}

// LookupTemplate finds a template by its ARN, in any partition
// ("arn:aws:acm-pca:::template/RootCACertificate/V1"), or by its name with or
// without "/V1". An empty string is DefaultTemplate. The error is a
// *[RuleError] with RuleTemplate.
func LookupTemplate(name string) (*Template, error) {
	short := name
	if strings.HasPrefix(short, "arn:") {
		part := strings.SplitN(short, ":", 6)
		if len(part) != 6 || part[2] != "acm-pca" || part[3] != "" || part[4] != "" || !strings.HasPrefix(part[5], "template/") {
			return nil, &RuleError{RuleTemplate, fmt.Sprintf("%s is not the ARN of a certificate template", name)}
		}
		switch part[1] {
		case "aws", "aws-cn", "aws-us-gov":
		default:
			return nil, &RuleError{RuleTemplate, fmt.Sprintf("%s is not the ARN of a certificate template", name)}
		}
		if short = strings.TrimPrefix(part[5], "template/"); !strings.HasSuffix(short, "/V1") {
			return nil, &RuleError{RuleTemplate, fmt.Sprintf("the certificate template %s does not exist", name)}
		}
	}
	short = strings.TrimSuffix(short, "/V1")
	if short == "" {
		short = DefaultTemplate
	}
	if t := allTemplates[short]; t != nil {
		return t, nil
	}
	return nil, &RuleError{RuleTemplate, fmt.Sprintf("the certificate template %s does not exist", name)}
}

// ARN is the template's name in a partition ("aws").
func (t *Template) ARN(partition string) string {
	return "arn:" + partition + ":acm-pca:::template/" + t.Name + "/V1"
}

// IsRoot reports whether certificates of the template are self-signed.
func (t *Template) IsRoot() bool { return t.root }

// IsCA reports whether certificates of the template may issue others.
func (t *Template) IsCA() bool { return t.ca }

// FromAPI reports whether the template takes subject and extensions from
// ApiPassthrough. All others ignore it.
func (t *Template) FromAPI() bool { return t.fromAPI }

// PathLen is the template's path length constraint, if it has one.
func (t *Template) PathLen() (n int, ok bool) { return t.pathLen, t.pathLen >= 0 }
