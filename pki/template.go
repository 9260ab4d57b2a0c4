package pki

import (
	"fmt"
	"strings"
)

// A Template is a certificate template of ACM Private CA: which extensions a
// certificate gets, whatever its request asks for. Templates are values of one
// table and are never changed.
type Template struct {
	// Name is the last part of the ARN without the version: "RootCACertificate".
	Name string

	ca               bool
	root             bool
	pathLen          int // -1: no limit
	basicCritical    bool
	keyUsage         keyUsage // 0: none of the template's own
	extKeyUsage      []oid    // nil: none of the template's own
	extUsageCritical bool
	authorityKey     bool // authorityKeyIdentifier
	revocation       bool // CRLDistributionPoints and authorityInfoAccess from the CA's configuration
}

// DefaultTemplate is used where a request names none.
const DefaultTemplate = "EndEntityCertificate"

// end, sub and rootCA fill what the rows of the table share.
func end(name string, usage keyUsage, critical bool, eku ...oid) *Template {
	return &Template{Name: name, pathLen: -1, keyUsage: usage, extKeyUsage: eku, extUsageCritical: critical, authorityKey: true, revocation: true}
}

func sub(pathLen int) *Template {
	return &Template{Name: fmt.Sprintf("SubordinateCACertificate_PathLen%d", pathLen), ca: true, pathLen: pathLen,
		basicCritical: true, keyUsage: usageDigitalSignature | usageCertSign | usageCRLSign, authorityKey: true, revocation: true}
}

func rootCA() *Template {
	return &Template{Name: "RootCACertificate", ca: true, root: true, pathLen: -1,
		basicCritical: true, keyUsage: usageDigitalSignature | usageCertSign | usageCRLSign}
}

// templates are the base templates. The 51 others of ACM Private CA are these
// rows again and blank ones without usages, each with a column more: where
// extensions that the row does not define may come from.
func templates() []*Template {
	const tls = usageDigitalSignature | usageKeyEncipherment // for EC keys too: the template is fixed
	return []*Template{
		rootCA(),
		sub(0), sub(1), sub(2), sub(3),
		end("EndEntityCertificate", tls, false, oidServerAuth, oidClientAuth),
		end("EndEntityClientAuthCertificate", tls, false, oidClientAuth),
		end("EndEntityServerAuthCertificate", tls, false, oidServerAuth),
		end("CodeSigningCertificate", usageDigitalSignature, true, oidCodeSigning),
		end("OCSPSigningCertificate", usageDigitalSignature, true, oidOCSPSigning),
	}
}

// LookupTemplate finds a template by its ARN, in any partition
// ("arn:aws:acm-pca:::template/RootCACertificate/V1"), or by its name with or
// without "/V1". An empty string is DefaultTemplate. The error is a
// *[RuleError]: RuleUnsupported when ACM Private CA has a template of that
// name and this package has not, else RuleTemplate.
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
	for _, t := range templates() {
		if t.Name == short {
			return t, nil
		}
	}
	if isPassthroughTemplate(short) {
		return nil, &RuleError{RuleUnsupported, fmt.Sprintf("the certificate template %s is not supported: use a template without passthrough", name)}
	}
	return nil, &RuleError{RuleTemplate, fmt.Sprintf("the certificate template %s does not exist", name)}
}

// isPassthroughTemplate knows the names of ACM Private CA's templates that are
// not in the table.
func isPassthroughTemplate(name string) bool {
	base, pass := "", ""
	for _, suffix := range []string{"_APICSRPassthrough", "_CSRPassthrough", "_APIPassthrough"} {
		if strings.HasSuffix(name, suffix) {
			base, pass = strings.TrimSuffix(name, suffix), suffix
			break
		}
	}
	switch base {
	case "":
		return false
	case "BlankEndEntityCertificate", "BlankEndEntityCertificate_CriticalBasicConstraints",
		"BlankSubordinateCACertificate_PathLen0", "BlankSubordinateCACertificate_PathLen1",
		"BlankSubordinateCACertificate_PathLen2", "BlankSubordinateCACertificate_PathLen3":
		return true
	case "RootCACertificate", "BlankRootCACertificate", "BlankRootCACertificate_PathLen0", "BlankRootCACertificate_PathLen1",
		"BlankRootCACertificate_PathLen2", "BlankRootCACertificate_PathLen3":
		return pass == "_APIPassthrough"
	}
	for _, t := range templates() {
		if t.Name == base {
			return true
		}
	}
	return false
}

// ARN is the template's name in a partition ("aws").
func (t *Template) ARN(partition string) string {
	return "arn:" + partition + ":acm-pca:::template/" + t.Name + "/V1"
}

// IsRoot reports whether certificates of the template are self-signed.
func (t *Template) IsRoot() bool { return t.root }

// IsCA reports whether certificates of the template may issue others.
func (t *Template) IsCA() bool { return t.ca }

// PathLen is the template's path length constraint, if it has one.
func (t *Template) PathLen() (n int, ok bool) { return t.pathLen, t.pathLen >= 0 }
