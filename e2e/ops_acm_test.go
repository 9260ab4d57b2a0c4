package e2e

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// Every operation of ACM, and its most important refusals.
func TestACM(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"private":  acmPrivate,
		"imported": acmImported,
		"by DNS":   acmByDNS,
		"listing":  acmListing,
		"refusals": acmRefusals,
	})
}

// A certificate of a private CA: requested, read, exported, revoked.
func acmPrivate(s *system) {
	t, ctx := s.t, context.Background()
	ca, root := ecRoot(t, s.pca, "private")
	in := &acm.RequestCertificateInput{
		CertificateAuthorityArn: &ca, DomainName: aws.String("client.example.test"), SubjectAlternativeNames: []string{"other.example.test"},
		KeyAlgorithm: acmtypes.KeyAlgorithmEcPrime256v1, IdempotencyToken: aws.String("one"),
		Tags: []acmtypes.Tag{{Key: aws.String("made"), Value: aws.String("here")}},
	}
	arn := must(s.acm.RequestCertificate(ctx, in))(t).CertificateArn
	same(t, "ARN under the same token", *must(s.acm.RequestCertificate(ctx, in))(t).CertificateArn, *arn)
	d := s.waitIssued(*arn)
	same(t, "type", d.Type, acmtypes.CertificateTypePrivate)
	same(t, "authority", *d.CertificateAuthorityArn, ca)
	same(t, "names", d.SubjectAlternativeNames, []string{"client.example.test", "other.example.test"})
	same(t, "key", d.KeyAlgorithm, acmtypes.KeyAlgorithmEcPrime256v1)
	same(t, "users", len(d.InUseBy), 0)

	got := must(s.acm.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: arn}))(t)
	leaf := parse(t, *got.Certificate)
	same(t, "chain", parse(t, *got.CertificateChain).Raw, parse(t, root).Raw)
	same(t, "serial", *d.Serial, pki.SerialColons(leaf.SerialNumber))
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, root))
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other.example.test", KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	exported := must(s.acm.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: arn, Passphrase: []byte("a passphrase")}))(t)
	same(t, "exported certificate", *exported.Certificate, *got.Certificate)
	block, _ := pem.Decode([]byte(*exported.PrivateKey))
	if _, err := pki.DecryptPKCS8(block.Bytes, []byte("another one")); err == nil {
		t.Error("the key opens with another passphrase")
	}
	key := must(x509.ParsePKCS8PrivateKey(must(pki.DecryptPKCS8(block.Bytes, []byte("a passphrase")))(t)))(t)
	if !leaf.PublicKey.(*ecdsa.PublicKey).Equal(key.(crypto.Signer).Public()) {
		t.Error("the exported key is not the certificate's")
	}

	must(s.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{CertificateAuthorityArn: &ca, CertificateSerial: d.Serial, RevocationReason: pcatypes.RevocationReasonUnspecified}))(t)
	must(s.acm.DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: arn}))(t)
	_, err := s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: arn})
	wantCode(t, err, "ResourceNotFoundException")
}

// A certificate that its owner brings along, and its successor.
func acmImported(s *system) {
	t, ctx := s.t, context.Background()
	key, keyText := newKey(t)
	first := selfSigned(t, "imported.example.test", key)
	arn := must(s.acm.ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: first, PrivateKey: keyText}))(t).CertificateArn
	d := must(s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: arn}))(t).Certificate
	same(t, "type", d.Type, acmtypes.CertificateTypeImported)
	same(t, "domain", *d.DomainName, "imported.example.test")
	_, err := s.acm.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: arn, Passphrase: []byte("a passphrase")})
	wantCode(t, err, "ValidationException")

	other, otherText := newKey(t)
	_, err = s.acm.ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: first, PrivateKey: otherText})
	wantCode(t, err, "ValidationException")
	_, err = s.acm.ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: []byte("nonsense"), PrivateKey: keyText})
	wantCode(t, err, "ValidationException")
	second := selfSigned(t, "imported.example.test", other)
	same(t, "ARN of the successor", *must(s.acm.ImportCertificate(ctx, &acm.ImportCertificateInput{CertificateArn: arn, Certificate: second, PrivateKey: otherText}))(t).CertificateArn, *arn)
	got := must(s.acm.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: arn}))(t)
	same(t, "certificate", parse(t, *got.Certificate).Raw, parse(t, string(second)).Raw)
}

