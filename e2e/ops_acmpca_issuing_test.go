package e2e

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// ApiPassthrough, CsrExtensions and RSASSA-PSS through the wire.
func TestACMPCAIssuing(t *testing.T) {
	t.Parallel()
	start(t).parts(map[string]func(*system){
		"passthrough": authorityPassthrough,
		"PSS":         authorityPSS,
	})
}

// A subordinate with extensions of its CSR, below it a device certificate whose
// subject, names and extensions are all of ApiPassthrough.
func authorityPassthrough(s *system) {
	t, ctx := s.t, context.Background()
	root, rootText := ecRoot(t, s.pca, "passthrough root")
	in := ecAuthority(pcatypes.CertificateAuthorityTypeSubordinate, "passthrough")
	in.CertificateAuthorityConfiguration.CsrExtensions = &pcatypes.CsrExtensions{SubjectInformationAccess: []pcatypes.AccessDescription{{
		AccessMethod:   &pcatypes.AccessMethod{AccessMethodType: pcatypes.AccessMethodTypeCaRepository},
		AccessLocation: &pcatypes.GeneralName{UniformResourceIdentifier: aws.String("http://example.com/repository")}}}}
	authority := *must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn
	csr := must(pcaCSR(ctx, s.pca, authority))(t)
	issued := must(s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &root, Csr: []byte(csr),
		SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Validity: validity(365),
		TemplateArn: aws.String("arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0_CSRPassthrough/V1")}))(t)
	text := must(pcaCertificate(ctx, s.pca, root, *issued.CertificateArn))(t)
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{
		CertificateAuthorityArn: &authority, Certificate: []byte(text), CertificateChain: []byte(rootText)}))(t)
	access := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 11}
	has := func(c *x509.Certificate, id asn1.ObjectIdentifier) bool {
		for _, e := range c.Extensions {
			if e.Id.Equal(id) {
				return true
			}
		}
		return false
	}
	same(t, "subject information access of the CSR", has(parse(t, text), access), true)
	described := must(s.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &authority}))(t)
	same(t, "CsrExtensions", *described.CertificateAuthority.CertificateAuthorityConfiguration.CsrExtensions.SubjectInformationAccess[0].AccessLocation.UniformResourceIdentifier,
		"http://example.com/repository")

	passthrough := &pcatypes.ApiPassthrough{
		Subject: &pcatypes.ASN1Subject{CustomAttributes: []pcatypes.CustomAttribute{{ObjectIdentifier: aws.String("2.5.4.3"), Value: aws.String("device")},
			{ObjectIdentifier: aws.String("1.3.6.1.4.1.37244.2.1"), Value: aws.String("FFF1")}}},
		Extensions: &pcatypes.Extensions{
			KeyUsage:         &pcatypes.KeyUsage{DigitalSignature: true},
			ExtendedKeyUsage: []pcatypes.ExtendedKeyUsage{{ExtendedKeyUsageType: pcatypes.ExtendedKeyUsageTypeClientAuth}, {ExtendedKeyUsageObjectIdentifier: aws.String("1.2.3.4")}},
			CertificatePolicies: []pcatypes.PolicyInformation{{CertPolicyId: aws.String("1.2.3.5"), PolicyQualifiers: []pcatypes.PolicyQualifierInfo{
				{PolicyQualifierId: pcatypes.PolicyQualifierIdCps, Qualifier: &pcatypes.Qualifier{CpsUri: aws.String("http://example.com/cps")}}}}},
			SubjectAlternativeNames: []pcatypes.GeneralName{{UniformResourceIdentifier: aws.String("spiffe://example.com/device")}, {DnsName: aws.String("device.example.com")},
				{DirectoryName: &pcatypes.ASN1Subject{CommonName: aws.String("dir")}}},
			CustomExtensions: []pcatypes.CustomExtension{{ObjectIdentifier: aws.String("1.2.3.6"), Value: aws.String(base64.StdEncoding.EncodeToString([]byte{5, 0}))}},
		},
	}
	request := &acmpca.IssueCertificateInput{CertificateAuthorityArn: &authority, Csr: newCSR(t, "ignored", "ignored.example.com"), ApiPassthrough: passthrough,
		SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa, Validity: validity(30),
		TemplateArn: aws.String("arn:aws:acm-pca:::template/BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough/V1")}
	issued = must(s.pca.IssueCertificate(ctx, request))(t)
	c := parse(t, must(pcaCertificate(ctx, s.pca, authority, *issued.CertificateArn))(t))
	same(t, "common name", c.Subject.CommonName, "device")
	same(t, "names", fmt.Sprint(c.DNSNames, c.URIs), "[device.example.com] [spiffe://example.com/device]")
	same(t, "usages", fmt.Sprint(c.KeyUsage, c.ExtKeyUsage, c.UnknownExtKeyUsage), "digitalSignature [clientAuth] [1.2.3.4]")
	same(t, "custom extension", has(c, asn1.ObjectIdentifier{1, 2, 3, 6}), true)

	passthrough.Extensions.SubjectAlternativeNames[0].DnsName = aws.String("both")
	_, err := s.pca.IssueCertificate(ctx, request)
	wantCode(t, err, "InvalidArgsException")
	// Templates that do not take it ignore it, right or wrong.
	request.TemplateArn = nil
	issued = must(s.pca.IssueCertificate(ctx, request))(t)
	same(t, "common name of the CSR", parse(t, must(pcaCertificate(ctx, s.pca, authority, *issued.CertificateArn))(t)).Subject.CommonName, "ignored")
}

