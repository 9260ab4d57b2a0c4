package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// Every operation of ACM Private CA, and its most important refusals.
func TestACMPCA(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"authority":    authorityLife,
		"certificates": authorityCertificates,
		"subordinate":  authoritySubordinate,
		"listing":      authorityListing,
		"refusals":     authorityRefusals,
	})
}

// From CREATING to DELETED and back.
func authorityLife(s *system) {
	t, ctx := s.t, context.Background()
	in := ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "life")
	in.IdempotencyToken = aws.String("life")
	arn := must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn
	same(t, "ARN under the same token", *must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn, *arn)
	describe := func() *pcatypes.CertificateAuthority {
		t.Helper()
		return must(s.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: arn}))(t).CertificateAuthority
	}
	csrText := must(pcaCSR(ctx, s.pca, *arn))(t)
	a := describe()
	same(t, "status with a CSR", a.Status, pcatypes.CertificateAuthorityStatusPendingCertificate)
	same(t, "owner", *a.OwnerAccount, account)
	same(t, "subject", *a.CertificateAuthorityConfiguration.Subject.CommonName, "life")
	same(t, "CRLs", *a.RevocationConfiguration.CrlConfiguration.Enabled, false)
	_, err := s.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: arn})
	wantCode(t, err, "InvalidStateException")

	block, _ := pem.Decode([]byte(csrText))
	csr := must(x509.ParseCertificateRequest(block.Bytes))(t)
	if err := csr.CheckSignature(); err != nil || csr.Subject.CommonName != "life" {
		t.Errorf("CSR of %s: %v", csr.Subject, err)
	}
	issued := must(s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: arn, Csr: []byte(csrText), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Validity: validity(3650),
		TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1"),
	}))(t)
	text := must(pcaCertificate(ctx, s.pca, *arn, *issued.CertificateArn))(t)
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: arn, Certificate: []byte(text)}))(t)
	root := parse(t, text)
	if err := root.CheckSignatureFrom(root); err != nil {
		t.Errorf("the root's certificate: %v", err)
	}
	got := must(s.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: arn}))(t)
	same(t, "certificate", parse(t, *got.Certificate).Raw, root.Raw)
	same(t, "chain of a root", got.CertificateChain, nil)
	a = describe()
	same(t, "status with a certificate", a.Status, pcatypes.CertificateAuthorityStatusActive)
	same(t, "end", a.NotAfter.UTC(), root.NotAfter)

	// An active CA has to be disabled before it can be deleted.
	_, err = s.pca.DeleteCertificateAuthority(ctx, &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: arn})
	wantCode(t, err, "InvalidStateException")
	must(s.pca.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: arn, Status: pcatypes.CertificateAuthorityStatusDisabled}))(t)
	same(t, "status after UpdateCertificateAuthority", describe().Status, pcatypes.CertificateAuthorityStatusDisabled)
	_, err = s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: arn, Csr: newCSR(t, "late"), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Validity: validity(1),
	})
	wantCode(t, err, "InvalidStateException")
	must(s.pca.DeleteCertificateAuthority(ctx, &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: arn, PermanentDeletionTimeInDays: aws.Int32(7)}))(t)
	a = describe()
	same(t, "status after DeleteCertificateAuthority", a.Status, pcatypes.CertificateAuthorityStatusDeleted)
	if left := time.Until(*a.RestorableUntil); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour {
		t.Errorf("restorable for %v", left)
	}
	_, err = s.pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: arn, CertificateArn: issued.CertificateArn})
	wantCode(t, err, "InvalidStateException")
	must(s.pca.RestoreCertificateAuthority(ctx, &acmpca.RestoreCertificateAuthorityInput{CertificateAuthorityArn: arn}))(t)
	same(t, "status after RestoreCertificateAuthority", describe().Status, pcatypes.CertificateAuthorityStatusDisabled)
	same(t, "certificate after it was deleted", must(pcaCertificate(ctx, s.pca, *arn, *issued.CertificateArn))(t), text)
}

