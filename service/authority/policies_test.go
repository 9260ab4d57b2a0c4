package authority

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// sharing is the policy that AWS's guide shows, for another account.
func sharing(ca string) string {
	return `{"Version": "2012-10-17", "Statement": [
		{"Sid": "1", "Effect": "Allow", "Principal": {"AWS": "555555555555"}, "Resource": "` + ca + `",
		 "Action": ["acm-pca:DescribeCertificateAuthority", "acm-pca:GetCertificate", "acm-pca:GetCertificateAuthorityCertificate", "acm-pca:ListPermissions", "acm-pca:ListTags"]},
		{"Sid": "2", "Effect": "Allow", "Principal": {"AWS": "555555555555"}, "Resource": "` + ca + `",
		 "Action": ["acm-pca:IssueCertificate"], "Condition": {"StringEquals": {"acm-pca:TemplateArn": "arn:aws:acm-pca:::template/EndEntityCertificate/V1"}}}]}`
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.create(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	get := func() (*acmpca.GetPolicyOutput, error) {
		return b.GetPolicy(caller(t.Context()), &acmpca.GetPolicyInput{ResourceArn: &ca})
	}
	remove := func() error {
		_, err := b.DeletePolicy(caller(t.Context()), &acmpca.DeletePolicyInput{ResourceArn: &ca})
		return err
	}
	put := func(text string) error {
		_, err := b.PutPolicy(caller(t.Context()), &acmpca.PutPolicyInput{ResourceArn: &ca, Policy: &text})
		return err
	}
	_, err := get()
	wantError(t, err, "ResourceNotFoundException", "no resource policy")
	if err := remove(); err != nil {
		t.Errorf("delete without a policy: %v", err)
	}
	organization := strings.NewReplacer(`{"AWS": "555555555555"}`, `"*"`,
		`"acm-pca:ListTags"]`, `"acm-pca:ListTags"], "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4z5"}, "StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}`,
		`"StringEquals": {"acm-pca`, `"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4z5", "acm-pca`).Replace(sharing(ca))
	for _, text := range []string{sharing(ca), organization, strings.Replace(sharing(ca), `["acm-pca:IssueCertificate"]`, `["acm-pca:issuecertificate", "acm-pca:RevokeCertificate"]`, 1),
		strings.ReplaceAll(sharing(ca), `"555555555555"`, `["arn:aws:iam::555555555555:root", "666666666666"]`)} {
		if err := put(text); err != nil {
			t.Errorf("%v: %s", err, text)
			continue
		}
		if out, err := get(); err != nil || *out.Policy != text {
			t.Errorf("got %v, %v, want %s", out, err, text)
		}
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	_, err = get()
	wantError(t, err, "ResourceNotFoundException", "no resource policy")

	for name, c := range map[string]struct{ from, to, want string }{
		"deny":            {`"Allow"`, `"Deny"`, "must be an Allow"},
		"other resource":  {ca, ca + "x", "one Resource"},
		"any resource":    {ca, "*", "one Resource"},
		"not action":      {`"Action"`, `"NotAction"`, "must be an Allow"},
		"deletes":         {"acm-pca:ListTags", "acm-pca:DeleteCertificateAuthority", "cannot be shared"},
		"wildcard":        {"acm-pca:ListTags", "acm-pca:*", "cannot be shared"},
		"other service":   {"acm-pca:ListTags", "s3:ListTags", "cannot be shared"},
		"both":            {"acm-pca:ListTags", "acm-pca:IssueCertificate", "two statements"},
		"no template":     {"acm-pca:TemplateArn", "aws:PrincipalOrgID", "without a condition"},
		"bad template":    {"template/EndEntityCertificate/V1", "template/None/V1", "does not exist"},
		"other operator":  {`"StringEquals"`, `"StringLike"`, "cannot have"},
		"owner":           {"555555555555", testAccount, "owns the certificate authority"},
		"everybody":       {`{"AWS": "555555555555"}`, `"*"`, "PrincipalOrgID"},
		"service":         {`{"AWS": "555555555555"}`, `{"Service": "acm.amazonaws.com"}`, "AWS accounts"},
		"no JSON":         {`{"Version"`, `{Version`, "JSON"},
		"unknown element": {`"Sid"`, `"Side"`, "Side"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, put(strings.ReplaceAll(sharing(ca), c.from, c.to)), "InvalidPolicyException", c.want)
		})
	}
	if _, err := get(); err == nil {
		t.Error("a refused policy was kept")
	}

	if _, err := b.DeleteCertificateAuthority(caller(t.Context()), &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: &ca}); err != nil {
		t.Fatal(err)
	}
	_, err = get()
	for _, err := range []error{err, put(sharing(ca)), remove()} {
		wantError(t, err, "InvalidStateException", "must be restored")
	}
	_, err = b.GetPolicy(caller(t.Context()), &acmpca.GetPolicyInput{ResourceArn: aws.String("arn:aws:s3:::bucket")})
	wantError(t, err, "InvalidArnException", "")
}
