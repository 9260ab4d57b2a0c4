package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// everything is an ApiPassthrough with every kind of extension.
func everything() *types.ApiPassthrough {
	dn := &types.ASN1Subject{CommonName: aws.String("dir"), Country: aws.String("DE")}
	return &types.ApiPassthrough{
		Subject: &types.ASN1Subject{CustomAttributes: []types.CustomAttribute{
			{ObjectIdentifier: aws.String("2.5.4.3"), Value: aws.String("api")}, {ObjectIdentifier: aws.String("1.3.6.1.4.1.37244.2.1"), Value: aws.String("FFF1")}}},
		Extensions: &types.Extensions{
			CertificatePolicies: []types.PolicyInformation{{CertPolicyId: aws.String("1.2.3.4"), PolicyQualifiers: []types.PolicyQualifierInfo{
				{PolicyQualifierId: types.PolicyQualifierIdCps, Qualifier: &types.Qualifier{CpsUri: aws.String("http://cps.example.com")}}}}},
			ExtendedKeyUsage: []types.ExtendedKeyUsage{{ExtendedKeyUsageType: types.ExtendedKeyUsageTypeEmailProtection},
				{ExtendedKeyUsageObjectIdentifier: aws.String("1.2.3.4.5")}},
			KeyUsage: &types.KeyUsage{DigitalSignature: true, NonRepudiation: true},
			SubjectAlternativeNames: []types.GeneralName{{DnsName: aws.String("api.example.com")}, {Rfc822Name: aws.String("a@example.com")},
				{UniformResourceIdentifier: aws.String("spiffe://example/x")}, {IpAddress: aws.String("192.0.2.7")}, {RegisteredId: aws.String("1.2.3")},
				{DirectoryName: dn}, {OtherName: &types.OtherName{TypeId: aws.String("1.2.3.9"), Value: aws.String("other")}},
				{EdiPartyName: &types.EdiPartyName{PartyName: aws.String("party")}}},
			CustomExtensions: []types.CustomExtension{{ObjectIdentifier: aws.String("1.2.3.7"), Critical: aws.Bool(true),
				Value: aws.String(base64.StdEncoding.EncodeToString([]byte{5, 0}))}},
		},
	}
}

func TestPassthrough(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr := requestOf(t, key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "csr"}, DNSNames: []string{"csr.example.com"},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 8}, Value: []byte{5, 0}}}})
	for name, want := range map[string]struct{ subject, dns, extensions string }{
		"EndEntityCertificate":                     {"CN=csr", "csr.example.com", "19 35 14 15 37 17"},
		"EndEntityCertificate_CSRPassthrough":      {"CN=csr", "csr.example.com", "19 35 14 15 37 17 8"},
		"EndEntityCertificate_APIPassthrough":      {"1.3.6.1.4.1.37244.2.1=#0c0446464631,CN=api", "api.example.com", "19 35 14 15 37 17 32 7"},
		"BlankEndEntityCertificate_CSRPassthrough": {"CN=csr", "csr.example.com", "19 35 14 17 8"},
		"BlankEndEntityCertificate_APICSRPassthrough": {"1.3.6.1.4.1.37244.2.1=#0c0446464631,CN=api", "api.example.com",
			"19 35 14 15 37 17 32 7 8"},
	} {
		in := leafInput(ca, csr)
		in.TemplateArn, in.ApiPassthrough = template1(name), everything()
		arn := b.issue(t, in)
		pem, _ := b.get(t, ca, arn)
		c := parsePEM(t, pem)
		var got []string
		for _, e := range c.Extensions {
			got = append(got, fmt.Sprint(e.Id[len(e.Id)-1]))
		}
		if strings.Join(got, " ") != want.extensions || !slices.Equal(c.DNSNames, []string{want.dns}) {
			t.Errorf("%s: extensions %v, names %v; want %s, %s", name, got, c.DNSNames, want.extensions, want.dns)
		}
		if row := ledgerRow(t, b, ca, arn); row.Subject != want.subject {
			t.Errorf("%s: the ledger says %s, want %s", name, row.Subject, want.subject)
		}
		if strings.Contains(name, "Blank") && strings.Contains(name, "API") {
			if !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}) || len(c.UnknownExtKeyUsage) != 1 ||
				c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment || len(c.PolicyIdentifiers) != 1 || len(c.URIs) != 1 || len(c.IPAddresses) != 1 || len(c.EmailAddresses) != 1 {
				t.Errorf("%s: %+v", name, c)
			}
		} else if !strings.Contains(name, "Blank") && c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment {
			t.Errorf("%s: key usage %d is not the template's", name, c.KeyUsage)
		}
	}
}

func TestPassthroughRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ca := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	csr := leafCSR(t, "csr", "csr.example.com")
	for name, c := range map[string]struct {
		change func(*types.ApiPassthrough)
		text   string
	}{
		"two members in a name": {func(p *types.ApiPassthrough) {
			p.Extensions.SubjectAlternativeNames[0].IpAddress = aws.String("192.0.2.1")
		}, "exactly one member"},
		"no member in a name": {func(p *types.ApiPassthrough) { p.Extensions.SubjectAlternativeNames[0] = types.GeneralName{} }, "exactly one member"},
		"not an address": {func(p *types.ApiPassthrough) {
			p.Extensions.SubjectAlternativeNames[3].IpAddress = aws.String("192.0.2")
		}, "IP address"},
		"umlaut in a host": {func(p *types.ApiPassthrough) {
			p.Extensions.SubjectAlternativeNames[0].DnsName = aws.String("ü.example")
		}, "ASCII"},
		"two usages in one": {func(p *types.ApiPassthrough) {
			p.Extensions.ExtendedKeyUsage[0].ExtendedKeyUsageObjectIdentifier = aws.String("1.2")
		}, "either"},
		"empty key usage": {func(p *types.ApiPassthrough) { p.Extensions.KeyUsage = &types.KeyUsage{} }, "at least one usage"},
		"not base64":      {func(p *types.ApiPassthrough) { p.Extensions.CustomExtensions[0].Value = aws.String("!") }, "base64"},
		"not DER":         {func(p *types.ApiPassthrough) { p.Extensions.CustomExtensions[0].Value = aws.String("BQ==") }, "DER"},
		"the same twice": {func(p *types.ApiPassthrough) {
			p.Extensions.CustomExtensions[0].ObjectIdentifier = aws.String("2.5.29.17")
		}, "twice"},
		"policy twice": {func(p *types.ApiPassthrough) {
			p.Extensions.CertificatePolicies = append(p.Extensions.CertificatePolicies, p.Extensions.CertificatePolicies[0])
		}, "twice"},
		"mixed subject": {func(p *types.ApiPassthrough) { p.Subject.CommonName = aws.String("x") }, "not both"},
	} {
		p := everything()
		c.change(p)
		in := leafInput(ca, csr)
		in.ApiPassthrough = p
		for _, other := range []string{"EndEntityCertificate", "EndEntityCertificate_CSRPassthrough"} {
			in.TemplateArn = template1(other)
			if _, err := b.IssueCertificate(caller(t.Context()), in); err != nil {
				t.Errorf("%s under %s, which ignores it: %v", name, other, err)
			}
		}
		in.TemplateArn = template1("BlankEndEntityCertificate_APIPassthrough")
		_, err := b.IssueCertificate(caller(t.Context()), in)
		wantError(t, err, "InvalidArgsException", c.text)
	}
	// Another ApiPassthrough under the same token is another request.
	in := leafInput(ca, csr)
	in.IdempotencyToken, in.ApiPassthrough, in.TemplateArn = aws.String("token"), everything(), template1("EndEntityCertificate_APIPassthrough")
	first := b.issue(t, in)
	in = &acmpca.IssueCertificateInput{CertificateAuthorityArn: in.CertificateAuthorityArn, Csr: in.Csr, Validity: in.Validity, SigningAlgorithm: in.SigningAlgorithm,
		IdempotencyToken: in.IdempotencyToken, ApiPassthrough: everything(), TemplateArn: in.TemplateArn}
	if again := b.issue(t, in); again != first {
		t.Errorf("the token made %s and %s", first, again)
	}
	in.ApiPassthrough.Subject = nil
	_, err := b.IssueCertificate(caller(t.Context()), in)
	wantError(t, err, "InvalidArgsException", "token")
}