// A certificate for a server: pending until its name's owner has shown the record.
func acmByDNS(s *system) {
	t, ctx := s.t, context.Background()
	pending := must(s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("api.nobody.test"), ValidationMethod: acmtypes.ValidationMethodDns}))(t).CertificateArn
	d := must(s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: pending}))(t).Certificate
	same(t, "status without a record", d.Status, acmtypes.CertificateStatusPendingValidation)
	_, err := s.acm.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: pending})
	wantCode(t, err, "RequestInProgressException")

	arn := s.serverCertificate("example.test", "*.example.test")
	d = s.waitIssued(arn)
	same(t, "type", d.Type, acmtypes.CertificateTypeAmazonIssued)
	same(t, "validation", d.DomainValidationOptions[0].ValidationStatus, acmtypes.DomainStatusSuccess)
	got := must(s.acm.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: &arn}))(t)
	if _, err := parse(t, *got.Certificate).Verify(x509.VerifyOptions{Roots: s.localRoot(), DNSName: "api.example.test"}); err != nil {
		t.Errorf("under the local root: %v", err)
	}
	_, err = s.acm.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("a passphrase")})
	wantCode(t, err, "ValidationException")
}

func acmListing(s *system) {
	t, ctx := s.t, context.Background()
	var arns []string
	for range 3 {
		key, text := newKey(t)
		arns = append(arns, *must(s.acm.ImportCertificate(ctx, &acm.ImportCertificateInput{Certificate: selfSigned(t, "listed.example.test", key), PrivateKey: text}))(t).CertificateArn)
	}
	seen := map[string]int{}
	for pages := acm.NewListCertificatesPaginator(s.acm, &acm.ListCertificatesInput{
		MaxItems: aws.Int32(2), Includes: &acmtypes.Filters{KeyTypes: []acmtypes.KeyAlgorithm{acmtypes.KeyAlgorithmEcPrime256v1}},
		CertificateStatuses: []acmtypes.CertificateStatus{acmtypes.CertificateStatusIssued},
	}); pages.HasMorePages(); {
		page := must(pages.NextPage(ctx))(t)
		if len(page.CertificateSummaryList) > 2 {
			t.Errorf("%d certificates on a page of two", len(page.CertificateSummaryList))
		}
		for _, c := range page.CertificateSummaryList {
			seen[*c.CertificateArn]++
		}
	}
	for _, arn := range arns {
		same(t, "how often "+arn+" is listed", seen[arn], 1)
	}
	for _, c := range must(s.acm.ListCertificates(ctx, &acm.ListCertificatesInput{}))(t).CertificateSummaryList {
		same(t, "keys that are listed by default", c.KeyAlgorithm, acmtypes.KeyAlgorithmRsa2048)
	}

	arn := &arns[0]
	must(s.acm.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: arn, Tags: []acmtypes.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b")}}}))(t)
	tags := func() []string {
		t.Helper()
		return names(must(s.acm.ListTagsForCertificate(ctx, &acm.ListTagsForCertificateInput{CertificateArn: arn}))(t).Tags, func(tag acmtypes.Tag) string { return *tag.Key + "=" + aws.ToString(tag.Value) })
	}
	same(t, "tags", tags(), []string{"a=1", "b="})
	must(s.acm.RemoveTagsFromCertificate(ctx, &acm.RemoveTagsFromCertificateInput{CertificateArn: arn, Tags: []acmtypes.Tag{{Key: aws.String("b")}}}))(t)
	same(t, "tags left", tags(), []string{"a=1"})
	_, err := s.acm.AddTagsToCertificate(ctx, &acm.AddTagsToCertificateInput{CertificateArn: arn, Tags: []acmtypes.Tag{{Key: aws.String("aws:reserved")}}})
	wantCode(t, err, "InvalidTagException")
}

func acmRefusals(s *system) {
	t, ctx := s.t, context.Background()
	missing := aws.String("arn:aws:acm:" + region + ":" + account + ":certificate/00000000-0000-4000-8000-000000000000")
	_, err := s.acm.DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: missing})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("not a name"), ValidationMethod: acmtypes.ValidationMethodDns})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("api.example.test"), ValidationMethod: acmtypes.ValidationMethodEmail})
	wantCode(t, err, "InvalidParameterException")
	ca := must(s.pca.CreateCertificateAuthority(ctx, ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "not active")))(t).CertificateAuthorityArn
	arn := must(s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{CertificateAuthorityArn: ca, DomainName: aws.String("api.example.test"), KeyAlgorithm: acmtypes.KeyAlgorithmEcPrime256v1}))(t).CertificateArn
	d := must(s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: arn}))(t).Certificate
	same(t, "status of a CA's that cannot issue", d.Status, acmtypes.CertificateStatusFailed)
	same(t, "reason", d.FailureReason, acmtypes.FailureReasonPcaInvalidState)
	_, err = s.acm.ResendValidationEmail(ctx, &acm.ResendValidationEmailInput{CertificateArn: missing, Domain: aws.String("example.test"), ValidationDomain: aws.String("example.test")})
	wantCode(t, err, "NotImplementedException")
}
