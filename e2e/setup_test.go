package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/pki"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gwtypes "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const account = "000000000000"

// echo gives the Lambda package of lambda/echo, compiled once.
var echo = sync.OnceValues(func() ([]byte, error) { return program("countersign/lambda/echo") })

// program compiles a Lambda program and zips it.
func program(path string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "countersign-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", bootstrap, path)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(bootstrap)
	if err != nil {
		return nil, err
	}
	return zipped("bootstrap", binary)
}

func zipped(name string, data []byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(0o755)
	f, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	err = w.Close() // writes the directory, so it comes before Bytes
	return b.Bytes(), err
}

// authority creates a CA and activates it: by itself for a root, else by issuer.
func (s *system) authority(kind pcatypes.CertificateAuthorityType, name, issuer, template, chain string) (arn, certificate string) {
	s.t.Helper()
	ctx := context.Background()
	arn = *must(s.pca.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{
			KeyAlgorithm: pcatypes.KeyAlgorithmRsa2048, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
			Subject: &pcatypes.ASN1Subject{CommonName: &name, Organization: aws.String("Example, Inc."), Country: aws.String("DE")},
		},
	}))(s.t).CertificateAuthorityArn
	if issuer == "" {
		issuer = arn
	}
	csr := must(acmpca.NewCertificateAuthorityCSRCreatedWaiter(s.pca, func(o *acmpca.CertificateAuthorityCSRCreatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &arn}, time.Minute))(s.t)
	years := int64(5)
	if kind == pcatypes.CertificateAuthorityTypeRoot {
		years = 10
	}
	certificate = s.issue(issuer, []byte(*csr.Csr), template, years)
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &arn, Certificate: []byte(certificate)}
	if chain != "" {
		in.CertificateChain = []byte(chain)
	}
	must(s.pca.ImportCertificateAuthorityCertificate(ctx, in))(s.t)
	return arn, certificate
}

// issue has a CA sign a CSR and waits for the certificate.
func (s *system) issue(authority string, csr []byte, template string, years int64) string {
	s.t.Helper()
	ctx := context.Background()
	issued := must(s.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &authority, Csr: csr, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withrsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template + "/V1"),
		Validity:    &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeYears, Value: &years},
	}))(s.t)
	got := must(acmpca.NewCertificateIssuedWaiter(s.pca, func(o *acmpca.CertificateIssuedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &authority, CertificateArn: issued.CertificateArn}, time.Minute))(s.t)
	return *got.Certificate
}

// A hierarchy is a root and a subordinate CA, as in article 1.
type hierarchy struct{ rootARN, root, subARN, sub string }

func (s *system) hierarchy() hierarchy {
	s.t.Helper()
	var h hierarchy
	h.rootARN, h.root = s.authority(pcatypes.CertificateAuthorityTypeRoot, "rootca", "", "RootCACertificate", "")
	h.subARN, h.sub = s.authority(pcatypes.CertificateAuthorityTypeSubordinate, "mtlsca", h.rootARN, "SubordinateCACertificate_PathLen3", h.root)
	return h
}

// bundle joins PEM texts that end with or without a newline.
func bundle(texts ...string) []byte {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(strings.TrimRight(t, "\n") + "\n")
	}
	return []byte(b.String())
}

// clientCertificate requests a certificate from a CA through ACM and exports it.
func (s *system) clientCertificate(authority, name string) (*tls.Certificate, string) {
	s.t.Helper()
	ctx := context.Background()
	arn := *must(s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{CertificateAuthorityArn: &authority, DomainName: &name}))(s.t).CertificateArn
	s.waitIssued(arn)
	return s.exported(arn), arn
}

// exported is a certificate with its key, as ExportCertificate gives them.
func (s *system) exported(arn string) *tls.Certificate {
	s.t.Helper()
	out := must(s.acm.ExportCertificate(context.Background(), &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("a passphrase")}))(s.t)
	block, _ := pem.Decode([]byte(*out.PrivateKey))
	if block == nil || block.Type != "ENCRYPTED PRIVATE KEY" {
		s.t.Fatalf("exported key:\n%s", *out.PrivateKey)
	}
	der := must(pki.DecryptPKCS8(block.Bytes, []byte("a passphrase")))(s.t)
	pair := must(tls.X509KeyPair([]byte(*out.Certificate), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))(s.t)
	return &pair
}

func (s *system) waitIssued(arn string) *acmtypes.CertificateDetail {
	s.t.Helper()
	for range 1000 {
		out := must(s.acm.DescribeCertificate(context.Background(), &acm.DescribeCertificateInput{CertificateArn: &arn}))(s.t)
		switch out.Certificate.Status {
		case acmtypes.CertificateStatusIssued:
			return out.Certificate
		case acmtypes.CertificateStatusPendingValidation:
			time.Sleep(10 * time.Millisecond)
		default:
			s.t.Fatalf("certificate %s is %s %s", arn, out.Certificate.Status, out.Certificate.FailureReason)
		}
	}
	s.t.Fatalf("certificate %s is not issued after 10 s", arn)
	return nil
}

