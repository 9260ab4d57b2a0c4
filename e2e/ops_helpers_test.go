package e2e

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// in is the same system for a subtest.
func (s *system) in(t *testing.T) *system {
	c := *s
	c.t = t
	return &c
}

// parts runs the parts of a test at the same time, all on one node.
func (s *system) parts(parts map[string]func(*system)) {
	for name, part := range parts {
		s.t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(s.in(t))
		})
	}
}

// same demands a value.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

// names are the names of some things, sorted.
func names[T any](s []T, name func(T) string) []string {
	var all []string
	for _, one := range s {
		all = append(all, name(one))
	}
	slices.Sort(all)
	return all
}

// ecRoot makes an active root CA on P-256, which is quick.
func ecRoot(t *testing.T, pca *acmpca.Client, name string) (arn, certificate string) {
	t.Helper()
	ctx := context.Background()
	arn = *must(pca.CreateCertificateAuthority(ctx, ecAuthority(pcatypes.CertificateAuthorityTypeRoot, name)))(t).CertificateAuthorityArn
	csr := must(pcaCSR(ctx, pca, arn))(t)
	issued := must(pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &arn, Csr: []byte(csr), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1"), Validity: validity(3650),
	}))(t)
	certificate = must(pcaCertificate(ctx, pca, arn, *issued.CertificateArn))(t)
	must(pca.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &arn, Certificate: []byte(certificate)}))(t)
	return arn, certificate
}

func ecAuthority(kind pcatypes.CertificateAuthorityType, name string) *acmpca.CreateCertificateAuthorityInput {
	return &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{
			KeyAlgorithm: pcatypes.KeyAlgorithmEcPrime256v1, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
			Subject: &pcatypes.ASN1Subject{CommonName: &name, Organization: aws.String("Example, Inc.")},
		},
	}
}

func validity(days int64) *pcatypes.Validity {
	return &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeDays, Value: &days}
}

// pcaCSR waits for the CSR of a CA as the SDK does.
func pcaCSR(ctx context.Context, pca *acmpca.Client, authority string) (string, error) {
	got, err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(pca, func(o *acmpca.CertificateAuthorityCSRCreatedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &authority}, time.Minute)
	if err != nil {
		return "", err
	}
	return *got.Csr, nil
}

// pcaCertificate waits for an issued certificate as the SDK does.
func pcaCertificate(ctx context.Context, pca *acmpca.Client, authority, arn string) (string, error) {
	got, err := acmpca.NewCertificateIssuedWaiter(pca, func(o *acmpca.CertificateIssuedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &acmpca.GetCertificateInput{CertificateAuthorityArn: &authority, CertificateArn: &arn}, 20*time.Second)
	if err != nil {
		return "", err
	}
	return *got.Certificate, nil
}

// newCSR makes a key on P-256 and a CSR for it.
func newCSR(t *testing.T, name string, dnsNames ...string) []byte {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	der := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: dnsNames}, key))(t)
	return pemBlock("CERTIFICATE REQUEST", der)
}

// selfSigned makes a certificate of a key, as a user brings one along.
func selfSigned(t *testing.T, name string, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 90),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return pemBlock("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t))
}

func newKey(t *testing.T) (key *ecdsa.PrivateKey, text []byte) {
	t.Helper()
	key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	return key, pemBlock("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))(t))
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// upstream is an HTTP server for the gateway to pass requests on to.
func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // returns when it is closed
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// localRoot is the CA of the node's own certificates, as its file names it.
func (s *system) localRoot() *x509.CertPool {
	s.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(os.ReadFile(s.node.Endpoints().CACert))(s.t)) {
		s.t.Fatal("the local root's file holds no certificate")
	}
	return roots
}
