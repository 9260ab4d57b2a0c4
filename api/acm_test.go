package api

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"countersign/keys"
	"countersign/service/authority"
	"countersign/service/certificates"
	"countersign/store/storetest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/smithy-go"
)

// emptyDNS has no records.
type emptyDNS struct{}

func (emptyDNS) LookupCNAME(context.Context, string) (string, error) { return "", nil }

// startAuthorities is a node with the real services of ACM and AWS Private CA,
// and the SDK's clients for it.
func startAuthorities(t *testing.T) (*acmpca.Client, *acm.Client, *authority.Service, *certificates.Service) {
	t.Helper()
	master, _, err := keys.NewMaster(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sealer, st := keys.NewSealer(master), storetest.New(t)
	ca := authority.New(authority.Config{Store: st, Sealer: sealer, Now: time.Now, Rand: rand.Reader})
	certs := certificates.New(certificates.Config{Store: st, Sealer: sealer, Authority: ca, Resolver: emptyDNS{}, Now: time.Now, Rand: rand.Reader})
	n := startNode(t, (*httptest.Server).Start, func(c *Config) { c.Services = []Service{ACMPCA(ca), ACM(certs)} })
	creds := credentials.NewStaticCredentialsProvider(testKey, testSecret, "")
	return acmpca.New(acmpca.Options{Region: testRegion, Credentials: creds, BaseEndpoint: &n.URL}),
		acm.New(acm.Options{Region: testRegion, Credentials: creds, BaseEndpoint: &n.URL}), ca, certs
}

// TestArticleThroughTheSDK walks the first article's way from no CA to an
// exported client certificate with the SDK's own clients and waiters.
func TestArticleThroughTheSDK(t *testing.T) {
	t.Parallel()
	pca, acmClient, service, inventory := startAuthorities(t)
	ctx := t.Context()

	create := func(kind pcatypes.CertificateAuthorityType, name string) (arn *string, csr []byte) {
		t.Helper()
		made, err := pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
			CertificateAuthorityType: kind, IdempotencyToken: aws.String(name),
			CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{
				KeyAlgorithm: pcatypes.KeyAlgorithmRsa2048, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
				Subject: &pcatypes.ASN1Subject{CommonName: &name},
			},
			Tags: []pcatypes.Tag{{Key: aws.String("stack"), Value: aws.String("mtls")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		waited, err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(pca).WaitForOutput(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: made.CertificateAuthorityArn}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return made.CertificateAuthorityArn, []byte(*waited.Csr)
	}
	issue := func(ca *string, csr []byte, template string, years int64) *acmpca.GetCertificateOutput {
		t.Helper()
		issued, err := pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: ca, Csr: csr, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
			TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"), Validity: &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeYears, Value: &years}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := acmpca.NewCertificateIssuedWaiter(pca).WaitForOutput(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: ca, CertificateArn: issued.CertificateArn}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	activate := func(ca, certificate *string, chain []byte) {
		t.Helper()
		if _, err := pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: ca, Certificate: []byte(*certificate), CertificateChain: chain}); err != nil {
			t.Fatal(err)
		}
		// As CloudFormation does after every import.
		if _, err := pca.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: ca, Status: pcatypes.CertificateAuthorityStatusActive}); err != nil {
			t.Fatal(err)
		}
	}

	root, rootCSR := create(pcatypes.CertificateAuthorityTypeRoot, "stack-rootca")
	rootCert := issue(root, rootCSR, "RootCACertificate", 10)
	activate(root, rootCert.Certificate, nil)
	sub, subCSR := create(pcatypes.CertificateAuthorityTypeSubordinate, "stack-mtlsca")
	subCert := issue(root, subCSR, "SubordinateCACertificate_PathLen3", 3)
	activate(sub, subCert.Certificate, []byte(*rootCert.Certificate))

	described, err := pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: sub})
	if err != nil {
		t.Fatal(err)
	}
	if d := described.CertificateAuthority; d.Status != pcatypes.CertificateAuthorityStatusActive || d.NotAfter == nil || time.Since(*d.CreatedAt) > time.Minute ||
		*d.CertificateAuthorityConfiguration.Subject.CommonName != "stack-mtlsca" || *d.RevocationConfiguration.CrlConfiguration.Enabled {
		t.Errorf("DescribeCertificateAuthority = %+v", d)
	}

	requested, err := acmClient.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("api.example.com"), CertificateAuthorityArn: sub,
		Options: &acmtypes.CertificateOptions{CertificateTransparencyLoggingPreference: acmtypes.CertificateTransparencyLoggingPreferenceEnabled},
		Tags:    []acmtypes.Tag{{Key: aws.String("Name"), Value: aws.String("ClientOneCert")}}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := acmClient.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: requested.CertificateArn})
	if err != nil || one.Certificate.Status != acmtypes.CertificateStatusIssued || one.Certificate.Type != acmtypes.CertificateTypePrivate {
		t.Fatalf("DescribeCertificate = %+v, %v", one, err)
	}
	exported, err := acmClient.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: requested.CertificateArn, Passphrase: []byte("your paraphrase")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(*exported.PrivateKey, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n") {
		t.Errorf("PrivateKey = %.40q", *exported.PrivateKey)
	}
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(*rootCert.Certificate))
	middle.AppendCertsFromPEM([]byte(*exported.CertificateChain))
	block, _ := pem.Decode([]byte(*exported.Certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	path, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil || len(path[0]) != 3 {
		t.Errorf("the client certificate does not verify: %v", err)
	}

	serial := strings.ReplaceAll(*one.Certificate.Serial, ":", "")
	revoke := &acmpca.RevokeCertificateInput{CertificateAuthorityArn: sub, CertificateSerial: &serial, RevocationReason: pcatypes.RevocationReasonKeyCompromise}
	if _, err := pca.RevokeCertificate(ctx, revoke); err != nil {
		t.Fatal(err)
	}
	var already *pcatypes.RequestAlreadyProcessedException
	if _, err := pca.RevokeCertificate(ctx, revoke); !errors.As(err, &already) {
		t.Errorf("revoking twice: %v", err)
	}
	if issuers, err := service.Issuers(ctx); err != nil || len(issuers) != 2 {
		t.Errorf("Issuers = %v, %v", issuers, err)
	}

	list := 0
	for p := acmpca.NewListCertificateAuthoritiesPaginator(pca, &acmpca.ListCertificateAuthoritiesInput{MaxResults: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		list += len(page.CertificateAuthorities)
	}
	if list != 2 {
		t.Errorf("%d authorities in the list, want 2", list)
	}
	tags, err := pca.ListTags(ctx, &acmpca.ListTagsInput{CertificateAuthorityArn: sub})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "mtls" {
		t.Errorf("ListTags = %+v, %v", tags, err)
	}
	if _, err := inventory.ValidatePending(ctx); err != nil {
		t.Error(err)
	}
}

// TestAuthoritiesRefuseThroughTheSDK checks that refusals arrive as the types
// that the SDK models.
func TestAuthoritiesRefuseThroughTheSDK(t *testing.T) {
	t.Parallel()
	pca, acmClient, service, _ := startAuthorities(t)
	ctx := t.Context()
	slow, err := pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{CertificateAuthorityType: pcatypes.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{KeyAlgorithm: pcatypes.KeyAlgorithmRsa3072,
			SigningAlgorithm: pcatypes.SigningAlgorithmSha512withrsa, Subject: &pcatypes.ASN1Subject{CommonName: aws.String("slow")}}})
	if err != nil {
		t.Fatal(err)
	}
	csr := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: slow.CertificateAuthorityArn}
	var progress *pcatypes.RequestInProgressException
	if _, err := pca.GetCertificateAuthorityCsr(ctx, csr); !errors.As(err, &progress) {
		t.Errorf("CSR while CREATING: %v", err)
	}
	if _, err := service.MakeKeys(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := pca.GetCertificateAuthorityCsr(ctx, csr); err != nil {
		t.Errorf("CSR after MakeKeys: %v", err)
	}

	var missing *pcatypes.ResourceNotFoundException
	_, err = pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{
		CertificateAuthorityArn: aws.String("arn:aws:acm-pca:" + testRegion + ":" + testAccount + ":certificate-authority/00000000-0000-4000-8000-000000000000")})
	if !errors.As(err, &missing) {
		t.Errorf("an authority that is not there: %v", err)
	}
	var state *pcatypes.InvalidStateException
	if _, err = pca.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: slow.CertificateAuthorityArn}); !errors.As(err, &state) {
		t.Errorf("a certificate that is not there: %v", err)
	}
	var bad smithy.APIError
	_, err = pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: slow.CertificateAuthorityArn, Csr: []byte("x"), SigningAlgorithm: "SHA1WITHRSA",
		Validity: &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeDays, Value: aws.Int64(1)}})
	if !errors.As(err, &bad) || bad.ErrorCode() != "ValidationException" {
		t.Errorf("a signing algorithm outside the model: %v", err)
	}
	var parameter *acmtypes.InvalidParameterException
	if _, err = acmClient.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("api.example.com")}); !errors.As(err, &parameter) {
		t.Errorf("a request for e-mail validation: %v", err)
	}
	pending, err := acmClient.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: aws.String("api.example.com"), ValidationMethod: acmtypes.ValidationMethodDns})
	if err != nil {
		t.Fatal(err)
	}
	got, err := acmClient.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: pending.CertificateArn})
	if err != nil || len(got.Certificate.DomainValidationOptions) != 1 || got.Certificate.DomainValidationOptions[0].ResourceRecord == nil {
		t.Errorf("DescribeCertificate = %+v, %v", got, err)
	}
	var early *acmtypes.RequestInProgressException
	if _, err = acmClient.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: pending.CertificateArn}); !errors.As(err, &early) {
		t.Errorf("a pending certificate: %v", err)
	}
	var arn *acmtypes.InvalidArnException
	if _, err = acmClient.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: slow.CertificateAuthorityArn}); err == nil || !errors.As(err, &arn) && !(errors.As(err, &bad) && bad.ErrorCode() == "ValidationException") {
		t.Errorf("the ARN of an authority: %v", err)
	}
	var policy *pcatypes.InvalidPolicyException
	if _, err = pca.PutPolicy(ctx, &acmpca.PutPolicyInput{ResourceArn: slow.CertificateAuthorityArn, Policy: aws.String("{}")}); !errors.As(err, &policy) {
		t.Errorf("a policy that says nothing: %v", err)
	}
}
