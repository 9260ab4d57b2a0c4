package authority

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"

	"countersign/arn"
	"countersign/pki"
	"countersign/policy"
)

// maxResourcePolicy is the most characters that the model lets a policy have.
const maxResourcePolicy = 81920

// PutPolicy attaches a resource policy to an authority, in place of the one
// there was. AWS takes policies of two kinds of statement only, see checkPolicy.
// The policy is kept and answered; since a node serves one account, there is
// nobody yet whom it could let in.
func (s *Service) PutPolicy(ctx context.Context, in *acmpca.PutPolicyInput) (*acmpca.PutPolicyOutput, error) {
	text := aws.ToString(in.Policy)
	return &acmpca.PutPolicyOutput{}, s.update(ctx, in.ResourceArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		if err := checkPolicy(r, text); err != nil {
			return err
		}
		r.Policy = text
		return nil
	})
}

// GetPolicy answers the policy as it was put. Without one it is a
// ResourceNotFoundException.
func (s *Service) GetPolicy(ctx context.Context, in *acmpca.GetPolicyInput) (*acmpca.GetPolicyOutput, error) {
	r, err := s.load(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := notDeleted(r); err != nil {
		return nil, err
	}
	if r.Policy == "" {
		return nil, notFound("certificate authority %s has no resource policy", r.arn())
	}
	return &acmpca.GetPolicyOutput{Policy: aws.String(r.Policy)}, nil
}

// DeletePolicy takes the policy away; there may be none.
func (s *Service) DeletePolicy(ctx context.Context, in *acmpca.DeletePolicyInput) (*acmpca.DeletePolicyOutput, error) {
	return &acmpca.DeletePolicyOutput{}, s.update(ctx, in.ResourceArn, func(r *record) error {
		if err := notDeleted(r); err != nil {
			return err
		}
		r.Policy = ""
		return nil
	})
}

// readActions are what a policy may allow without a condition on templates.
func readActions() []string {
	return []string{"DescribeCertificateAuthority", "GetCertificate", "GetCertificateAuthorityCertificate", "ListPermissions", "ListTags"}
}

// checkPolicy demands the shapes of
// https://docs.aws.amazon.com/privateca/latest/userguide/pca-rbp.html: every
// statement allows other accounts, or an organization, on this authority either
// to read, or to issue from named templates and to revoke.
func checkPolicy(r *record, text string) error {
	if len(text) > maxResourcePolicy {
		return invalidPolicy("the policy has more than %d characters", maxResourcePolicy)
	}
	document, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return invalidPolicy("%s", err)
	}
	for i := range document.Statements {
		if wrong := checkStatement(r, &document.Statements[i]); wrong != "" {
			return invalidPolicy("statement %d of the policy %s", i+1, wrong)
		}
	}
	return nil
}

// checkStatement says what is wrong with a statement; "" if nothing.
func checkStatement(r *record, s *policy.Statement) string {
	if s.Deny || s.NotPrincipals != nil || len(s.NotActions) > 0 || len(s.NotResources) > 0 {
		return "must be an Allow of Principal, Action and Resource"
	}
	if len(s.Resources) != 1 || s.Resources[0] != r.arn() {
		return "must have the one Resource " + r.arn()
	}
	reads, issues, revokes := false, false, false
	for _, action := range s.Actions {
		prefix, name, _ := strings.Cut(action, ":")
		is := func(want string) bool { return strings.EqualFold(name, want) }
		switch {
		case !strings.EqualFold(prefix, "acm-pca"):
			return "has the action " + action + ", which cannot be shared"
		case slices.ContainsFunc(readActions(), is):
			reads = true
		case is("IssueCertificate"):
			issues = true
		case is("RevokeCertificate"):
			revokes = true
		default:
			return "has the action " + action + ", which cannot be shared"
		}
	}
	if reads && (issues || revokes) {
		return "allows actions that read together with actions that write: put them into two statements"
	}
	templates, organization := false, false
	for _, c := range s.Conditions {
		switch {
		case c.Key == "acm-pca:templatearn" && c.Operator == "StringEquals" && !reads:
			templates = true
			for _, v := range c.Values {
				if t, err := pki.LookupTemplate(v); err != nil || !strings.HasPrefix(v, "arn:") || t.ARN(arn.Partition(r.Region)) != v {
					return "names the template " + v + ", which does not exist"
				}
			}
		case c.Key == "aws:principalorgid" && c.Operator == "StringEquals":
			organization = true
		case c.Key == "aws:principalaccount" && c.Operator == "StringNotEquals":
		default:
			return "has a condition " + c.Operator + " on " + c.Key + ", which resource policies of certificate authorities cannot have"
		}
	}
	if issues && !templates {
		return "allows IssueCertificate without a condition StringEquals on acm-pca:TemplateArn"
	}
	return checkSharers(r, s.Principals, organization)
}

// checkSharers is checkStatement's part about who is let in.
func checkSharers(r *record, p *policy.Principals, organization bool) string {
	switch {
	case p == nil || len(p.Services)+len(p.Federated)+len(p.Canonical) > 0:
		return "must have AWS accounts as its principals"
	case p.Everyone && !organization:
		return "lets everybody in: a Principal of * needs a condition StringEquals on aws:PrincipalOrgID"
	}
	for _, name := range p.AWS {
		account := name
		if a, err := arn.Parse(name); err == nil {
			account = a.Account
		}
		switch {
		case account == r.Account:
			return "has the principal " + name + ", which is of the account that owns the certificate authority"
		case len(account) != 12 || strings.Trim(account, "0123456789") != "":
			return "has the principal " + name + ", which is neither an account nor the ARN of a principal in one"
		}
	}
	return ""
}