func TestCSRExtensions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	root := b.root(t, createInput(types.CertificateAuthorityTypeRoot, "Root"))
	repository := &types.CsrExtensions{SubjectInformationAccess: []types.AccessDescription{
		{AccessMethod: &types.AccessMethod{AccessMethodType: types.AccessMethodTypeCaRepository},
			AccessLocation: &types.GeneralName{UniformResourceIdentifier: aws.String("rsync://example.com/repository")}},
		{AccessMethod: &types.AccessMethod{CustomObjectIdentifier: aws.String("1.2.3")},
			AccessLocation: &types.GeneralName{DnsName: aws.String("example.com")}}}}
	usage := &types.CsrExtensions{KeyUsage: &types.KeyUsage{KeyCertSign: true, CRLSign: true}}
	for name, c := range map[string]struct {
		given     *types.CsrExtensions
		algorithm types.KeyAlgorithm
		want      string // type, criticality and value of what follows basicConstraints
	}{
		"none":         {nil, types.KeyAlgorithmEcPrime256v1, ""},
		"empty":        {&types.CsrExtensions{}, types.KeyAlgorithmEcPrime256v1, ""},
		"key usage":    {usage, types.KeyAlgorithmEcPrime256v1, "2.5.29.15 true 03020106"},
		"access":       {repository, types.KeyAlgorithmEcPrime256v1, "1.3.6.1.5.5.7.1.11 false 303f302a06082b06010505073005861e7273796e633a2f2f6578616d706c652e636f6d2f7265706f7369746f7279301106022a03820b6578616d706c652e636f6d"},
		"made by jobs": {usage, types.KeyAlgorithmRsa3072, "2.5.29.15 true 03020106"},
	} {
		in := createInput(types.CertificateAuthorityTypeSubordinate, name)
		in.CertificateAuthorityConfiguration.CsrExtensions = c.given
		in.CertificateAuthorityConfiguration.KeyAlgorithm = c.algorithm
		if c.algorithm == types.KeyAlgorithmRsa3072 {
			in.CertificateAuthorityConfiguration.SigningAlgorithm = types.SigningAlgorithmSha256withrsa
		}
		ca := b.create(t, in)
		if _, err := b.MakeKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b.csr(t, ca))
		csr, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(csr.Extensions) > 1 {
			e := csr.Extensions[1]
			got = fmt.Sprintf("%s %v %x", e.Id, e.Critical, e.Value)
		}
		if csr.CheckSignature() != nil || len(csr.Extensions) > 2 || !csr.Extensions[0].Critical ||
			got != c.want {
			t.Errorf("%s: CSR has %q, want %q", name, got, c.want)
		}
		if described := b.describe1(t, ca).CertificateAuthorityConfiguration.CsrExtensions; !reflect.DeepEqual(described, c.given) {
			t.Errorf("%s: described as %+v", name, described)
		}
	}
	// Only a template that takes extensions from the CSR carries them on.
	for template, want := range map[string]int{"SubordinateCACertificate_PathLen0": 4, "SubordinateCACertificate_PathLen0_CSRPassthrough": 5} {
		in := createInput(types.CertificateAuthorityTypeSubordinate, "Sub")
		in.CertificateAuthorityConfiguration.CsrExtensions = repository
		ca := b.subordinate(t, root, in, template)
		out, err := b.GetCertificateAuthorityCertificate(caller(t.Context()), &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: &ca})
		if err != nil {
			t.Fatal(err)
		}
		if c := parsePEM(t, *out.Certificate); len(c.Extensions) != want {
			t.Errorf("%s: %d extensions, want %d", template, len(c.Extensions), want)
		}
	}
	for name, bad := range map[string]*types.CsrExtensions{
		"both":        {KeyUsage: usage.KeyUsage, SubjectInformationAccess: repository.SubjectInformationAccess},
		"no usage":    {KeyUsage: &types.KeyUsage{}},
		"no method":   {SubjectInformationAccess: []types.AccessDescription{{AccessLocation: repository.SubjectInformationAccess[0].AccessLocation}}},
		"no location": {SubjectInformationAccess: []types.AccessDescription{{AccessMethod: repository.SubjectInformationAccess[0].AccessMethod}}},
	} {
		in := createInput(types.CertificateAuthorityTypeSubordinate, name)
		in.CertificateAuthorityConfiguration.CsrExtensions = bad
		_, err := b.CreateCertificateAuthority(caller(t.Context()), in)
		wantError(t, err, "InvalidArgsException", "")
	}
}

// TestOmittedPoints is the precedence of CRL distribution points: those of the
// authority; where it keeps them back, those of the caller.
func TestOmittedPoints(t *testing.T) {
	t.Parallel()
	b, _ := newCRLBench(t)
	points := base64.StdEncoding.EncodeToString([]byte("\x30\x13\x30\x11\xa0\x0f\xa0\x0d\x86\x0bhttp://x/ab"))
	for name, c := range map[string]struct {
		config   *types.RevocationConfiguration
		template string
		want     string
	}{
		"none":               {nil, "EndEntityCertificate_APIPassthrough", ""},
		"none, critical":     {nil, "BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough", "http://x/ab"},
		"own":                {crlOf("bucket"), "EndEntityCertificate_APIPassthrough", "http://bucket.s3"},
		"own, critical":      {crlOf("bucket"), "BlankEndEntityCertificate_CriticalBasicConstraints_APIPassthrough", "http://bucket.s3"},
		"omitted":            {crlOf("bucket", omit), "EndEntityCertificate_APIPassthrough", "http://x/ab"},
		"omitted, not asked": {crlOf("bucket", omit), "EndEntityCertificate", ""},
	} {
		ca := b.revoking(t, c.config)
		in := leafInput(ca, leafCSR(t, "leaf"))
		in.TemplateArn = template1(c.template)
		in.ApiPassthrough = &types.ApiPassthrough{Extensions: &types.Extensions{CustomExtensions: []types.CustomExtension{
			{ObjectIdentifier: aws.String("2.5.29.31"), Value: aws.String(points)}}}}
		text, _ := b.get(t, ca, b.issue(t, in))
		got := strings.Join(parsePEM(t, text).CRLDistributionPoints, " ")
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