// bucket makes a versioned bucket.
func (s *system) bucket(name string) {
	s.t.Helper()
	ctx := context.Background()
	must(s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(s.t)
	must(s.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))(s.t)
}

// put writes an object and gives its version.
func (s *system) put(bucket, key string, data []byte) string {
	s.t.Helper()
	return aws.ToString(must(s.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)}))(s.t).VersionId)
}

// serverCertificate makes a zone and has a certificate of a name in it validated by DNS.
func (s *system) serverCertificate(zone, name string) string {
	s.t.Helper()
	ctx := context.Background()
	made := must(s.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &zone, CallerReference: aws.String(zone + name)}))(s.t)
	arn := *must(s.acm.RequestCertificate(ctx, &acm.RequestCertificateInput{DomainName: &name, ValidationMethod: acmtypes.ValidationMethodDns}))(s.t).CertificateArn
	described := must(s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &arn}))(s.t)
	record := described.Certificate.DomainValidationOptions[0].ResourceRecord
	must(s.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: made.HostedZone.Id,
		ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionUpsert, ResourceRecordSet: &r53types.ResourceRecordSet{
			Name: record.Name, Type: r53types.RRTypeCname, TTL: aws.Int64(60), ResourceRecords: []r53types.ResourceRecord{{Value: record.Value}},
		}}}},
	}))(s.t)
	s.waitIssued(arn)
	return arn
}

// function deploys lambda/echo under a name.
func (s *system) function(name string) string {
	s.t.Helper()
	return s.deploy(name, must(echo())(s.t))
}

// lambdaRole makes a role that Lambda may assume, unless there is one, and gives its ARN.
func (s *system) lambdaRole(name string) string {
	s.t.Helper()
	ctx := context.Background()
	_, err := s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(lambdaTrust)})
	if err != nil && !errors.As(err, new(*iamtypes.EntityAlreadyExistsException)) {
		s.t.Fatal(err)
	}
	return *must(s.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}))(s.t).Role.Arn
}

const lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// deploy makes a function of a Lambda package and waits until it is active.
func (s *system) deploy(name string, code []byte) string {
	s.t.Helper()
	ctx := context.Background()
	architecture := lambdatypes.ArchitectureX8664
	if runtime.GOARCH == "arm64" {
		architecture = lambdatypes.ArchitectureArm64
	}
	out := must(s.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Architectures: []lambdatypes.Architecture{architecture},
		Role: aws.String(s.lambdaRole(name)), Code: &lambdatypes.FunctionCode{ZipFile: code}, Timeout: aws.Int32(10),
	}))(s.t)
	err := lambda.NewFunctionActiveV2Waiter(s.lambda, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.FunctionArn
}

// echoAPI makes an API that answers every request with its event.
func (s *system) echoAPI(name string) string {
	s.t.Helper()
	ctx := context.Background()
	function := s.function(name)
	api := must(s.gateway.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: &name, ProtocolType: gwtypes.ProtocolTypeHttp, Target: &function}))(s.t)
	must(s.lambda.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: &name, StatementId: aws.String("gateway"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com"),
		SourceArn: aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + *api.ApiId + "/*"),
	}))(s.t)
	return *api.ApiId
}

// domain puts an API on a domain name; with a trust store, given as
// s3://bucket/key, clients need a certificate.
func (s *system) domain(name, certificate, api, trust string) {
	s.t.Helper()
	ctx := context.Background()
	in := &apigatewayv2.CreateDomainNameInput{DomainName: &name, DomainNameConfigurations: []gwtypes.DomainNameConfiguration{{CertificateArn: &certificate, EndpointType: gwtypes.EndpointTypeRegional, SecurityPolicy: gwtypes.SecurityPolicyTls12}}}
	if trust != "" {
		in.MutualTlsAuthentication = &gwtypes.MutualTlsAuthenticationInput{TruststoreUri: &trust}
	}
	must(s.gateway.CreateDomainName(ctx, in))(s.t)
	must(s.gateway.CreateApiMapping(ctx, &apigatewayv2.CreateApiMappingInput{DomainName: &name, ApiId: &api, Stage: aws.String("$default")}))(s.t)
}

// revoke revokes an ACM certificate at its CA.
func (s *system) revoke(authority, certificate string) {
	s.t.Helper()
	ctx := context.Background()
	described := must(s.acm.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: &certificate}))(s.t)
	must(s.pca.RevokeCertificate(ctx, &acmpca.RevokeCertificateInput{
		CertificateAuthorityArn: &authority, CertificateSerial: described.Certificate.Serial, RevocationReason: pcatypes.RevocationReasonKeyCompromise,
	}))(s.t)
}

// revokeSerial revokes a certificate that its CA issued, by serial number.
func (s *system) revokeSerial(authority, serial string) {
	s.t.Helper()
	must(s.pca.RevokeCertificate(context.Background(), &acmpca.RevokeCertificateInput{
		CertificateAuthorityArn: &authority, CertificateSerial: &serial, RevocationReason: pcatypes.RevocationReasonSuperseded,
	}))(s.t)
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("not PEM: %q", text)
	}
	return must(x509.ParseCertificate(block.Bytes))(t)
}