// Issuing, reading and revoking.
func authorityCertificates(s *system) {
	t, ctx := s.t, context.Background()
	ca, root := ecRoot(t, s.pca, "certificates")
	in := &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &ca, Csr: newCSR(t, "client.example.test", "client.example.test"), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"), Validity: validity(30), IdempotencyToken: aws.String("one"),
	}
	arn := must(s.pca.IssueCertificate(ctx, in))(t).CertificateArn
	same(t, "ARN under the same token", *must(s.pca.IssueCertificate(ctx, in))(t).CertificateArn, *arn)
	text := must(pcaCertificate(ctx, s.pca, ca, *arn))(t)
	got := must(s.pca.GetCertificate(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &ca, CertificateArn: arn}))(t)
	same(t, "chain", parse(t, *got.CertificateChain).Raw, parse(t, root).Raw)
	leaf := parse(t, text)
	serial := fmt.Sprintf("%032x", leaf.SerialNumber)
	same(t, "ARN", *arn, ca+"/certificate/"+serial)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, root))
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "client.example.test", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("a certificate for clients is good for servers")
	}

	revoke := &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: aws.String(strings.ToUpper(serial)), RevocationReason: pcatypes.RevocationReasonSuperseded}
	must(s.pca.RevokeCertificate(ctx, revoke))(t)
	_, err := s.pca.RevokeCertificate(ctx, revoke)
	var already *pcatypes.RequestAlreadyProcessedException
	if !errors.As(err, &already) {
		t.Errorf("revoke again: %v", err)
	}
	revoke.CertificateSerial = aws.String(strings.Repeat("1f", 16))
	_, err = s.pca.RevokeCertificate(ctx, revoke)
	wantCode(t, err, "ResourceNotFoundException")

	for name, change := range map[string]struct {
		do   func(*acmpca.IssueCertificateInput)
		code string
	}{
		"a CSR of nonsense":       {func(in *acmpca.IssueCertificateInput) { in.Csr = []byte("nonsense") }, "MalformedCSRException"},
		"a CSR cut off":           {func(in *acmpca.IssueCertificateInput) { in.Csr = in.Csr[:len(in.Csr)/2] }, "MalformedCSRException"},
		"longer than the CA":      {func(in *acmpca.IssueCertificateInput) { in.Validity = validity(4000) }, "ValidationException"},
		"no validity":             {func(in *acmpca.IssueCertificateInput) { in.Validity = validity(0) }, "ValidationException"},
		"another key's algorithm": {func(in *acmpca.IssueCertificateInput) { in.SigningAlgorithm = pcatypes.SigningAlgorithmSha256withrsa }, "InvalidArgsException"},
		"no such template": {func(in *acmpca.IssueCertificateInput) {
			in.TemplateArn = aws.String("arn:aws:acm-pca:::template/Nothing/V1")
		}, "InvalidArgsException"},
		"the token of another": {func(in *acmpca.IssueCertificateInput) {
			in.IdempotencyToken, in.Csr = aws.String("one"), newCSR(t, "other")
		}, "InvalidArgsException"},
	} {
		other := *in
		other.IdempotencyToken = nil
		change.do(&other)
		t.Run(name, func(t *testing.T) {
			_, err := s.pca.IssueCertificate(ctx, &other)
			wantCode(t, err, change.code)
		})
	}
}

// A subordinate CA: its chain, and the limits that its issuer sets.
func authoritySubordinate(s *system) {
	t, ctx := s.t, context.Background()
	ca, root := ecRoot(t, s.pca, "above")
	sub := must(s.pca.CreateCertificateAuthority(ctx, ecAuthority(pcatypes.CertificateAuthorityTypeSubordinate, "below")))(t).CertificateAuthorityArn
	csr := must(pcaCSR(ctx, s.pca, *sub))(t)
	issue := func(authority, csr, template string, days int64) (string, error) {
		out, err := s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
			CertificateAuthorityArn: &authority, Csr: []byte(csr), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Validity: validity(days),
			TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"),
		})
		if err != nil {
			return "", err
		}
		return pcaCertificate(ctx, s.pca, authority, *out.CertificateArn)
	}
	text := must(issue(ca, csr, "SubordinateCACertificate_PathLen0", 365))(t)
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: sub, Certificate: []byte(root), CertificateChain: []byte(root)}
	_, err := s.pca.ImportCertificateAuthorityCertificate(ctx, in)
	wantCode(t, err, "CertificateMismatchException")
	in.Certificate = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	_, err = s.pca.ImportCertificateAuthorityCertificate(ctx, in)
	wantCode(t, err, "MalformedCertificateException")
	in.Certificate = []byte(text)
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, in))(t)
	got := must(s.pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: sub}))(t)
	same(t, "certificate", parse(t, *got.Certificate).Raw, parse(t, text).Raw)
	same(t, "chain", parse(t, *got.CertificateChain).Raw, parse(t, root).Raw)
	_, err = issue(*sub, csr, "SubordinateCACertificate_PathLen0", 30)
	wantCode(t, err, "ValidationException")
	leaf := parse(t, must(issue(*sub, string(newCSR(t, "leaf")), "EndEntityCertificate", 30))(t))
	if err := leaf.CheckSignatureFrom(parse(t, text)); err != nil {
		t.Error(err)
	}
}