// An authority that signs all it signs with RSASSA-PSS; OpenSSL agrees.
func authorityPSS(s *system) {
	t, ctx := s.t, context.Background()
	in := ecAuthority(pcatypes.CertificateAuthorityTypeRoot, "PSS")
	in.CertificateAuthorityConfiguration.KeyAlgorithm = pcatypes.KeyAlgorithmRsa2048
	in.CertificateAuthorityConfiguration.SigningAlgorithm = pcatypes.SigningAlgorithmSha384withrsaPss
	root := *must(s.pca.CreateCertificateAuthority(ctx, in))(t).CertificateAuthorityArn
	issue := func(csr []byte, algorithm pcatypes.SigningAlgorithm, template string, days int64) string {
		t.Helper()
		issued := must(s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{CertificateAuthorityArn: &root, Csr: csr, SigningAlgorithm: algorithm, Validity: validity(days),
			TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1")}))(t)
		return must(pcaCertificate(ctx, s.pca, root, *issued.CertificateArn))(t)
	}
	rootText := issue([]byte(must(pcaCSR(ctx, s.pca, root))(t)), pcatypes.SigningAlgorithmSha384withrsaPss, "RootCACertificate", 60)
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &root, Certificate: []byte(rootText)}))(t)
	for algorithm, want := range map[pcatypes.SigningAlgorithm]x509.SignatureAlgorithm{
		pcatypes.SigningAlgorithmSha256withrsaPss: x509.SHA256WithRSAPSS, pcatypes.SigningAlgorithmSha384withrsaPss: x509.SHA384WithRSAPSS,
		pcatypes.SigningAlgorithmSha512withrsaPss: x509.SHA512WithRSAPSS, pcatypes.SigningAlgorithmSha256withrsa: x509.SHA256WithRSA,
	} {
		leafText := issue(newCSR(t, "leaf", "leaf.example.com"), algorithm, "EndEntityCertificate", 30)
		leaf := parse(t, leafText)
		same(t, "algorithm", leaf.SignatureAlgorithm, want)
		if err := leaf.CheckSignatureFrom(parse(t, rootText)); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if _, err := exec.LookPath("openssl"); err != nil {
			continue
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"root.pem": rootText, "leaf.pem": leafText} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command("openssl", "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "root.pem"), filepath.Join(dir, "leaf.pem")).CombinedOutput(); err != nil {
			t.Errorf("%s: openssl verify: %v: %s", algorithm, err, out)
		}
	}
	in.CertificateAuthorityConfiguration.KeyAlgorithm, in.CertificateAuthorityConfiguration.SigningAlgorithm = pcatypes.KeyAlgorithmMlDsa65, pcatypes.SigningAlgorithmMlDsa65
	_, err := s.pca.CreateCertificateAuthority(ctx, in)
	wantCode(t, err, "InvalidArgsException")
}