// Lists in pages, tags, and ACM's permission to renew.
func authorityListing(s *system) {
	t, ctx := s.t, context.Background()
	in := ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "listed")
	in.Tags = []pcatypes.Tag{{Key: aws.String("made"), Value: aws.String("here")}}
	arn := must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn
	second := must(s.pca.CreateCertificateAuthority(ctx, ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "listed too")))(t).CertificateAuthorityArn
	seen := map[string]int{}
	for pages := acmpca.NewListCertificateAuthoritiesPaginator(s.pca, &acmpca.ListCertificateAuthoritiesInput{MaxResults: aws.Int32(1)}); pages.HasMorePages(); {
		page := must(pages.NextPage(ctx))(t)
		if len(page.CertificateAuthorities) > 1 {
			t.Errorf("%d authorities on a page of one", len(page.CertificateAuthorities))
		}
		for _, a := range page.CertificateAuthorities {
			seen[*a.Arn]++
		}
	}
	same(t, "how often the two are listed", [2]int{seen[*arn], seen[*second]}, [2]int{1, 1})

	must(s.pca.TagCertificateAuthority(ctx, &acmpca.TagCertificateAuthorityInput{CertificateAuthorityArn: arn, Tags: []pcatypes.Tag{{Key: aws.String("stage"), Value: aws.String("one")}, {Key: aws.String("made"), Value: aws.String("there")}}}))(t)
	tags := func() []string {
		t.Helper()
		out := must(s.pca.ListTags(ctx, &acmpca.ListTagsInput{CertificateAuthorityArn: arn}))(t)
		return names(out.Tags, func(tag pcatypes.Tag) string { return *tag.Key + "=" + *tag.Value })
	}
	same(t, "tags", tags(), []string{"made=there", "stage=one"})
	must(s.pca.UntagCertificateAuthority(ctx, &acmpca.UntagCertificateAuthorityInput{CertificateAuthorityArn: arn, Tags: []pcatypes.Tag{{Key: aws.String("made")}, {Key: aws.String("stage"), Value: aws.String("another")}}}))(t)
	same(t, "tags left", tags(), []string{"stage=one"})

	permission := &acmpca.CreatePermissionInput{CertificateAuthorityArn: arn, Principal: aws.String("acm.amazonaws.com"), Actions: []pcatypes.ActionType{"IssueCertificate", "GetCertificate", "ListPermissions"}}
	must(s.pca.CreatePermission(ctx, permission))(t)
	_, err := s.pca.CreatePermission(ctx, permission)
	wantCode(t, err, "PermissionAlreadyExistsException")
	listed := must(s.pca.ListPermissions(ctx, &acmpca.ListPermissionsInput{CertificateAuthorityArn: arn}))(t).Permissions
	if len(listed) != 1 || *listed[0].Principal != "acm.amazonaws.com" || *listed[0].SourceAccount != account || len(listed[0].Actions) != 3 {
		t.Errorf("permissions: %+v", listed)
	}
	must(s.pca.DeletePermission(ctx, &acmpca.DeletePermissionInput{CertificateAuthorityArn: arn, Principal: permission.Principal}))(t)
	same(t, "permissions left", len(must(s.pca.ListPermissions(ctx, &acmpca.ListPermissionsInput{CertificateAuthorityArn: arn}))(t).Permissions), 0)
}

func authorityRefusals(s *system) {
	t, ctx := s.t, context.Background()
	missing := aws.String("arn:aws:acm-pca:" + region + ":" + account + ":certificate-authority/00000000-0000-4000-8000-000000000000")
	_, err := s.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: missing})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = s.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: aws.String("arn:aws:acm-pca:" + region + ":" + account + ":certificate-authority/7")})
	wantCode(t, err, "InvalidArnException")
	in := ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "mixed")
	in.CertificateAuthorityConfiguration.SigningAlgorithm = pcatypes.SigningAlgorithmSha256withrsa
	_, err = s.pca.CreateCertificateAuthority(ctx, in)
	wantCode(t, err, "InvalidArgsException")
}
